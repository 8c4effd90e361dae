"""KVM as a library: what guests and user space get for PERF_CAPABILITIES, DEBUGCTL, the LBRs and the vPMU.

Shaped like /dev/kvm: a `Host` makes a `Vm`, which makes a `Vcpu`. The kernel is a parameter, before, during
and after the series "KVM: x86: Intel LBR related perf cleanups" (see `kernels`). Every answer comes from rows
of rule tables, and ``trace`` names those that decided the last call.

>>> from lastbranch import kvm
>>> host = kvm.Host("skylake", kernel="v5-series:3")
>>> vcpu = host.create_vm().create_vcpu()
>>> vcpu.set_msrs([("IA32_DEBUGCTL", 0x801)])
0
>>> print(vcpu.trace[2])
debugctl-invalid: another bit is not legal [section 4.2 step b; all]

What user space does returns or raises what the ioctl would: a count, or `OSError` with its errno. What the
guest does returns an `Answer`. Wrong use of this module raises `lastbranch.Error`: unknown names, values out
of range; arguments of a wrong type raise `TypeError`.

Source: the specification's sections that each row names; docs/kvm.md.
"""

from lastbranch import _core
from lastbranch._kvm import Answer, Cpuid, Exit, Kernel, Perf, Row, Run, TableRow, Trace
from lastbranch._kvm_arguments import Entries, Msr
from lastbranch._kvm_host import Host
from lastbranch._kvm_vcpu import IMAGE_BASE, Vcpu
from lastbranch._kvm_vm import MASKED_EVENTS, PMU_CAP_DISABLE, Vm

__all__ = [
    "IMAGE_BASE",
    "MASKED_EVENTS",
    "PMU_CAP_DISABLE",
    "Answer",
    "Cpuid",
    "Entries",
    "Exit",
    "Host",
    "Kernel",
    "Msr",
    "Perf",
    "Row",
    "Run",
    "TableRow",
    "Trace",
    "Vcpu",
    "Vm",
    "kernels",
    "rules",
]


def kernels() -> list[Kernel]:
    """The kernels that are modelled, oldest first.

    >>> [k.what for k in kernels() if k.name == "v5-series:2"]
    ['patch 2: an LBR format needs records in perf']
    """
    return [Kernel(*row) for row in _core.kvm_kernels()]


def rules(kernel: str | None = None) -> list[TableRow]:
    """Every row of every rule table, or those that hold for one kernel.

    >>> before, after = ({r.row.id for r in rules(f"v5-series:{k}")} for k in (6, 7))
    >>> sorted(before ^ after)
    ['feature-perf-caps-common', 'feature-perf-caps-vendor']

    Raises `Error` that lists the known kernels.
    """
    return [TableRow(table, Row(*row)) for table, row in _core.kvm_rules(kernel)]
