"""What KVM's objects take: registers, numbers; and what an ioctl's result is in Python."""

import operator
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from lastbranch._core import Error
from lastbranch._kvm import Trace

Msr: TypeAlias = str | int
"""A register by number, or by the manual's name or `lastbranch kvm`'s short one in any case of letters."""

Entries: TypeAlias = Mapping[str, int] | Mapping[int, int] | Mapping[Msr, int] | Iterable[tuple[Msr, int]]
"""Registers with values, in order."""


def number(what: str, value: int, bits: int = 64) -> int:
    """`value` if it is a whole number of `bits` bits. Raises `Error` above and below, else `TypeError`."""
    try:
        given = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: expected a whole number, found {value!r}") from None
    if not 0 <= given < 1 << bits:
        raise Error(f"{what}: expected a value of {bits} bits, found {value}")
    return given


def limit(what: str, value: int | None) -> int | None:
    """A limit, or None where there is none."""
    return None if value is None else number(what, value)


def listed(msrs: Iterable[Msr]) -> list[Msr]:
    """Registers of a list. Raises `Error` for a name alone, whose letters are none."""
    if isinstance(msrs, str):
        raise Error(f"registers: expected a list of them, found the name {msrs!r} alone")
    return list(msrs)


def pairs(entries: Entries) -> list[tuple[Msr, int]]:
    """Registers with their values. Raises `Error` for others than pairs."""
    got: list[tuple[Msr, int]] = []
    for entry in entries.items() if isinstance(entries, Mapping) else entries:
        if isinstance(entry, str) or len(entry) != 2:
            raise Error(f"registers: expected pairs of a register and its value, found {entry!r}")
        got.append((entry[0], number(f"MSR {entry[0]}", entry[1])))
    return got


def check_ioctl(name: str, result: int, trace: Trace) -> None:
    """Raises `OSError` with the errno that an ioctl returned, if it did."""
    if result < 0:
        why = f": {trace[-1].words}" if trace else ""
        raise OSError(-result, f"{name}{why}")
