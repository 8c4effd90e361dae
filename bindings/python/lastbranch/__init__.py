"""Runs x86-64 Linux programs on a simulated Intel core and records their last branches.

``run`` counts events, ``record`` takes samples with branch stacks, ``Machine`` goes step by step.

>>> import lastbranch
>>> result = lastbranch.run(["busybox", "true"])
>>> result.exit_code
0
>>> result.counts["instructions"] > 10_000
True
"""

from lastbranch._core import Error, __version__
from lastbranch._kinds import BranchKind
from lastbranch._listing import Event, Parameter, Uarch, events, parameters, uarchs
from lastbranch._machine import Counter, Lbr, Machine, Mapping, Msrs, Outcome
from lastbranch._record import RecordResult, record
from lastbranch._run import RunResult, run
from lastbranch._streams import CAPTURE, DEVNULL

__all__ = [
    "CAPTURE",
    "DEVNULL",
    "BranchKind",
    "Counter",
    "Error",
    "Event",
    "Lbr",
    "Machine",
    "Mapping",
    "Msrs",
    "Outcome",
    "Parameter",
    "RecordResult",
    "RunResult",
    "Uarch",
    "__version__",
    "events",
    "parameters",
    "record",
    "run",
    "uarchs",
]
