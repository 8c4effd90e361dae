"""A virtual CPU: user space's ioctls, the guest's instructions, and guests that run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lastbranch import _core
from lastbranch._kvm import Answer, Cpuid, Exit, Run, Trace, trace_of
from lastbranch._kvm_arguments import Entries, Msr, check_ioctl, limit, listed, number, pairs

if TYPE_CHECKING:
    from lastbranch._kvm_vm import Vm

IMAGE_BASE = 0x100000
"""Where `Vcpu.run` loads an image, guest-physical."""


class Vcpu:
    """A virtual CPU; made by `Vm.create_vcpu`.

    >>> from lastbranch.kvm import Host
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

    def __init__(self, vm: "Vm", core: _core.KvmVcpu) -> None:
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
        check_ioctl("KVM_SET_CPUID2", self._core.set_cpuid(cpuid), self.trace)

    def set_msrs(self, entries: Entries) -> int:
        """KVM_SET_MSRS: user space writes registers, one after the other until one fails.

        Returns how many were written. Raises `OSError` with E2BIG for 256 or more.
        """
        done = self._core.set_msrs([(self._msr(m), value) for m, value in pairs(entries)])
        check_ioctl("KVM_SET_MSRS", done, self.trace)
        return done

    def get_msrs(self, msrs: Iterable[Msr]) -> list[int]:
        """KVM_GET_MSRS: user space reads registers, one after the other until one fails.

        Returns the values of those that were read. Raises `OSError` with E2BIG for 256 or more.
        """
        done, values = self._core.get_msrs([self._msr(m) for m in listed(msrs)])
        check_ioctl("KVM_GET_MSRS", done, self.trace)
        return values

    def guest_wrmsr(self, msr: Msr, value: int) -> Answer:
        """The guest executes WRMSR and KVM answers. `value`: 64 bits."""
        return self._answer(self._core.guest_wrmsr(self._msr(msr), number(f"MSR {msr}", value)), reads=False)

    def guest_rdmsr(self, msr: Msr) -> Answer:
        """The guest executes RDMSR and KVM answers."""
        return self._answer(self._core.guest_rdmsr(self._msr(msr)), reads=True)

    def rdpmc(self, ecx: int) -> Answer:
        """The guest executes RDPMC; its privilege is in `state`. `ecx`: 32 bits."""
        return self._answer(self._core.rdpmc(number("ECX", ecx, 32)), reads=True)

    def count(self, event: int, umask: int, n: int) -> None:
        """The guest's code causes events: counters that are programmed for them advance, and may overflow.

        event, umask: 0 to 255.
        n: how many, below 2**64.
        """
        self._core.count(number("event", event, 8), number("umask", umask, 8), number("n", n))

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
        return self._core.nested_entry(number("debugctl", debugctl), load, save, fresh, dr7_valid) == 0

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
        max_exits: int | None = None,
    ) -> Run:
        """KVM_RUN: the guest executes on a hart of the host's part, in VMX non-root operation.

        image: flat 64-bit code; it is loaded at `base` and entered there at privilege level 0 on an identity
            map, with interrupts off, RSP 80000H, RDI bytes of memory and RSI the image's end. The vCPU keeps
            its KVM state. None: the guest goes on where it was.
        base: guest-physical, 2000H or more.
        memory: the guest's, bytes in whole pages, 2 MiB to 4076 MiB. Taken with an image.
        slice: instructions of the guest after which the host runs another task for a while; 0: never. Taken
            with an image.
        max_instructions: how many the guest may retire; None: no limit.
        max_exits: VM exits; None: no limit.

        Ctrl-C ends the run in any case, and so does a guest that completes no instruction any more. Its port
        F4H ends the run, E9H takes its output. Other Python threads run meanwhile; what they ask of this vCPU
        raises `Error` until the run is over. Raises `Error`: an image that does not fit, no image at all, a
        guest that has ended.
        """
        if image is not None:
            host = self.vm.host
            user = host.perf.lbr_user
            self._core.load(
                bytes(memoryview(image)),
                host.uarch,
                list(host.overrides.items()),
                number("base", base),
                number("memory", memory),
                number("slice", slice),
                user,
            )
        got = self._core.run(limit("max_instructions", max_instructions), limit("max_exits", max_exits))
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
        return self._core.read_memory(number("address", address), number("size", size))

    def write_memory(self, address: int, data: bytes) -> None:
        """Guest-physical memory. Raises `Error` where it ends before."""
        self._core.write_memory(number("address", address), data)

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
