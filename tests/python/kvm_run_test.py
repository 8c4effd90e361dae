"""Guests of lastbranch.kvm that run."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lastbranch
import pytest
from lastbranch.kvm import IMAGE_BASE, Host, Perf, Run, Vcpu

DEBUGCTL, PERF_CAPABILITIES, TOS, FROM, TO = 0x1D9, 0x345, 0x1C9, 0x680, 0x6C0
SAVED = 0x8000
HLT = b"\xf4"
FOREVER = b"\xeb\xfe"
KERNELS = ["v5-series:0", "v5-series:8", "6.1.192", "6.12.117"]


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def wrmsr(index: int, value: int) -> bytes:
    """MOV ECX; MOV EAX; MOV EDX; WRMSR: 17 bytes."""
    return b"\xb9" + u32(index) + b"\xb8" + u32(value & 0xFFFFFFFF) + b"\xba" + u32(value >> 32) + b"\x0f\x30"


def save_msr(index: int, address: int) -> bytes:
    """MOV ECX; RDMSR; MOV [address], EAX; MOV [address + 4], EDX."""
    return (
        b"\xb9" + u32(index) + b"\x0f\x32"
        b"\x89\x04\x25" + u32(address) + b"\x89\x14\x25" + u32(address + 4)
    )  # fmt: skip


def loop(turns: int) -> bytes:
    """MOV EBX; DEC EBX; JNZ: 9 bytes; the jump is 7 bytes from the beginning, and leads to 5."""
    return b"\xbb" + u32(turns) + b"\xff\xcb\x75\xfc"


def branching(turns: int = 5) -> bytes:
    """Records a loop and saves the first eight records and TOS."""
    code = wrmsr(DEBUGCTL, 1) + loop(turns) + wrmsr(DEBUGCTL, 0) + save_msr(TOS, SAVED)
    for i in range(8):
        code += save_msr(FROM + i, SAVED + 8 + 16 * i) + save_msr(TO + i, SAVED + 16 + 16 * i)
    return code + HLT


def vcpu_of(kernel: str = "6.2", perf: Perf | None = None, uarch: str = "skylake", **options: Any) -> Vcpu:
    host = Host(uarch, kernel, perf, **options)
    return host.create_vm().create_vcpu(host.supported_cpuid)


def word(vcpu: Vcpu, address: int) -> int:
    return int.from_bytes(vcpu.read_memory(address, 8), "little")


def saved_records(vcpu: Vcpu) -> list[tuple[int, int]]:
    """(from, to) of those that are not empty, without flags and sign extension."""
    mask = (1 << 48) - 1
    pairs = [
        (word(vcpu, SAVED + 8 + 16 * i) & mask, word(vcpu, SAVED + 16 + 16 * i) & mask) for i in range(8)
    ]
    return [pair for pair in pairs if pair != (0, 0)]


def rdmsr_exits(run: Run) -> int:
    return sum(exit.reason == "RDMSR" for exit in run.exits)


@pytest.mark.parametrize("base", [IMAGE_BASE, 0x2000, 0x345670])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("user", ["none", "task"])
def test_a_guest_reads_its_own_branches(kernel: str, user: Any, base: int) -> None:
    vcpu = vcpu_of(kernel, Perf(lbr_user=user))

    run = vcpu.run(branching(), base=base)

    jump = base + 17 + 7
    assert (run.how, run.warnings, run.log_lines) == ("halted", 0, 0)
    assert saved_records(vcpu) == [(jump, jump - 2)] * 4
    assert rdmsr_exits(run) == 0
    assert [e.passed_through for e in run.exits] == [False, True, True]
    assert [e.reason for e in run.exits] == ["WRMSR", "WRMSR", "HLT"]
    assert run.exit_count == run.entries == 3
    assert run.exits[0].rip == base + 15 and run.exits[0].index == DEBUGCTL and run.exits[0].value == 1
    assert "event-created" in run.exits[0].trace.ids
    assert run.exits[1].entry.ids == ["entry-pass-through"]
    assert str(run.exits[0]).startswith("WRMSR 0x1d9 = 0x1: ok")


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_pinned_user_of_the_host_keeps_its_records_to_itself(kernel: str) -> None:
    vcpu = vcpu_of(kernel, Perf(lbr_user="pinned"))

    run = vcpu.run(branching())

    assert saved_records(vcpu) == [] and word(vcpu, SAVED) == 0
    assert rdmsr_exits(run) == 17
    assert run.warnings > 0
    assert all("lbr-event-idle" in e.trace.ids for e in run.exits if e.reason == "RDMSR")
    assert vcpu.host_records


def test_records_survive_time_slices_while_the_guest_records() -> None:
    for slice in (1, 3, 7):
        vcpu = vcpu_of(perf=Perf(lbr_user="task"))
        run = vcpu.run(wrmsr(DEBUGCTL, 1) + loop(5) + save_msr(TOS, SAVED) + HLT, slice=slice)
        assert run.slices > 1
        # A new event leaves TOS where the host had it.
        newest = word(vcpu, SAVED)
        found = [vcpu.cpu_msr(FROM + (newest - i) % 32) for i in range(6)]
        assert [(source or 0) & 0xFFFFFFFF for source in found] == [IMAGE_BASE + 24] * 4 + [0] * 2
        assert vcpu.host_records and (IMAGE_BASE + 24, IMAGE_BASE + 22) not in vcpu.host_records


def test_state_that_user_space_set_before_is_the_guests() -> None:
    vcpu = vcpu_of()
    assert vcpu.set_msrs({"perf_capabilities": 0x2000, "debugctl": 0}) == 2
    vcpu.run(save_msr(PERF_CAPABILITIES, SAVED) + save_msr(DEBUGCTL, SAVED + 8) + HLT)
    assert (word(vcpu, SAVED), word(vcpu, SAVED + 8)) == (0x2000, 0)
    assert vcpu.state.has_run
    with pytest.raises(OSError, match="KVM_SET_CPUID2"):
        vcpu.set_cpuid(type(vcpu.cpuid)(vcpu.cpuid, pdcm=False))
    assert vcpu.cpu_msr(0x12345) is None


def test_state_that_the_guest_set_is_what_user_space_saves() -> None:
    vcpu = vcpu_of()
    vcpu.run(wrmsr(DEBUGCTL, 0x801) + HLT)
    assert vcpu.get_msrs(["debugctl"]) == [0x801]
    # A second image finds the vCPU as the first has left it.
    run = vcpu.run(save_msr(DEBUGCTL, SAVED) + loop(3) + HLT)
    assert word(vcpu, SAVED) == 0x801 and run.exits[-1].passed_through


def test_faults_are_the_guests() -> None:
    for kernel, fault in (("v5-series:1", True), ("6.2", True)):
        run = vcpu_of(kernel, Perf(lbr_nr=0)).run(save_msr(TOS, SAVED) + HLT)
        (exit,) = [e for e in run.exits if e.reason == "RDMSR"]
        assert exit.gp == fault and "verdict-unsupported" in exit.trace.ids
        assert run.how in ("shutdown", "failed entry")


def test_budget_and_going_on() -> None:
    vcpu = vcpu_of()
    first = vcpu.run(loop(100) + HLT, max_instructions=50)
    assert (first.how, first.instructions) == ("budget", 50)
    assert vcpu.registers["rip"] in (IMAGE_BASE + 5, IMAGE_BASE + 7)
    second = vcpu.run()
    assert second.how == "halted"
    assert first.branches + second.branches == 100
    assert vcpu.registers["rbx"] == 0
    assert vcpu.registers["rdi"] == 16 << 20


def test_output_status_and_memory() -> None:
    vcpu = vcpu_of()
    vcpu.run(HLT)
    vcpu.write_memory(0x9000, b"\x2a")
    # MOV AL, [9000H]; OUT E9H, AL; MOV AL, 7; OUT F4H, AL
    run = vcpu.run(b"\x8a\x04\x25" + u32(0x9000) + b"\xe6\xe9\xb0\x07\xe6\xf4")
    assert (run.how, run.status, run.output) == ("exited", 7, b"*")
    with pytest.raises(lastbranch.Error, match="has ended"):
        vcpu.run()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "image"),
        ({"image": b""}, "no bytes"),
        ({"image": HLT, "base": 0}, "address"),
        ({"image": HLT, "base": 1 << 40}, "address"),
        ({"image": HLT, "memory": 4096}, "memory"),
        ({"image": HLT * 0x200000, "memory": 0x200000}, "at most 0x100000 bytes"),
    ],
)
def test_what_cannot_run_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(lastbranch.Error, match=words):
        vcpu_of().run(**arguments)


def test_parts_without_vmx_run_no_guests() -> None:
    with pytest.raises(lastbranch.Error, match="VMX"):
        vcpu_of(uarch="bonnell").run(HLT)


def test_before_the_first_image_there_is_no_cpu() -> None:
    vcpu = vcpu_of()
    for call in (
        lambda: vcpu.registers,
        lambda: vcpu.read_memory(0, 1),
        lambda: vcpu.cpu_msr(0x1D9),
        lambda: vcpu.host_records,
    ):
        with pytest.raises(lastbranch.Error, match="image"):
            call()
    vcpu.run(HLT)
    for address, size in ((16 << 20, 1), (0, 1 << 62), (1 << 63, 8)):
        with pytest.raises(lastbranch.Error, match="memory"):
            vcpu.read_memory(address, size)


@pytest.fixture
def alarm() -> Iterator[None]:
    """After 0.3 s what Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_endless_guest_can_be_interrupted(alarm: None) -> None:
    with pytest.raises(KeyboardInterrupt):
        vcpu_of().run(FOREVER)


