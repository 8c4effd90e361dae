"""Running a program and counting events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict, Unpack

from lastbranch._machine import Command, Counter, Machine, MachineOptions, Outcome

DEFAULT_EVENTS: Final = ("cycles", "instructions", "branches")


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class RunResult:
    """What came of a run."""

    counts: dict[str, int]
    """How often each event happened, by the names that were asked for."""
    exit_code: int | None
    """As a shell shows it: 0 to 255, 128 + signal; None when the instruction limit came first."""
    signal: int | None
    """The signal that killed the program."""
    instructions: int
    """Retired."""
    cycles: int
    """Core clocks."""
    time_ns: int
    """Simulated time."""
    configuration: dict[str, str]
    """Everything that decides about the run beside the program."""
    notes: list[str] = field(default_factory=list)
    """What one should know, a line each: what the program died of, system calls that were refused."""
    stdout: bytes | None = None
    """What the program wrote, with ``stdout=CAPTURE``."""
    stderr: bytes | None = None
    """What the program wrote, with ``stderr=CAPTURE``."""

    def __repr__(self) -> str:
        end = "instruction limit" if self.exit_code is None else f"exit code {self.exit_code}"
        return f"<{type(self).__name__}: {end}, {self.instructions} instructions{self._more()}>"

    def _more(self) -> str:
        return f", {len(self.notes)} notes" if self.notes else ""


def run(
    command: Command,
    *,
    events: Sequence[str] = DEFAULT_EVENTS,
    max_instructions: int | None = None,
    **machine: Unpack[MachineOptions],
) -> RunResult:
    """Runs a program on a simulated core and counts events.

    command: the program and its arguments.
    events: what to count, as perf writes it: ``cycles:u``, ``br_inst_retired.near_taken``; see `events`.
    max_instructions: stop after that many; None: at the program's end.
    Further keywords are those of `Machine`: uarch, env, root, read_only, seed, overrides, lbr_depth, skid,
    stdin, stdout, stderr.

    The program's input and output are those of this process unless the keywords say otherwise. Other Python
    threads run meanwhile; Ctrl-C raises KeyboardInterrupt.

    Raises `Error`: a program that cannot be run, an event or microarchitecture that is not known.

    >>> import lastbranch
    >>> result = run(["busybox", "echo", "hello"], events=["branches:u"], stdout=lastbranch.CAPTURE)
    >>> result.stdout
    b'hello\\n'
    >>> result.counts["branches:u"] > 1000
    True
    """
    made = Machine(command, **machine)
    counters = [made.count(event) for event in events]
    outcome = made.run(max_instructions)
    return RunResult(**summary(made, counters, outcome))


class Summary(TypedDict):
    """The fields of `RunResult`."""

    counts: dict[str, int]
    exit_code: int | None
    signal: int | None
    instructions: int
    cycles: int
    time_ns: int
    configuration: dict[str, str]
    notes: list[str]
    stdout: bytes | None
    stderr: bytes | None


def summary(machine: Machine, counters: Sequence[Counter], outcome: Outcome) -> Summary:
    """What every result says."""
    return {
        "counts": {counter.event: counter.value for counter in counters},
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "instructions": machine.instructions,
        "cycles": machine.cycles,
        "time_ns": machine.time_ns,
        "configuration": machine.configuration,
        "notes": machine.notes,
        "stdout": machine.stdout,
        "stderr": machine.stderr,
    }
