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
guest does returns an `Answer`. Wrong use of this module raises `lastbranch.Error`.

Source: the specification's sections that each row names; docs/kvm.md.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from lastbranch import _core
from lastbranch._core import Error
from lastbranch._kvm import (
    Answer,
    Cpuid,
    Exit,
    Kernel,
    Perf,
    Row,
    Run,
    TableRow,
    Trace,
    set_fields,
    trace_of,
)

__all__ = [
    "IMAGE_BASE",
    "MASKED_EVENTS",
    "PMU_CAP_DISABLE",
    "Answer",
    "Cpuid",
    "Exit",
    "Host",
    "Kernel",
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

Msr: TypeAlias = str | int
"""A register by number, or by the manual's name or `lastbranch kvm`'s short one in any case of letters."""

Entries: TypeAlias = Mapping[str, int] | Mapping[int, int] | Mapping[Msr, int] | Iterable[tuple[Msr, int]]
"""Registers with values, in order."""

IMAGE_BASE = 0x100000
"""Where `Vcpu.run` loads an image, guest-physical."""
PMU_CAP_DISABLE = 1
"""KVM_PMU_CAP_DISABLE, the only flag of KVM_CAP_PMU_CAPABILITY."""
MASKED_EVENTS = 1
"""The flag of event filters for masked events (6.12 and newer here)."""

_ACTIONS = {"allow": 0, "deny": 1}
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
        perf = perf or Perf()
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
        done, values = self._core.get_msrs([self.msr(m) for m in msrs])
        _ioctl("KVM_GET_MSRS", done, self.trace)
        return values

    def x86_perf_get_lbr(self, nr: int = 0) -> tuple[int, int]:
        """Calls perf's function of that name with a record of the caller's, of which `nr` was set before.

        Returns what the function does, 0 in kernels where it returns nothing, and nr after it.
        """
        return self._core.x86_perf_get_lbr(nr)

    def reload(self) -> None:
        """Loads the modules again, after a change of `state` that they would not have seen."""
        self._core.reload()

    def create_vm(self, *, in_kernel_apic: bool = True) -> "Vm":
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
        if not 0 <= key < 1 << 32:
            raise Error(f"MSR: expected a number of 32 bits, found {key}")
        return key

    def msr_name(self, index: int) -> str:
        """The manual's name of a register; its number in hexadecimal where none is known here."""
        return self._core.msr_name(self.msr(index))

    def __repr__(self) -> str:
        return f"<kvm.Host {self.uarch}, kernel {self.kernel}>"


class Vm:
    """A virtual machine; made by `Host.create_vm`."""

    def __init__(self, host: Host, core: _core.KvmVm) -> None:
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
        _ioctl("KVM_ENABLE_CAP", self._core.enable_pmu_capability(_u64("flags", flags)), self.trace)

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
        listed = [_u64("event", e) for e in events]
        code = self._core.set_event_filter(action, listed, fixed_counter_bitmap, flags)
        _ioctl("KVM_SET_PMU_EVENT_FILTER", code, self.trace)

    def create_vcpu(self, cpuid: _core.KvmCpuid | None = None) -> "Vcpu":
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


class Vcpu:
    """A virtual CPU; made by `Vm.create_vcpu`.

    >>> host = Host("skylake", kernel="6.2")
    >>> vcpu = host.create_vm().create_vcpu(host.supported_cpuid)
    >>> print(vcpu.guest_wrmsr("debugctl", 0x801), vcpu.guest_wrmsr("debugctl", 0x40))
    ok #GP
    >>> print(vcpu.guest_rdmsr("debugctl"))
    ok, 0x801
    >>> vcpu.enter()
    >>> vcpu.passes_through("MSR_LASTBRANCH_0_FROM_IP")
    True
    """

    def __init__(self, vm: Vm, core: _core.KvmVcpu) -> None:
        self.vm = vm
        """Its virtual machine."""
        self._core = core

    @property
    def state(self) -> _core.KvmVcpuState:
        """KVM's state of the vCPU, field by field; what is set holds from the next call on.

        ``cpuid``; ``has_run``; ``perf_capabilities`` (the stored value); ``lbr`` (``nr``, ``from_``, ``to``,
        ``info``; nr is 0 while the vCPU has no LBRs); ``lbr_event`` (whether it exists), ``event_state``
        ("active", "inactive", "off", "error"), ``event_create_errno`` (negative: perf refuses the next one);
        ``lbr_passthrough``; ``vmcs_debugctl``; ``in_l2``, ``vmcs12_saves_debugctl``, ``vmcs12_debugctl``;
        ``cpl``, ``cr4_pce``, ``cr0_pe`` (for RDPMC); ``pmu``: version, counters, reserved masks (a set bit is
        reserved), values of the controls, ``in_use``, ``events`` (counters that have a perf event, as the
        bits of ``in_use``; the LBRs have ``lbr_event``), ``event_count`` (with the LBRs). Raises `Error`:
        more than 32 records or general counters, or 3 fixed ones.
        """
        return self._core.state

    @property
    def trace(self) -> Trace:
        """The rows that decided the last call's answer; of a list of registers, those of each entry."""
        return trace_of(self._core.rules())

    @property
    def log_lines(self) -> int:
        """Lines that the last call wrote to the host's log."""
        return self._core.log_lines

    @property
    def warnings(self) -> int:
        """How often KVM warned in the last call that the guest's LBRs may be wrong."""
        return self._core.warnings

    @property
    def events_created(self) -> int:
        """Perf events made by the last call for the guest's LBRs."""
        return self._core.events_created

    @property
    def intercept_updates(self) -> int:
        """Registers whose interception the last call switched."""
        return self._core.intercept_updates

    @property
    def pmis(self) -> int:
        """Interrupts that the last call sent to the guest's LVTPC."""
        return self._core.pmis

    @property
    def cpuid(self) -> Cpuid:
        """A copy of its CPUID."""
        return Cpuid(self._core.state.cpuid)

    def set_cpuid(self, cpuid: _core.KvmCpuid) -> None:
        """KVM_SET_CPUID2. Raises `OSError` with EINVAL: another table than before after the vCPU has run."""
        _ioctl("KVM_SET_CPUID2", self._core.set_cpuid(cpuid), self.trace)

    def set_msrs(self, entries: Entries) -> int:
        """KVM_SET_MSRS: user space writes registers, one after the other until one fails.

        Returns how many were written. Raises `OSError` with E2BIG for 256 or more.
        """
        pairs: Iterable[tuple[Msr, int]] = entries.items() if isinstance(entries, Mapping) else entries
        listed = [(self._msr(m), _u64(f"MSR {m}", value)) for m, value in pairs]
        done = self._core.set_msrs(listed)
        _ioctl("KVM_SET_MSRS", done, self.trace)
        return done

    def get_msrs(self, msrs: Iterable[Msr]) -> list[int]:
        """KVM_GET_MSRS: user space reads registers, one after the other until one fails.

        Returns the values of those that were read. Raises `OSError` with E2BIG for 256 or more.
        """
        done, values = self._core.get_msrs([self._msr(m) for m in msrs])
        _ioctl("KVM_GET_MSRS", done, self.trace)
        return values

    def guest_wrmsr(self, msr: Msr, value: int) -> Answer:
        """The guest executes WRMSR and KVM answers. `value`: 64 bits."""
        return self._answer(self._core.guest_wrmsr(self._msr(msr), _u64(f"MSR {msr}", value)), reads=False)

    def guest_rdmsr(self, msr: Msr) -> Answer:
        """The guest executes RDMSR and KVM answers."""
        return self._answer(self._core.guest_rdmsr(self._msr(msr)), reads=True)

    def rdpmc(self, ecx: int) -> Answer:
        """The guest executes RDPMC; its privilege is in `state`. `ecx`: 32 bits."""
        if not 0 <= ecx < 1 << 32:
            raise Error(f"ECX: expected a value of 32 bits, found {ecx}")
        return self._answer(self._core.rdpmc(ecx), reads=True)

    def count(self, event: int, umask: int, n: int) -> None:
        """The guest's code causes events: counters that are programmed for them advance, and may overflow.

        event, umask: 0 to 255.
        n: how many, below 2**64.
        """
        if not 0 <= event <= 255 or not 0 <= umask <= 255:
            raise Error(f"event: expected select and umask of 8 bits, found {event} and {umask}")
        self._core.count(event, umask, _u64("n", n))

    def enter(self) -> None:
        """KVM_RUN up to the VM entry: LBRs are passed through or intercepted, CPUID is fixed from now on."""
        self._core.enter()

    def next_slice(self) -> None:
        """The vCPU's time slice ends and the next one begins."""
        self._core.next_slice()

    def pmi(self) -> None:
        """A PMI is delivered to the guest."""
        self._core.pmi()

    def reset(self) -> None:
        """A full RESET."""
        self._core.reset()

    def init(self) -> None:
        """INIT."""
        self._core.init()

    def nested_entry(
        self,
        debugctl: int,
        *,
        load: bool = True,
        save: bool = True,
        fresh: bool = True,
        dr7_valid: bool = True,
    ) -> bool:
        """The guest enters its own guest, with `debugctl` in vmcs12.

        load: the entry control "load debug controls".
        save: the exit control "save debug controls", which a later write of DEBUGCTL by L2 goes by.
        fresh: VMLAUNCH or VMRESUME; False: nested state that user space restores.
        dr7_valid: vmcs12's DR7 has no high bits.

        Returns whether the entry succeeds; if not, its exit reason is invalid guest state.
        """
        return self._core.nested_entry(_u64("debugctl", debugctl), load, save, fresh, dr7_valid) == 0

    def nested_exit(self) -> None:
        """The guest's own guest exits to it; nothing where none runs."""
        self._core.nested_exit()

    def run(
        self,
        image: bytes | None = None,
        *,
        base: int = IMAGE_BASE,
        memory: int = 16 << 20,
        slice: int = 0,
        max_instructions: int | None = None,
    ) -> Run:
        """KVM_RUN: the guest executes on a hart of the host's part, in VMX non-root operation.

        image: flat 64-bit code; it is loaded at `base` and entered there at privilege level 0 on an identity
            map, with interrupts off, RSP 80000H, RDI bytes of memory and RSI the image's end. The vCPU keeps
            its KVM state. None: the guest goes on where it was.
        base: guest-physical, 2000H or more.
        memory: the guest's, bytes in whole pages, 2 MiB to 4076 MiB. Taken with an image.
        slice: instructions of the guest after which the host runs another task for a while; 0: never. Taken
            with an image.
        max_instructions: the limit; None: none. Ctrl-C ends the run in any case.

        The guest's port F4H ends the run, E9H takes its output. Raises `Error`: an image that does not fit,
        no image at all, a guest that has ended.
        """
        if image is not None:
            host = self.vm.host
            user = host.perf.lbr_user
            self._core.load(bytes(image), host.uarch, list(host.overrides.items()), base, memory, slice, user)
        got = self._core.run(max_instructions)
        exits = [
            Exit(**facts, entry=trace_of(entry), trace=trace_of(rules))
            for facts, entry, rules in got.pop("exits")
        ]
        return Run(**got, exits=exits)

    @property
    def registers(self) -> dict[str, int]:
        """The guest's registers between two runs: ``rax`` ... ``r15``, ``rip``, ``rflags``, ``cr0``, ``cr2``,
        ``cr3``, ``cr4``, ``efer``, ``dr7``. Raises `Error` before its first image."""
        return self._core.registers()

    def read_memory(self, address: int, size: int) -> bytes:
        """Guest-physical memory. Raises `Error` where it ends before."""
        return self._core.read_memory(_u64("address", address), _u64("size", size))

    def write_memory(self, address: int, data: bytes) -> None:
        """Guest-physical memory. Raises `Error` where it ends before."""
        self._core.write_memory(_u64("address", address), data)

    def cpu_msr(self, msr: Msr) -> int | None:
        """The CPU's own register, as the host kernel reads it between entries; None: it faults.

        Raises `Error` before the guest's first image.
        """
        return self._core.cpu_msr(self._msr(msr))

    @property
    def host_records(self) -> list[tuple[int, int]]:
        """(from, to) of the host's own records, newest first; none where the host has no use for LBRs.

        Raises `Error` before the guest's first image.
        """
        return self._core.host_records()

    def passes_through(self, msr: Msr) -> bool:
        """Whether the guest's access of a register would reach the CPU without an exit."""
        return self._core.passes_through(self._msr(msr))

    def _msr(self, key: Msr) -> int:
        return self.vm.host.msr(key)

    @staticmethod
    def _answer(got: tuple[int, int], *, reads: bool) -> Answer:
        code, value = got
        return Answer(code, value if reads and code == 0 else None)

    def __repr__(self) -> str:
        records = self.state.lbr.nr
        lbrs = f"{records} records, " + ("passed through" if self.state.lbr_passthrough else "intercepted")
        return f"<kvm.Vcpu debugctl {self.state.vmcs_debugctl:#x}, {lbrs if records else 'no LBRs'}>"


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


def _u64(what: str, value: int) -> int:
    if not 0 <= value < 1 << 64:
        raise Error(f"{what}: expected a value of 64 bits, found {value}")
    return value


def _ioctl(name: str, result: int, trace: Trace) -> None:
    if result < 0:
        why = f": {trace[-1].words}" if trace else ""
        raise OSError(-result, f"{name}{why}")