def test_other_parts_run_too(tmp_path: Path) -> None:
    for uarch, depth in (("haswell", 16), ("skylake", 32), ("core2", 4)):
        vcpu = vcpu_of(uarch=uarch)
        host = vcpu.vm.host
        code = wrmsr(DEBUGCTL, 1) + loop(9) + wrmsr(DEBUGCTL, 0)
        code += save_msr(host.msr(f"MSR_LASTBRANCH_{8 % depth}_FROM_IP"), SAVED) + HLT
        assert vcpu.run(code).how == "halted"
        assert word(vcpu, SAVED) & 0xFFFFFFFF == IMAGE_BASE + 24
    sixteen = vcpu_of(overrides={"lbr_depth": 16})
    assert sixteen.run(branching(20)).how == "halted"
    assert len(saved_records(sixteen)) == 8


def test_exits_are_limited_as_instructions_are() -> None:
    vcpu = vcpu_of()
    run = vcpu.run(b"\x0f\xa2" + b"\xeb\xfc", max_exits=100_001)  # cpuid; jmp
    assert (run.how, run.why, run.exit_count) == ("budget", "100001 VM exits", 100_001)
    assert vcpu.run(max_instructions=7, max_exits=100).why == "7 instructions"


def test_guest_that_completes_nothing_is_stuck() -> None:
    vcpu = vcpu_of()
    table, register, first_stack = 0x200000, 0x3000, 0x24
    vcpu.run(b"\x0f\x01\x1c\x25" + u32(register) + b"\x0f\x0b", max_instructions=0)  # lidt; ud2
    handler = IMAGE_BASE + 8
    gate = (handler & 0xFFFF) | 8 << 16 | 1 << 32 | 0x8E << 40 | (handler >> 16) << 48
    vcpu.write_memory(table + 6 * 16, gate.to_bytes(8, "little"))
    vcpu.write_memory(register, (0xFFF | table << 16).to_bytes(10, "little"))
    vcpu.write_memory(first_stack, (0x90000).to_bytes(8, "little"))
    run = vcpu.run()
    assert run.how == "stuck" and "completed no instruction" in run.why
    with pytest.raises(lastbranch.Error, match="has ended"):
        vcpu.run()


def test_other_threads_wait_for_the_end_of_a_run() -> None:
    vcpu = vcpu_of()
    ends: list[str] = []
    code = b"\x0f\xa2" + b"\xeb\xfc"  # cpuid; jmp
    thread = threading.Thread(target=lambda: ends.append(vcpu.run(code, max_exits=60_000).how))
    uses: list[Callable[[], object]] = [
        lambda: vcpu.run(HLT, slice=7),
        lambda: vcpu.guest_rdmsr("debugctl"),
        lambda: vcpu.read_memory(0, 1),
        lambda: vcpu.vm.set_event_filter("deny", [0xC0]),
    ]

    def is_running() -> bool:
        try:
            return not vcpu.trace.ids
        except lastbranch.Error:
            return True

    thread.start()
    while thread.is_alive() and not is_running():
        pass
    for use in uses:
        with pytest.raises(lastbranch.Error, match="runs in another thread"):
            use()
    thread.join()
    assert ends == ["budget"]
    for use in uses:
        use()
