"""A machine, step by step."""

import os
from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from lastbranch import _core
from lastbranch._core import Error
from lastbranch._hart import Hart
from lastbranch._streams import Input, Output, Streams

Command: TypeAlias = Sequence[str | bytes | os.PathLike[str]]
StrPath: TypeAlias = str | bytes | os.PathLike[str]


class MachineOptions(TypedDict, total=False):
    """The keywords of `Machine`, which `run` and `record` pass on."""

    uarch: str
    env: abc.Mapping[str, str] | None
    root: StrPath | None
    read_only: bool
    seed: int
    overrides: abc.Mapping[str, int] | None
    lbr_depth: int | None
    skid: int
    stdin: Input
    stdout: Output
    stderr: Output


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why `Machine.run` returned."""

    how: Literal["exited", "killed", "limit", "stopped"]
    """The program ended by itself or by a signal; or the limit or `Machine.request_stop` made a pause."""
    status: int
    """The exit status (0 to 255) after "exited", the signal's number after "killed", otherwise 0."""

    @property
    def ended(self) -> bool:
        """Whether the program ended."""
        return self.how in ("exited", "killed")

    @property
    def exit_code(self) -> int | None:
        """As a shell shows it: the status, or 128 + signal; None when the program has not ended."""
        if not self.ended:
            return None
        return self.status + (128 if self.how == "killed" else 0)

    @property
    def signal(self) -> int | None:
        """The number of the signal that killed the program."""
        return self.status if self.how == "killed" else None


@dataclass(frozen=True, slots=True)
class Mapping:
    """An executable mapping of the program."""

    address: int
    length: int
    """Bytes, whole pages."""
    offset: int
    """Of the first byte, in the file."""
    path: str
    """Of the file on the host; ``//anon``, ``[heap]`` or ``[stack]`` where there is none."""


class Counter:
    """A counter of one event, running since it was made."""

    def __init__(self, core: _core.Machine, event: str) -> None:
        self._core = core
        self._number = core.count(event)
        self.event = event

    @property
    def value(self) -> int:
        """Events so far."""
        return self._core.counter(self._number)

    def __repr__(self) -> str:
        return f"<Counter {self.event}: {self.value}>"


