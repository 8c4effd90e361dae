"""Runs x86-64 Linux programs on a simulated Intel core and records their last branches.

``run`` counts events, ``record`` takes samples with branch stacks, ``Machine`` goes step by step; ``Lbr`` and
``Pmu`` are the models alone, fed by a script; ``kvm`` is what KVM makes of them for guests; ``replay``
holds a real capture against them, ``compare`` sets two captures side by side.

>>> import lastbranch
>>> result = lastbranch.run(["busybox", "true"])
>>> result.exit_code
0
>>> result.counts["instructions"] > 10_000
True
"""

from lastbranch import kvm
from lastbranch._compare import Comparison, compare
from lastbranch._core import Error, __version__
from lastbranch._hart import Hart
from lastbranch._kinds import BranchKind
from lastbranch._lbr import BRANCH, HartLbr, Lbr
from lastbranch._listing import Event, Fact, Parameter, Uarch, events, facts, parameters, uarchs
from lastbranch._machine import Counter, Machine, Mapping, Outcome
from lastbranch._pmu import HartPmu, Pmu
from lastbranch._record import RecordResult, record
from lastbranch._registers import Msrs
from lastbranch._replay import Report, replay
from lastbranch._run import RunResult, run
from lastbranch._streams import CAPTURE, DEVNULL

__all__ = [
    "BRANCH",
    "CAPTURE",
    "DEVNULL",
    "BranchKind",
    "Comparison",
    "Counter",
    "Error",
    "Event",
    "Fact",
    "Hart",
    "HartLbr",
    "HartPmu",
    "Lbr",
    "Machine",
    "Mapping",
    "Msrs",
    "Outcome",
    "Parameter",
    "Pmu",
    "RecordResult",
    "Report",
    "RunResult",
    "Uarch",
    "__version__",
    "compare",
    "events",
    "facts",
    "kvm",
    "parameters",
    "record",
    "replay",
    "run",
    "uarchs",
]
