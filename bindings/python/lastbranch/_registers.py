"""Model-specific registers."""

from collections import abc
from collections.abc import Iterator
from typing import Protocol

from lastbranch._core import Error


class HasRegisters(Protocol):
    """A part of the extension with registers."""

    def msr_names(self) -> list[str]: ...
    def msr_index(self, key: str | int) -> int: ...
    def read_msr(self, key: str | int) -> int: ...
    def write_msr(self, key: str | int, value: int) -> None: ...


class Msrs(abc.Mapping[str | int, int]):
    """Model-specific registers, by the manual's names in any case of letters, or by number.

    >>> import lastbranch
    >>> msr = lastbranch.Lbr("skylake").msr
    >>> msr["IA32_DEBUGCTL"] = 1
    >>> msr[0x1D9]
    1
    """

    def __init__(self, core: HasRegisters) -> None:
        self._core = core

    def __getitem__(self, key: str | int) -> int:
        """Reads a register. Raises KeyError when there is none, `Error` when it can only be written."""
        return self._core.read_msr(key)

    def __setitem__(self, key: str | int, value: int) -> None:
        """Writes a register, as WRMSR does: 64 bits.

        Raises KeyError when there is none, and `Error`, which names register and reason, when it refuses the
        value; then nothing has changed.
        """
        if not 0 <= value < 1 << 64:
            raise Error(f"MSR {key}: expected a value of 64 bits, found {value}")
        self._core.write_msr(key, value)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str | int):
            return False
        try:
            self._core.msr_index(key)
        except (KeyError, TypeError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._core.msr_names())

    def __len__(self) -> int:
        return len(self._core.msr_names())

    def __repr__(self) -> str:
        return f"<Msrs, {len(self)} registers>"
