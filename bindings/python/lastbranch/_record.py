"""Sampling a program with branch stacks."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np
import numpy.typing as npt

from lastbranch._core import Error
from lastbranch._machine import Command, Machine, MachineOptions, Mapping, StrPath
from lastbranch._run import DEFAULT_EVENTS, RunResult, summary


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class RecordResult(RunResult):
    """What came of a run that was sampled. The arrays are read-only and belong to the result alone."""

    samples: npt.NDArray[np.void]
    """One row a sample, in the order of time, shape (n,).

    Fields: ``ip`` (u8, address of the next instruction), ``time`` (u8, ns of simulated time), ``period`` (u8,
    events since the sample before), ``first`` (u8) and ``count`` (u4): its branches are
    ``branches[first:first + count]``, ``event`` (u4, index into `events`).
    """
    branches: npt.NDArray[np.void]
    """The branch stacks of all samples, one after another, each newest first, shape (m,).

    Fields: ``from`` and ``to`` (u8, linear addresses), ``cycles`` (u2, core clocks since the record before,
    saturating at 65535), ``kind`` (u1, a `BranchKind`), ``mispredicted``, ``predicted``, ``in_tx``, ``abort``
    (bool; neither of the first two where the part's records do not say).
    """
    events: list[tuple[str, int]]
    """The events that were sampled, each with its period."""
    mappings: list[Mapping] = field(default_factory=list)
    """The executable mappings at the end, by ascending address."""
    output: Path | None = None
    """The perf.data file."""

    def stack(self, i: int) -> npt.NDArray[np.void]:
        """The branches of sample `i`, newest first: a view of `branches`. Negative: from the end.

        Raises IndexError when there is no such sample.
        """
        sample = self.samples[i]
        first = int(sample["first"])
        return self.branches[first : first + int(sample["count"])]

    def __len__(self) -> int:
        return len(self.samples)

    def _more(self) -> str:
        return f", {len(self.samples)} samples, {len(self.branches)} branches{super()._more()}"


def record(
    command: Command,
    *,
    period: int | None = None,
    event: str = "cycles:u",
    branches: str = "any,u",
    output: StrPath | None = None,
    raw_lbr: bool = False,
    events: Sequence[str] = DEFAULT_EVENTS,
    max_instructions: int | None = None,
    **machine: Unpack[MachineOptions],
) -> RecordResult:
    """Runs a program on a simulated core and samples it with branch stacks, as ``perf record -b`` does.

    command: the program and its arguments.
    period: events between two samples, at least 1; None: as many as make 4,000 samples per second of
        simulated time if the event happened every cycle.
    event: what to sample, see `events`; several separated by commas. With ``p`` behind the colon the sample
        comes without skid, with ``pp`` it is of the very instruction: ``br_inst_retired.near_taken:upp``.
    branches: which branches, as ``perf record -j`` takes them: ``any``, ``any_call``, ``any_ret``,
        ``ind_call``, ``ind_jmp``, ``call``, ``cond``, or ``stack`` for call stacks; and ``u``, ``k`` or both.
    output: a perf.data file to write as well, for perf, llvm-profgen, perf2bolt; complete also after Ctrl-C.
    raw_lbr: keep branches that the filter register lets through and perf drops: those that come from the
        kernel, and kinds that the part cannot tell apart.
    events: what to count, as for `run`.
    max_instructions: stop after that many; None: at the program's end.
    Further keywords are those of `Machine`: uarch, env, root, read_only, seed, overrides, lbr_depth, skid,
    stdin, stdout, stderr.

    A sample is taken `skid` core clocks after the event overflows, of precise events exactly there. In
    memory it takes 40 bytes, and 24 for each of its branches.

    Raises `Error`: as `run`; an output file that cannot be written, after a valid smaller one got its name
    where the disk was full.

    >>> import lastbranch
    >>> result = record(["busybox", "true"], period=1000, stdout=lastbranch.DEVNULL)
    >>> result.stack(-1)["from"].shape
    (32,)
    >>> calls = result.branches["kind"] == lastbranch.BranchKind.CALL
    >>> bool(calls.any())
    True
    """
    if period is not None and period < 1:
        raise Error(f"period: expected at least 1, found {period}")
    made = Machine(command, **machine)
    counters = [made.count(name) for name in events]
    core = made._core
    sampled = core.collect(event, period or 0, branches, raw_lbr)
    if output is not None:
        command_line = [b"lastbranch", b"record", *made.command]
        core.record(os.fsencode(output), event, period or 0, branches, raw_lbr, command_line)
    try:
        outcome = made.run(max_instructions)
    finally:
        if output is not None:
            core.finish_recording()
    samples, stacks = core.take_samples()
    return RecordResult(
        samples=samples,
        branches=stacks,
        events=sampled,
        mappings=made.mappings,
        output=None if output is None else Path(os.fsdecode(output)),
        **summary(made, counters, outcome),
    )
