"""Last-branch records: a machine's, and alone."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lastbranch import _core
from lastbranch._registers import HasRegisters, Msrs

BRANCH: Final = np.dtype(
    [
        ("from", "u8"),
        ("to", "u8"),
        ("cycles", "u4"),
        ("kind", "u1"),
        ("cpl", "u1"),
        ("mispredicted", "?"),
    ]
)
"""A type of arrays for `Lbr.push`, which takes others as well."""


class HasRing(HasRegisters, Protocol):
    """A part of the extension with last-branch records."""

    @property
    def lbr_depth(self) -> int: ...
    @property
    def lbr_enabled(self) -> bool: ...
    @property
    def lbr_recording(self) -> bool: ...
    @property
    def lbr_inserts(self) -> int: ...
    @property
    def lbr_select(self) -> int: ...
    @lbr_select.setter
    def lbr_select(self, value: int) -> None: ...
    def lbr_disable(self) -> None: ...
    def lbr_clear(self) -> None: ...
    def lbr_entries(self) -> npt.NDArray[np.void]: ...
    def lbr_filter(self, branches: str) -> None: ...


class Ring:
    """Last-branch records and what software does with them."""

    def __init__(self, core: HasRing) -> None:
        self._ring = core

    @property
    def depth(self) -> int:
        """Records that the ring holds."""
        return self._ring.lbr_depth

    @property
    def enabled(self) -> bool:
        """Whether branches are recorded: IA32_DEBUGCTL.LBR, of architectural parts IA32_LBR_CTL.LBREn."""
        return self._ring.lbr_enabled

    @property
    def recording(self) -> bool:
        """Whether they are now: enabled, and not frozen."""
        return self._ring.lbr_recording

    @property
    def inserts(self) -> int:
        """Records ever written, and in call-stack mode removed: what the event LBR_INSERTS counts."""
        return self._ring.lbr_inserts

    @property
    def select(self) -> int:
        """The filter: MSR_LBR_SELECT; of architectural parts IA32_LBR_CTL without its enable bit.

        Setting it raises `Error` when a bit does not exist on the part; both when it has no filter.
        """
        return self._ring.lbr_select

    @select.setter
    def select(self, value: int) -> None:
        self._ring.lbr_select = value

    def filter(self, branches: str) -> None:
        """Sets the filter as perf's driver does for ``perf record -j``.

        branches: ``any``, ``any_call``, ``any_ret``, ``ind_call``, ``ind_jmp``, ``call``, ``cond`` or
            ``stack``, and privileges ``u`` and ``k`` (without one: ``u``), separated by commas.

        What the register cannot tell apart is recorded all the same. Raises `Error`: an unknown name, or
        ``stack`` on a part without call-stack mode.
        """
        self._ring.lbr_filter(branches)

    def disable(self) -> None:
        """Stops recording; what is in the ring stays."""
        self._ring.lbr_disable()

    def clear(self) -> None:
        """Empties the ring."""
        self._ring.lbr_clear()

    def entries(self) -> npt.NDArray[np.void]:
        """The branches now in the ring, newest first.

        Returns a structured array of shape (n,), n <= `depth`, with the fields ``from`` and ``to`` (u8,
        linear addresses), ``cycles`` (u2, core clocks since the record before, saturating at 65535), ``kind``
        (u1, a `BranchKind`), and ``mispredicted``, ``predicted``, ``in_tx``, ``abort`` (bool; neither of the
        first two where the part's records do not say). A copy: the ring keeps running.
        Source: SDM vol. 3B, "LBR Stack".
        """
        return self._ring.lbr_entries()

    def __len__(self) -> int:
        return len(self.entries())

    def __repr__(self) -> str:
        state = "on" if self.enabled else "off"
        return f"<{type(self).__name__} {state}, {len(self)} of {self.depth} records>"


class HartLbr(Ring):
    """The last-branch-record ring of a machine."""

    def __init__(self, core: _core.Machine) -> None:
        super().__init__(core)
        self._core = core

    def enable(self, branches: str = "any,u") -> None:
        """Records from now on, as ``perf record -j BRANCHES`` does; see `filter`."""
        self._core.lbr_enable(branches)


class Lbr(Ring):
    """The last-branch records of one core alone: a script says which branches retire.

    >>> import numpy as np
    >>> lbr = Lbr("skylake", depth=8)
    >>> lbr.enable()
    >>> branches = np.zeros(100, BRANCH)
    >>> branches["from"], branches["to"] = np.arange(100) + 0x1000, 0x2000
    >>> branches["cpl"] = 3
    >>> lbr.push(branches)
    >>> [hex(a) for a in lbr.entries()["from"][:2]]
    ['0x1063', '0x1062']
    >>> lbr.msr["MSR_LASTBRANCH_TOS"]
    4
    """

    def __init__(
        self,
        uarch: str = _core.default_uarch,
        *,
        depth: int | None = None,
        format: int | None = None,
        quirks: Mapping[str, int] | Iterable[str] = (),
        overrides: Mapping[str, int] | None = None,
        seed: int = 1,
    ) -> None:
        """Empty records, off, nothing filtered.

        uarch: whose, see `uarchs`.
        depth: 1, 4, 8, 16 or 32 records; architectural ones 8, 16 or 32. None: as the part.
        format: how a record is spread over registers: 0 to 7, or 63: architectural. None: as the part.
        quirks: deviations to switch on, by the names of `parameters` with or without ``lbr_``:
            ``["dup_top_per_mille"]``; or names with values: ``{"dup_top_per_mille": 100}``.
        overrides: further fields of the part's record to change.
        seed: of the quirks that strike at random, 0 to 2**64 - 1.

        Raises `Error`: unknown names, values out of range, a part without last-branch records.
        """
        changes: list[tuple[str, int]] = []
        if format is not None:
            changes.append(("lbr_format", format))
        if depth is not None:
            changes.append(("lbr_depth", depth))
        named = quirks if isinstance(quirks, Mapping) else dict.fromkeys(quirks, 1)
        changes += [(f"lbr_{name.removeprefix('lbr_')}", int(value)) for name, value in named.items()]
        changes += (overrides or {}).items()
        names = [name for name, _ in changes]
        for name in names:
            if names.count(name) > 1:
                raise _core.Error(f"{name}: expected it once, found it in overrides, too")
        self._core = _core.Lbr(uarch=uarch, overrides=changes, seed=seed)
        super().__init__(self._core)
        self.msr = Msrs(self._core)
        """The registers of the records."""

    @property
    def uarch(self) -> str:
        """Name of the part."""
        return self._core.uarch

    @property
    def time(self) -> int:
        """Core clock of the last branch."""
        return self._core.time

    @property
    def frozen(self) -> bool:
        """Whether a streamlined freeze holds recording off; set it to do what a PMI does, and its handler."""
        return self._core.frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._core.freeze(frozen)

    def enable(self, branches: str | None = None) -> None:
        """Records from now on; `branches` sets the filter first, see `filter`."""
        if branches is not None:
            self.filter(branches)
        self._core.lbr_enable()

    def push(self, branches: npt.NDArray[np.void]) -> None:
        """Lets branches retire, in the order of the array.

        branches: a structured array of shape (n,). Its fields, integers or bools of any size:
            ``from`` and ``to``, linear addresses; and where they are there ``kind`` (a `BranchKind` but
            UNKNOWN; else JUMP), ``cycles`` (core clocks since the branch before; else 1) or ``time`` (core
            clocks, ascending), ``mispredicted``, ``in_tx``, ``abort`` (else False), ``cpl`` (privilege 0 to 3
            at ``to``; else 3), ``cpl_from`` (at ``from``; else as at ``to``). Others are ignored, so that the
            arrays of `record` and `entries` can be pushed as they are. See `BRANCH`.

        10 million branches take about 0.13 s. Raises `Error`: fields missing, of other types, or out of
        range, where the branches before have been recorded.
        """
        self._core.push(branches)

    def transaction_abort(self, source: int, target: int, *, cpl: int = 3) -> None:
        """A transaction aborts at `source` and execution goes on at `target`."""
        self._core.transaction_abort(source, target, cpl)

    def debug_exception(self) -> None:
        """#DB is delivered: recording goes off."""
        self._core.debug_exception()
