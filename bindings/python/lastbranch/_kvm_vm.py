"""A virtual machine of KVM."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from lastbranch import _core
from lastbranch._core import Error
from lastbranch._kvm import Trace, trace_of
from lastbranch._kvm_arguments import check_ioctl, number
from lastbranch._kvm_vcpu import Vcpu

if TYPE_CHECKING:
    from lastbranch._kvm_host import Host

PMU_CAP_DISABLE = 1
"""KVM_PMU_CAP_DISABLE, the only flag of KVM_CAP_PMU_CAPABILITY."""
MASKED_EVENTS = 1
"""The flag of event filters for masked events (6.12 and newer here)."""

_ACTIONS = {"allow": 0, "deny": 1}


class Vm:
    """A virtual machine; made by `Host.create_vm`."""

    def __init__(self, host: "Host", core: _core.KvmVm) -> None:
        self.host = host
        """Where it runs."""
        self._core = core

    @property
    def state(self) -> _core.KvmVmState:
        """Fields (bool) that can be set: ``pmu_enabled``, ``in_kernel_apic``, and the quirks
        ``stuff_feature_msrs`` and ``allow_freeze_in_smm``; ``has_vcpu`` is for reading."""
        return self._core.state

    @property
    def trace(self) -> Trace:
        """The rows that decided the last call."""
        return trace_of(self._core.rules())

    @property
    def pmu_capability(self) -> int:
        """KVM_CHECK_EXTENSION of KVM_CAP_PMU_CAPABILITY: the flags that can be enabled."""
        return self._core.check_pmu_capability()

    def enable_pmu_capability(self, flags: int = PMU_CAP_DISABLE) -> None:
        """KVM_ENABLE_CAP with KVM_CAP_PMU_CAPABILITY.

        flags: `PMU_CAP_DISABLE` takes the PMU from the VM, 0 gives it back.

        Raises `OSError` with EINVAL: other flags, a VM that has a vCPU, enable_pmu off.
        """
        check_ioctl("KVM_ENABLE_CAP", self._core.enable_pmu_capability(number("flags", flags)), self.trace)

    def set_event_filter(
        self,
        action: Literal["allow", "deny"] | int,
        events: Iterable[int] = (),
        *,
        fixed_counter_bitmap: int = 0,
        flags: int = 0,
    ) -> None:
        """KVM_SET_PMU_EVENT_FILTER.

        action: what happens to events that are listed; a number is taken as it is.
        events: event select in bits 7:0 and umask in 15:8; masked events with the flag.
        fixed_counter_bitmap: the same for fixed counters, bit by bit.
        flags: 0 or `MASKED_EVENTS`.

        Raises `OSError`: EINVAL for an unknown action, flag or bit, E2BIG for more than 300 events.
        """
        if isinstance(action, str):
            if action not in _ACTIONS:
                raise Error(f"action: expected allow, deny or a number, found {action!r}")
            action = _ACTIONS[action]
        code = self._core.set_event_filter(
            number("action", action, 32),
            [number("event", e) for e in events],
            number("fixed_counter_bitmap", fixed_counter_bitmap, 32),
            number("flags", flags, 32),
        )
        check_ioctl("KVM_SET_PMU_EVENT_FILTER", code, self.trace)

    def create_vcpu(self, cpuid: _core.KvmCpuid | None = None) -> Vcpu:
        """KVM_CREATE_VCPU, and KVM_SET_CPUID2 if `cpuid` is given."""
        vcpu = Vcpu(self, self._core.create_vcpu())
        perf = self.host.perf
        if perf.lbr_user == "pinned":
            vcpu.state.event_state = "error"
        vcpu.state.event_create_errno = -perf.lbr_errno
        if cpuid is not None:
            vcpu.set_cpuid(cpuid)
        return vcpu

    def __repr__(self) -> str:
        return f"<kvm.Vm on {self.host!r}>"