class Machine:
    """A simulated core with a program loaded, before its first instruction.

    Machines are independent of each other: several may be stepped in turn. Only one thread may use a machine
    at a time, and machines in several threads take turns; for runs in parallel use processes.

    >>> import lastbranch
    >>> machine = Machine(["busybox", "true"], stdout=lastbranch.CAPTURE)
    >>> machine.lbr.enable()
    >>> machine.run(1000)
    Outcome(how='limit', status=0)
    >>> machine.instructions
    1000
    >>> len(machine.lbr.entries())
    32
    """

    def __init__(
        self,
        command: Command,
        *,
        uarch: str = _core.default_uarch,
        env: abc.Mapping[str, str] | None = None,
        root: StrPath | None = None,
        read_only: bool = False,
        seed: int = 1,
        overrides: abc.Mapping[str, int] | None = None,
        lbr_depth: int | None = None,
        skid: int = 0,
        stdin: Input = None,
        stdout: Output = None,
        stderr: Output = None,
    ) -> None:
        """Loads a program.

        command: the program and its arguments. A name without ``/`` is looked up in the PATH of `env`.
        uarch: one of `uarchs`, or an alias.
        env: the program's environment; None: that of this process.
        root: the folder of the host that is ``/`` for the program; None: the host's own.
        read_only: refuse every call that would change files of the host, with EROFS.
        seed: of the random bytes that the program gets, 0 to 2**64 - 1. The same seed gives the same run.
        overrides: fields of the microarchitecture to change, see `parameters`.
        lbr_depth: the same as ``overrides={"lbr_depth": n}``: 1, 4, 8, 16 or 32.
        skid: core clocks from a counter's overflow to its sample, for events that are not precise; a choice
            of the model, as no source says how many a core has.
        stdin: a file or descriptor, `DEVNULL`, or the bytes to read; None: that of this process.
        stdout, stderr: a file or descriptor, `DEVNULL`, or `CAPTURE`; None: those of this process.

        Raises `Error`: unknown names, a program that is not there or no 64-bit x86 ELF file.
        """
        if skid < 0:
            raise Error(f"skid: expected at least 0 core clocks, found {skid}")
        changed = dict(overrides or {})
        if lbr_depth is not None:
            if "lbr_depth" in changed:
                raise Error("lbr_depth: expected it once, found it in overrides, too")
            changed["lbr_depth"] = lbr_depth
        self.command = program_arguments(command)
        self._streams = Streams(stdin, stdout, stderr)
        self._streams.flush()
        self._core = _core.Machine(
            arguments=self.command,
            environment=environment_entries(os.environ if env is None else env),
            uarch=uarch,
            overrides=list(changed.items()),
            root=b"" if root is None else os.fsencode(root),
            read_only=read_only,
            seed=seed,
            skid=skid,
            streams=self._streams.fds,
        )
        self.hart = Hart(self._core)
        """The core: its registers, last-branch records and counters."""
        self.lbr = self.hart.lbr
        """The same as ``hart.lbr``."""
        self.msr = self.hart.msr
        """The same as ``hart.msr``."""

    def run(self, max_instructions: int | None = None) -> Outcome:
        """Simulates up to `max_instructions` more; None: to the end of the program.

        Exactly that many, unless the program ends. May be called again; after the end it does nothing. Other
        Python threads run meanwhile. What a signal handler raises (KeyboardInterrupt) comes through within a
        tenth of a second, and another call continues where the machine stopped.
        """
        if max_instructions is not None and max_instructions < 0:
            raise Error(f"max_instructions: expected at least 0, found {max_instructions}")
        self._streams.flush()
        return Outcome(*self._core.run(max_instructions))

    def request_stop(self) -> None:
        """Makes `run` return soon, with "stopped"; for other threads."""
        self._core.request_stop()

    def count(self, event: str) -> Counter:
        """Counts an event from now on.

        event: as perf writes it: ``cycles:u``, ``br_inst_retired.near_taken``, ``r20c4``; see `events`.

        There are as many counters as one likes, beside the core's. Only events with cmask, inv or edge take
        one of the core's, and share them by turns when they are more: then the value is an estimate.

        Raises `Error`: no such event, or no model supplies it.
        """
        return Counter(self._core, event)

    @property
    def facts(self) -> dict[str, int]:
        """What has retired, in any mode: the totals that events are made from. Exact between runs."""
        return self._core.facts()

    @property
    def instructions(self) -> int:
        """Retired since the start."""
        return self._core.instructions

    @property
    def cycles(self) -> int:
        """Core clocks since the start."""
        return self._core.cycles

    @property
    def time_ns(self) -> int:
        """Simulated time since the start."""
        return self._core.time_ns

    @property
    def registers(self) -> dict[str, int]:
        """The general registers with ``rip`` (the next instruction), ``rflags``, ``fs_base``, ``gs_base``."""
        return self._core.registers()

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of the program's memory. Raises `Error` where it cannot read them itself."""
        return self._core.read_memory(address, size)

    def describe(self, address: int) -> str:
        """``main+0x12 (/bin/true)``, or what else is known. Reads the symbols of the file each time."""
        return self._core.describe(address)

    @property
    def mappings(self) -> list[Mapping]:
        """The executable mappings there are now, by ascending address."""
        return [Mapping(*row) for row in self._core.mappings()]

    @property
    def resident_bytes(self) -> int:
        """Memory that the program has touched and still has, in whole pages."""
        return self._core.resident_bytes

    @property
    def configuration(self) -> dict[str, str]:
        """Everything that decides about a run beside the program: the part's fields, seed, timing model."""
        return dict(self._core.configuration())

    @property
    def notes(self) -> list[str]:
        """What one should know of the run so far, a line each: what the program died of, calls refused."""
        death = self._core.death()
        refused = [
            f"{name}: {reason}, {count} {'time' if count == 1 else 'times'}"
            for name, reason, count in self._core.refused_calls()
        ]
        return refused if death is None else [death, *refused]

    @property
    def stdout(self) -> bytes | None:
        """What the program has written so far, with ``stdout=CAPTURE``."""
        return self._streams.stdout

    @property
    def stderr(self) -> bytes | None:
        """What the program has written so far, with ``stderr=CAPTURE``."""
        return self._streams.stderr

    def __repr__(self) -> str:
        program = os.fsdecode(self.command[0])
        return f"<Machine {program} on {self.configuration['uarch']}, {self.instructions} instructions>"


def program_arguments(command: Command) -> list[bytes]:
    """The command line as the kernel takes it. Raises `Error`."""
    if isinstance(command, str | bytes):
        raise Error(f"command: expected a list of arguments, found the string {command!r}")
    arguments = [os.fsencode(argument) for argument in command]
    if not arguments:
        raise Error("command: expected a program to run, found an empty list")
    for argument in arguments:
        if b"\0" in argument:
            raise Error(f"command: expected arguments without null bytes, found {argument!r}")
    return arguments


def environment_entries(env: abc.Mapping[str, str]) -> list[bytes]:
    """The environment as the kernel takes it. Raises `Error`."""
    entries = [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in env.items()]
    for entry in entries:
        if b"\0" in entry:
            raise Error(f"env: expected entries without null bytes, found {entry!r}")
    return entries
