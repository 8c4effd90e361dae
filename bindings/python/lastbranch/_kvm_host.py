"""The host of KVM's virtual machines: its CPU, its perf, its modules."""

from collections.abc import Iterable, Mapping

from lastbranch import _core
from lastbranch._core import Error
from lastbranch._kvm import Cpuid, Perf, Trace, set_fields, trace_of
from lastbranch._kvm_arguments import Msr, check_ioctl, listed, number
from lastbranch._kvm_vm import Vm

_LBR_USERS = ("none", "task", "pinned")


class Host:
    """A machine with the modules kvm and kvm_intel loaded: what /dev/kvm is to user space.

    >>> [hex(Host(kernel=f"v5-series:{k}", perf=Perf(lbr_nr=0)).supported_perf_capabilities) for k in (1, 2)]
    ['0x2005', '0x2000']
    """

    def __init__(
        self,
        uarch: str = _core.default_uarch,
        kernel: str = "6.2",
        perf: Perf | None = None,
        *,
        enable_pmu: bool = True,
        ignore_msrs: bool = False,
        report_ignored_msrs: bool = True,
        mediated_pmu: bool = False,
        hypervisor: bool = False,
        overrides: Mapping[str, int] | None = None,
        changes: Mapping[str, int | bool] | None = None,
    ) -> None:
        """Boots, lets perf probe, and loads the modules.

        uarch: the CPU, see `lastbranch.uarchs`: its PERF_CAPABILITIES, PMU, LBRs, model and features.
        kernel: see `kernels`; ``6.2`` is ``v5-series:8``.
        perf: the host's perf; None: built, with the records of the part.
        enable_pmu, ignore_msrs, report_ignored_msrs, mediated_pmu: parameters of the modules; the last one is
            7.x's.
        hypervisor: the host is itself a guest, so that perf's probe looks at the LBR registers.
        overrides: fields of the part's record to change, see `lastbranch.parameters`.
        changes: fields of `state` to change, for hosts that no record has: ``{"bus_lock_detect": True}``.

        Raises `Error`: unknown names, values out of range.
        """
        perf = Perf() if perf is None else perf
        if not isinstance(perf, Perf):
            raise TypeError(f"perf: expected a Perf, found {perf!r}")
        number("lbr_errno", perf.lbr_errno, 12)
        if perf.lbr_user not in _LBR_USERS:
            raise Error(f"lbr_user: expected one of {', '.join(_LBR_USERS)}, found {perf.lbr_user!r}")
        state = _core.kvm_host_state(uarch, list((overrides or {}).items()), kernel)
        state.hypervisor = hypervisor
        state.perf_built = perf.built
        if perf.lbr_nr is not None:
            if not 0 <= perf.lbr_nr <= 32:
                raise Error(f"lbr_nr: expected 0 to 32 records, found {perf.lbr_nr}")
            state.perf.nr = perf.lbr_nr
        if perf.callstack is not None:
            state.perf.has_callstack = perf.callstack
        set_fields(state, "host", changes or {})
        if changes and "perf_capabilities" in changes:
            state.perf.format = state.perf_capabilities & 0x3F
        self.perf = perf
        """The host's perf, as it was at boot."""
        self.uarch = uarch
        """Name of the part."""
        self.overrides = dict(overrides or {})
        """Fields of the part's record that are changed."""
        self._core = _core.KvmHost(
            state=state,
            enable_pmu=enable_pmu,
            ignore_msrs=ignore_msrs,
            report_ignored_msrs=report_ignored_msrs,
            mediated_pmu=mediated_pmu,
            lbr_registers=perf.lbr_registers,
        )

    @property
    def kernel(self) -> str:
        """The kernel's name in `kernels`."""
        return self._core.state.kernel

    @property
    def state(self) -> _core.KvmHostState:
        """The host as KVM finds it; set its fields to change it while the modules are loaded, see `reload`.

        ``kernel``; ``vmx`` (False: SVM), ``hypervisor``, ``perf_built``, ``pdcm``, ``arch_lbr``,
        ``pebs_feature``, ``pebs_ept``, ``hybrid``, ``bus_lock_detect``, ``rtm``, ``hle``, ``pt_host_guest``
        (bool); ``perf_capabilities`` (MSR 345H of the current CPU), ``debugctl`` (of the host);
        ``pmu_version``, ``num_gp``, ``num_fixed``, ``gp_width``, ``fixed_width``, ``num_events``,
        ``unavailable_events``, ``leaf1_eax`` (CPUID); ``perf``: ``nr``, ``from_``, ``to``, ``info``,
        ``format``, ``has_callstack``, ``has_select``.
        """
        return self._core.state

    @property
    def module(self) -> _core.KvmModuleState:
        """What the modules know since they were loaded.

        ``ignore_msrs`` and ``report_ignored_msrs`` can be set as in /sys/module; ``enable_pmu`` (the
        parameter, unless the host has no usable PMU), ``version``, ``num_gp``, ``num_fixed`` (what KVM
        offers), ``supported_perf_cap`` (used from patch 5 on) and ``lbr`` (since 6.12) are for reading.
        """
        return self._core.module

    @property
    def trace(self) -> Trace:
        """The rows that decided the last call; at first, those of perf's probe and of the modules' load."""
        return trace_of(self._core.rules())

    @property
    def supported_perf_capabilities(self) -> int:
        """PERF_CAPABILITIES that KVM supports; before patch 5 computed now."""
        return self._core.supported_perf_capabilities()

    @property
    def supported_cpuid(self) -> Cpuid:
        """KVM_GET_SUPPORTED_CPUID: leaves 1, 7 and 0AH."""
        return Cpuid(self._core.supported_cpuid())

    @property
    def msr_index_list(self) -> list[int]:
        """KVM_GET_MSR_INDEX_LIST, as far as it names registers of this model; ascending."""
        return self._core.msr_index_list()

    @property
    def feature_msr_index_list(self) -> list[int]:
        """KVM_GET_MSR_FEATURE_INDEX_LIST, likewise."""
        return self._core.feature_msr_index_list()

    def get_msrs(self, msrs: Iterable[Msr]) -> list[int]:
        """KVM_GET_MSRS on /dev/kvm: feature MSRs.

        Returns the values of those that were processed, which end before the first one that fails. Raises
        `OSError` with E2BIG for 256 or more.
        """
        done, values = self._core.get_msrs([self.msr(m) for m in listed(msrs)])
        check_ioctl("KVM_GET_MSRS", done, self.trace)
        return values

    def x86_perf_get_lbr(self, nr: int = 0) -> tuple[int, int]:
        """Calls perf's function of that name with a record of the caller's, of which `nr` was set before.

        Returns what the function does, 0 in kernels where it returns nothing, and nr after it.
        """
        return self._core.x86_perf_get_lbr(number("nr", nr, 32))

    def reload(self) -> None:
        """Loads the modules again, after a change of `state` that they would not have seen."""
        self._core.reload()

    def create_vm(self, *, in_kernel_apic: bool = True) -> Vm:
        """KVM_CREATE_VM.

        in_kernel_apic: whether the local APIC is KVM's; without it no PMI is delivered here.
        """
        vm = Vm(self, self._core.create_vm())
        vm.state.in_kernel_apic = in_kernel_apic
        return vm

    def msr(self, key: Msr) -> int:
        """Number of a register.

        >>> hex(Host("skylake").msr("MSR_LASTBRANCH_31_TO_IP"))
        '0x6df'

        Raises `Error`: an unknown name, a number of more than 32 bits.
        """
        if isinstance(key, str):
            return self._core.msr(key)
        return number("MSR", key, 32)

    def msr_name(self, index: int) -> str:
        """The manual's name of a register; its number in hexadecimal where none is known here."""
        return self._core.msr_name(self.msr(index))

    def __repr__(self) -> str:
        return f"<kvm.Host {self.uarch}, kernel {self.kernel}>"
