"""What there is to choose from."""

from dataclasses import dataclass

from lastbranch import _core


@dataclass(frozen=True, slots=True)
class Uarch:
    """A microarchitecture that can be simulated."""

    name: str
    """What ``uarch=`` takes."""
    title: str
    """For people."""
    brand: str
    """The retail part that the record describes, as CPUID names it."""
    cpuid: str
    """Vendor, family, model and stepping as perf writes them: ``GenuineIntel,6,94,3``."""
    frequency_hz: int
    """Of the core and of the TSC."""
    lbr_depth: int
    """Last-branch records."""


@dataclass(frozen=True, slots=True)
class Event:
    """A hardware event of a part."""

    name: str
    """What ``events=`` and ``event=`` take, with perf's modifiers behind a colon: ``cycles:u``."""
    description: str
    code: int
    """Event select in bits 7:0, umask in 15:8; 0x100, 0x200, 0x300 are the fixed counters."""
    supported: bool
    """Whether a model supplies it; events that need caches or a predictor are known by name only."""
    alias_of: str | None
    """For perf's own names: the part's event."""
    state: str
    """``supplied``, ``waits for`` a fact that comes with a timing model, or ``not modelled``."""
    precise: bool
    """Whether PEBS can sample it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happens in a core and that events are made of."""

    name: str
    """What `Pmu.count` takes."""
    supplied: bool
    """Whether a machine supplies it; others wait for a timing model."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field of a microarchitecture's record."""

    name: str
    """What ``overrides=`` takes, if `changeable`."""
    unit: str
    """Empty where there is none."""
    meaning: str
    value: str
    changeable: bool


def uarchs() -> list[Uarch]:
    """All microarchitectures, oldest first.

    >>> [u.lbr_depth for u in uarchs() if u.name == "skylake"]
    [32]
    """
    return [Uarch(*row) for row in _core.uarchs()]


def events(*, uarch: str = _core.default_uarch) -> list[Event]:
    """The events of a part, perf's names first.

    Raises `Error` when there is no such microarchitecture.

    >>> next(e.alias_of for e in events() if e.name == "branches")
    'br_inst_retired.all_branches'
    """
    return [Event(*row) for row in _core.events(uarch)]


def parameters(*, uarch: str = _core.default_uarch) -> list[Parameter]:
    """The fields of a part's record, with their values there.

    Raises `Error` when there is no such microarchitecture.

    >>> next(p.value for p in parameters() if p.name == "lbr_depth")
    '32'
    """
    return [Parameter(*row) for row in _core.parameters(uarch)]


def facts() -> list[Fact]:
    """What events are formulas over.

    >>> [f.name for f in facts()][:3]
    ['instructions', 'branches', 'taken_branches']
    """
    return [Fact(*row) for row in _core.facts()]
