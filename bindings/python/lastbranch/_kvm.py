"""What KVM's objects take and give back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lastbranch import _core
from lastbranch._core import Error


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel whose KVM is modelled."""

    name: str
    """What ``kernel=`` takes: ``v5-series:0`` to ``v5-series:8``, or a release."""
    alias: str
    """The specification's tag for it; ``kernel=`` takes that too."""
    what: str
    """What it is, in words."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a rule table."""

    id: str
    words: str
    """The rule."""
    section: str
    """Of the specification, kvm-lbr-semantics.md."""
    kernels: str
    """Those it holds for: ``all``, or names with ranges."""

    def __str__(self) -> str:
        return f"{self.id}: {self.words} [section {self.section}; {self.kernels}]"


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row with the table it is in."""

    table: str
    row: Row


class Trace(tuple[Row, ...]):
    """The rows that decided a call, oldest first; as text, one line a row."""

    __slots__ = ()

    @property
    def ids(self) -> list[str]:
        """The rows' ids."""
        return [row.id for row in self]

    def __str__(self) -> str:
        return "\n".join(str(row) for row in self)


def trace_of(rows: list[tuple[str, str, str, str]]) -> Trace:
    return Trace(Row(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the guest's instruction got: a value or #GP(0). True if there was no fault."""

    code: int
    """KVM's own: 0, 1 (invalid) or 2 (unsupported); -22 where user space would see EINVAL."""
    value: int | None = None
    """What was read; None after a write or a fault."""

    @property
    def ok(self) -> bool:
        """Whether there was no fault."""
        return self.code == 0

    @property
    def gp(self) -> bool:
        """Whether the guest gets #GP(0)."""
        return self.code != 0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.gp:
            return "#GP"
        return "ok" if self.value is None else f"ok, {self.value:#x}"


@dataclass(frozen=True, slots=True)
class Exit:
    """A VM exit of a guest that runs, and what became of it."""

    reason: str
    """The instruction or event, in words."""
    rip: int
    """Where the guest was."""
    instructions: int
    """It had retired by then, since its image was loaded."""
    index: int
    """MSR, ECX of RDPMC, leaf of CPUID, port, control register."""
    value: int
    """What was written; the subleaf of CPUID."""
    answer: int
    """What the guest has read; of CPUID, EBX and EAX."""
    gp: bool
    """Whether the guest got #GP(0)."""
    pmi: bool
    """Whether a counter of the guest overflowed."""
    passed_through: bool
    """Whether the LBR registers were, up to this exit."""
    text: str
    """All that in one line."""
    entry: Trace
    """The rows that decided on the VM entry before it."""
    trace: Trace
    """The rows that decided the answer."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Run:
    """Why `Vcpu.run` returned, and what happened on the way."""

    how: Literal["halted", "exited", "shutdown", "budget", "stuck", "unhandled", "failed entry"]
    """HLT with nothing that could wake the vCPU; a write of the exit port; a triple fault, or a host that is
    lost (the guest overwrote the pages behind its memory); a limit of `Vcpu.run`; 131072 faults and exits in
    a row that completed no instruction; an exit that nobody handles; an entry that the CPU refused. After
    "halted" and "budget" the guest can go on."""
    status: int
    """What the guest wrote to the exit port, 0 to 255."""
    why: str
    """The same in words."""
    instructions: int
    """Retired by the guest."""
    branches: int
    """Of these."""
    entries: int
    """VM entries."""
    exit_count: int
    """VM exits; `exits` holds the first 4096."""
    pmis: int
    """Interrupts of the guest's counters."""
    slices: int
    """Time slices that ended."""
    log_lines: int
    """KVM's, in the host's log."""
    warnings: int
    """How often KVM warned that the guest's LBRs may be wrong."""
    exits: list[Exit]
    output: bytes
    """What the guest wrote to port E9H."""


@dataclass(frozen=True, slots=True)
class Perf:
    """The host's perf, as far as KVM depends on it."""

    built: bool = True
    """Whether its Intel code is built; False: KVM calls the inline stub."""
    lbr_nr: int | None = None
    """Records it has, 0 to 32; None: as many as the part, 0 if the probe fails."""
    callstack: bool | None = None
    """Whether it can record call stacks; None: as the part."""
    lbr_registers: Literal["work", "stuck", "absent"] = "work"
    """What its probe meets on a host that is itself a guest: registers that keep what is written, that read
    0, or that fault."""
    lbr_user: Literal["none", "task", "pinned"] = "none"
    """Who on the host uses the records: nobody; another task, which takes turns with the vCPU; or a pinned
    event of the CPU, so that a guest's LBR event goes into its error state."""
    lbr_errno: int = 0
    """An errno: it refuses to make such events, with ``-errno``."""


class Cpuid(_core.KvmCpuid):
    """The CPUID of a guest, as far as KVM looks at it here; its parts are attributes that can be set.

    ``pdcm``, ``dtes64``, ``ds``, ``rtm``, ``bus_lock_detect`` (bool) are features; ``has_leaf_0a`` (bool)
    says whether leaf 0AH is there, and ``present`` whether user space gives a table at all; ``leaf1_eax``,
    ``leaf1_ecx``, ``leaf1_edx``, ``leaf7_ebx``, ``leaf7_ecx``, ``leaf0a_eax``, ``leaf0a_ebx``,
    ``leaf0a_edx`` are the registers (32 bits), and ``model`` is what leaf 1 says of it.

    >>> from lastbranch.kvm import Host
    >>> Cpuid(Host("skylake").supported_cpuid, pdcm=False).pdcm
    False
    """

    def __init__(self, base: _core.KvmCpuid | None = None, **changes: int | bool) -> None:
        """A copy of `base`, or an empty table, with `changes` of the attributes above.

        Raises `Error` when there is no such attribute.
        """
        if base is None:
            super().__init__()
            self.present = True
        else:
            super().__init__(base)
        set_fields(self, "CPUID", changes)

    def set_pmu(self, version: int, gp: int, fixed: int, width: int = 48, events: int = 7) -> None:
        """Gives leaf 0AH.

        version: of the architectural PMU, 0 to 255.
        gp, fixed: counters, 0 to 255 and 0 to 31.
        width: of all of them, bits, 0 to 255.
        events: architectural events that are enumerated, 0 to 255.

        Raises `Error` above these.
        """
        super().set_pmu(version, gp, fixed, width, events)

    def __repr__(self) -> str:
        pmu = f"PMU version {self.leaf0a_eax & 0xFF}" if self.has_leaf_0a else "no leaf 0AH"
        features = [
            name for name in ("pdcm", "ds", "dtes64", "rtm", "bus_lock_detect") if getattr(self, name)
        ]
        return f"<Cpuid model {self.model:#x}, {pmu}, {', '.join(features) or 'no features'}>"


def set_fields(target: Any, what: str, changes: Mapping[str, int | bool]) -> None:
    known = sorted(n for n in dir(target) if not n.startswith("_") and not callable(getattr(target, n)))
    for name, value in changes.items():
        if name not in known:
            raise Error(f"{what}: expected one of {', '.join(known)}, found {name!r}")
        try:
            setattr(target, name, value)
        except (AttributeError, TypeError) as error:
            raise Error(f"{what}: {name}: expected a value that it can have, found {value!r}") from error
