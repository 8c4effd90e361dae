"""Performance counters: a machine's, and alone."""

from collections.abc import Mapping
from typing import Protocol, overload

import numpy as np
import numpy.typing as npt

from lastbranch import _core
from lastbranch._core import Error
from lastbranch._registers import HasRegisters, Msrs


class HasCounters(HasRegisters, Protocol):
    """A part of the extension with counters."""

    @property
    def pmu_counters(self) -> list[int]: ...
    @property
    def pmu_programmed(self) -> list[int]: ...
    def pmu_program(self, event: str, period: int | None, counter: int | None) -> int: ...
    def pmu_stop(self, counter: int) -> None: ...
    def pmu_read(self, counter: int) -> int: ...
    def pmu_overflowed(self) -> list[int]: ...
    def pmu_acknowledge(self) -> None: ...


class Counters:
    """A PMU's counters: n is general counter n, 32 + i fixed counter i."""

    def __init__(self, core: HasCounters) -> None:
        self._counters = core

    @property
    def counters(self) -> list[int]:
        """The counters that the part has."""
        return self._counters.pmu_counters

    @property
    def programmed(self) -> list[int]:
        """Those of them that are in use."""
        return self._counters.pmu_programmed

    def program(self, event: str, period: int | None = None, counter: int | None = None) -> int:
        """Counts an event from now on.

        event: as perf writes it: ``cycles:u``, ``br_inst_retired.near_taken``, ``r20c4``; see `events`.
        period: events to the counter's overflow, from 1 to half of what it holds; None: it starts at 0.
        counter: which; None: the first free one that can, a fixed one before general ones.

        Returns the counter. Raises `Error`: no such event, no model supplies it, no counter that can.
        """
        return self._counters.pmu_program(event, period, counter)

    def stop(self, counter: int) -> None:
        """Stops a counter; it keeps its value. Raises `Error` when the part has no such counter."""
        self._counters.pmu_stop(counter)

    @overload
    def read(self) -> dict[int, int]: ...
    @overload
    def read(self, counter: int) -> int: ...
    def read(self, counter: int | None = None) -> int | dict[int, int]:
        """A counter's value as RDPMC gives it; without a counter: of all that are in use.

        Raises `Error` when the part has no such counter.
        """
        if counter is None:
            return {c: self._counters.pmu_read(c) for c in self.programmed}
        return self._counters.pmu_read(counter)

    def overflowed(self) -> list[int]:
        """The counters whose overflow bit is set in IA32_PERF_GLOBAL_STATUS."""
        return self._counters.pmu_overflowed()

    def acknowledge(self) -> None:
        """Clears the overflow bits, as a PMI's handler does."""
        self._counters.pmu_acknowledge()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {len(self.programmed)} of {len(self.counters)} counters in use>"


class HartPmu(Counters):
    """The counters of a machine's core.

    `record` and ``output=`` use the same counters: a machine is for one or the other. `Machine.count` does
    not. An overflow sets its status bit and raises no interrupt: no operating system is there to take it.
    """


class Pmu(Counters):
    """The counters of one core alone: a script says what happens.

    >>> pmu = Pmu("skylake")
    >>> counter = pmu.program("br_inst_retired.near_taken:u", period=100)
    >>> pmu.count("taken_branches", 250)["step"].tolist()
    [99, 199]
    >>> pmu.read(counter) == 2**48 - 50
    True
    """

    def __init__(
        self, uarch: str = _core.default_uarch, *, overrides: Mapping[str, int] | None = None
    ) -> None:
        """Counters after RESET.

        uarch: whose, see `uarchs`.
        overrides: fields of the part's record to change, see `parameters`.

        Raises `Error`: unknown names, values out of range.
        """
        self._core = _core.Pmu(uarch=uarch, overrides=list((overrides or {}).items()))
        super().__init__(self._core)
        self.msr = Msrs(self._core)
        """The registers of the counters."""

    @property
    def uarch(self) -> str:
        """Name of the part."""
        return self._core.uarch

    @property
    def pmis(self) -> int:
        """Interrupts so far."""
        return self._core.pmis

    def count(self, fact: str, n: int | npt.ArrayLike = 1, *, user: bool = True) -> npt.NDArray[np.void]:
        """Lets a fact happen.

        fact: one of `facts`.
        n: how often: that many steps with one occurrence each; or an array of shape (steps,), the occurrences
            in each step.
        user: at CPL 3, else at CPL 0.

        Returns the overflows, an array of shape (k,) with the fields ``step`` (u8, index of the step, from 0)
        and ``counter`` (u1), in the order of steps. A counter with a period starts the next one at its
        overflow, and the overflow is acknowledged; others (programmed through `msr`, or without a period)
        are reported once until their status bit is cleared. A counter overflows once a step at most.

        Raises `Error`: no such fact, a negative count.
        """
        if isinstance(n, int | np.integer):
            if n < 0:
                raise Error(f"fact '{fact}': expected a count of at least 0, found {n}")
            return self._core.repeat(fact, int(n), user)
        return self.feed({fact: n}, user=user)

    def feed(self, counts: Mapping[str, npt.ArrayLike], *, user: bool = True) -> npt.NDArray[np.void]:
        """Lets several facts happen, step by step.

        counts: for each of `facts` that occur an array of shape (steps,), how often in each step. All have
            the same length.
        user: at CPL 3, else at CPL 0.

        Returns the overflows, as `count`. Raises `Error`: no such fact, different lengths, negative counts.
        """
        columns: list[npt.NDArray[np.uint64]] = []
        for fact, values in counts.items():
            column = np.asarray(values)
            if column.dtype.kind not in "iub" or (column.dtype.kind == "i" and (column < 0).any()):
                raise Error(f"fact '{fact}': expected whole counts of at least 0, found others")
            columns.append(column.astype(np.uint64, copy=False))
        return self._core.feed(list(counts), columns, user)
