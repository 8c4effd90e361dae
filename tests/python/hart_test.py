"""machine.hart: the registers, records and counters of a machine's core."""

import lastbranch
import numpy as np
import pytest
from lastbranch import BranchKind, Machine


def test_counters_agree_with_the_machine(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    pmu = machine.hart.pmu
    instructions = pmu.program("instructions:u")
    branches = pmu.program("br_inst_retired.all_branches", counter=2)
    taken = machine.count("br_inst_retired.all_branches")

    machine.run(10_000)

    assert (instructions, branches) == (32, 2)
    assert pmu.read(instructions) == machine.hart.msr["IA32_FIXED_CTR0"] == 10_000
    assert pmu.read(branches) == machine.hart.msr[0xC3] == taken.value > 1000
    pmu.stop(branches)
    machine.run(1000)
    assert pmu.read(branches) < taken.value
    assert pmu.programmed == [32]


def test_a_period_overflows_into_the_status(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    pmu = machine.hart.pmu
    counter = pmu.program("instructions:u", period=5000)

    machine.run(4999)
    assert pmu.overflowed() == []
    machine.run(1)
    assert pmu.overflowed() == [counter]
    assert pmu.read(counter) == 0
    pmu.acknowledge()
    assert pmu.overflowed() == []
    assert pmu.programmed == [counter]


def test_records_are_filtered(busybox: str) -> None:
    machine = Machine([busybox, "true"])
    assert machine.lbr is machine.hart.lbr
    assert machine.msr is machine.hart.msr
    machine.hart.lbr.enable("any_ret,u")
    machine.run(30_000)

    kinds = set(machine.hart.lbr.entries()["kind"])
    assert BranchKind.RETURN in kinds
    assert not kinds & {BranchKind.CONDITIONAL, BranchKind.CALL, BranchKind.JUMP}
    assert machine.hart.lbr.inserts > 32
    machine.hart.lbr.filter("any,u")
    assert machine.hart.lbr.select == machine.hart.msr["MSR_LBR_SELECT"] == 1
    with pytest.raises(lastbranch.Error, match="sideways"):
        machine.hart.lbr.enable("sideways")


def test_refused_registers_say_which_and_why(busybox: str) -> None:
    msr = Machine([busybox, "true"]).hart.msr
    with pytest.raises(lastbranch.Error, match=r"IA32_DEBUGCTL \(0x1d9\).*0x10000000000.*reserved bit set"):
        msr[0x1D9] = 1 << 40
    with pytest.raises(lastbranch.Error, match="read-only"):
        msr["IA32_PERF_GLOBAL_STATUS"] = 1
    with pytest.raises(KeyError, match="0xdead"):
        msr[0xDEAD]


@pytest.mark.parametrize(
    ("branches", "kinds"),
    [
        ("any_call,u", {BranchKind.CALL, BranchKind.INDIRECT_CALL}),
        ("cond,u", {BranchKind.CONDITIONAL}),
        ("ind_jmp,u", {BranchKind.INDIRECT_JUMP}),
    ],
)
def test_samples_hold_the_branches_asked_for(busybox: str, branches: str, kinds: set[int]) -> None:
    result = lastbranch.record(
        [busybox, "sha256sum", busybox], period=10_007, branches=branches, stdout=lastbranch.DEVNULL
    )

    assert len(result.branches)
    assert set(result.branches["kind"]) <= kinds | {BranchKind.SYSCALL}


def test_call_stacks_are_the_calls_that_have_not_returned(busybox: str) -> None:
    result = lastbranch.record([busybox, "true"], period=100, branches="stack")

    assert set(result.branches["kind"]) == {BranchKind.CALL, BranchKind.INDIRECT_CALL}
    deepest = result.stack(int(np.argmax(result.samples["count"])))
    assert len(deepest) > 3
    with pytest.raises(lastbranch.Error, match="Haswell"):
        lastbranch.record([busybox, "true"], period=100, branches="stack", uarch="nehalem")


def test_precise_samples_are_of_the_branch_itself(busybox: str) -> None:
    taken = "br_inst_retired.near_taken"
    # Three p's or two: the address is that of the sampled branch, which is the newest record.
    result = lastbranch.record([busybox, "true"], period=101, event=f"{taken}:upp")
    assert len(result) > 20
    assert (result.samples["ip"] == [result.stack(i)[0]["from"] for i in range(len(result))]).all()
    # Without: the next instruction, which is its target.
    result = lastbranch.record([busybox, "true"], period=101, event=f"{taken}:u")
    assert (result.samples["ip"] == [result.stack(i)[0]["to"] for i in range(len(result))]).all()


def test_skid_moves_samples_that_are_not_precise(busybox: str) -> None:
    def addresses(event: str, skid: int) -> list[int]:
        command = [busybox, "true"]
        samples = lastbranch.record(command, period=1000, event=event, skid=skid).samples
        return [int(ip) for ip in samples["ip"][:20]]

    assert addresses("instructions:u", 0) != addresses("instructions:u", 30)
    assert addresses("instructions:upp", 0) == addresses("instructions:upp", 30)
    with pytest.raises(lastbranch.Error, match="skid"):
        addresses("instructions:u", -1)
