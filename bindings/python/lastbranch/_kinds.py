"""Kinds of branches."""

from enum import IntEnum


class BranchKind(IntEnum):
    """What transferred control: the field ``kind`` of branch records.

    The MSRs of a real part do not hold it; it is what a decoder finds at ``from``.
    """

    CONDITIONAL = 0
    """Jcc, LOOPcc, JRCXZ."""
    JUMP = 1
    """Direct near JMP."""
    INDIRECT_JUMP = 2
    """Near JMP r/m."""
    CALL = 3
    """Direct near CALL."""
    INDIRECT_CALL = 4
    """Near CALL r/m."""
    RETURN = 5
    """Near RET."""
    FAR = 6
    """Far JMP, CALL, RET."""
    SYSCALL = 7
    SYSRET = 8
    IRET = 9
    SOFTWARE_INTERRUPT = 10
    """INT n, INT3, INTO, INT1."""
    EXCEPTION = 11
    """Delivery of a fault or trap."""
    INTERRUPT = 12
    UNKNOWN = 13
    """Software wrote the record."""
