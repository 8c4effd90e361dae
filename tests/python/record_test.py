"""lastbranch.record: samples and branch stacks as arrays, checked against the program's own bytes."""

import gc
import shutil
import subprocess
from pathlib import Path

import lastbranch
import numpy as np
import pytest
from lastbranch import BranchKind, RecordResult

ROOT = Path(__file__).resolve().parents[2]
PREFIXES = {0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3}


@pytest.fixture(scope="module")
def recorded(busybox: str) -> RecordResult:
    return lastbranch.record([busybox, "sha256sum", busybox], period=10_007, stdout=lastbranch.DEVNULL)


def kind_of(code: bytes) -> BranchKind | None:
    """The kind of branch that these bytes begin with, by the opcode maps of the SDM."""
    at = 0
    while code[at] in PREFIXES:
        at += 1
    if code[at] & 0xF0 == 0x40:  # REX
        at += 1
    opcode, following = code[at], code[at + 1]
    if opcode & 0xF0 == 0x70 or 0xE0 <= opcode <= 0xE3 or (opcode == 0x0F and following & 0xF0 == 0x80):
        return BranchKind.CONDITIONAL
    if opcode == 0x0F and following == 0x05:
        return BranchKind.SYSCALL
    if opcode == 0xFF:
        by_extension = {2: BranchKind.INDIRECT_CALL, 4: BranchKind.INDIRECT_JUMP}
        return by_extension.get(following >> 3 & 7)
    by_opcode = {
        0xC2: BranchKind.RETURN,
        0xC3: BranchKind.RETURN,
        0xE8: BranchKind.CALL,
        0xE9: BranchKind.JUMP,
        0xEB: BranchKind.JUMP,
    }
    return by_opcode.get(opcode)


def test_samples_come_every_period(recorded: RecordResult) -> None:
    samples = recorded.samples

    assert len(samples) == recorded.counts["cycles"] // 10_007
    assert (samples["period"] == 10_007).all()
    assert recorded.events == [("cycles:u", 10_007)]
    # One cycle per instruction: the n-th sample is at the n-th multiple of the period.
    part = next(u for u in lastbranch.uarchs() if u.name == "skylake")
    expected = (np.arange(1, len(samples) + 1) * 10_007) * 10**9 // part.frequency_hz
    assert (samples["time"] == expected).all()


def test_stacks_lie_one_after_another(recorded: RecordResult) -> None:
    first = recorded.samples["first"]
    count = recorded.samples["count"].astype(np.uint64)

    assert first[0] == 0
    assert (first[1:] == first[:-1] + count[:-1]).all()
    assert first[-1] + count[-1] == len(recorded.branches)
    assert count.max() == 32
    stack = recorded.stack(3)
    assert np.shares_memory(stack, recorded.branches)
    assert (stack == recorded.branches[int(first[3]) : int(first[3] + count[3])]).all()
    with pytest.raises(IndexError):
        recorded.stack(len(recorded))


def test_every_branch_is_one_in_the_programs_file(recorded: RecordResult, busybox: str) -> None:
    text = Path(busybox).read_bytes()
    kinds = {}
    for source, kind in np.unique(recorded.branches[["from", "kind"]]):
        mapping = next(m for m in recorded.mappings if m.address <= source < m.address + m.length)
        offset = int(source) - mapping.address + mapping.offset
        assert kind_of(text[offset : offset + 16]) == kind, hex(source)
        kinds[kind] = True

    assert {BranchKind.CONDITIONAL, BranchKind.CALL, BranchKind.RETURN, BranchKind.JUMP} <= kinds.keys()


def test_execution_flows_from_target_to_next_branch(busybox: str) -> None:
    # With the kernel's returns: dropping one also drops the target from which its successor counts.
    recorded = lastbranch.record(
        [busybox, "sha256sum", busybox], period=10_007, raw_lbr=True, stdout=lastbranch.DEVNULL
    )
    for i in range(0, len(recorded), 10):
        stack = recorded.stack(i)
        user = stack["from"][:-1] < 1 << 63
        distance = (stack["from"][:-1].astype(np.int64) - stack["to"][1:].astype(np.int64))[user]
        # Each instruction between is one cycle and at least a byte, at most 15.
        cycles = stack["cycles"][:-1].astype(np.int64)[user]
        assert (distance >= cycles - 1).all()
        assert (distance <= 15 * (cycles - 1)).all()


def test_predictions_are_claimed_only_where_the_part_records_them(busybox: str) -> None:
    for uarch, known in (("skylake", True), ("core2", False)):
        branches = lastbranch.record([busybox, "true"], period=1000, uarch=uarch).branches

        assert (branches["predicted"] ^ branches["mispredicted"] == known).all()


@pytest.mark.parametrize(("depth"), [8, 16, 32])
def test_stack_is_as_deep_as_the_ring(busybox: str, depth: int) -> None:
    result = lastbranch.record([busybox, "true"], period=1000, lbr_depth=depth)

    assert result.samples["count"].max() == depth


def test_kernel_branches_are_kept_only_when_asked(busybox: str) -> None:
    plain = lastbranch.record([busybox, "ls", "/"], period=500, stdout=lastbranch.DEVNULL)
    raw = lastbranch.record([busybox, "ls", "/"], period=500, stdout=lastbranch.DEVNULL, raw_lbr=True)

    from_kernel = raw.branches["from"] >= 1 << 63
    assert not (plain.branches["from"] >= 1 << 63).any()
    assert from_kernel.any()
    assert set(raw.branches["kind"][from_kernel]) <= {BranchKind.SYSRET, BranchKind.IRET}
    # A SYSCALL goes to the kernel, which the user filter looks at.
    assert not (raw.branches["to"] >= 1 << 63).any()
    assert (raw.branches[~from_kernel] == plain.branches).all()


def test_several_events_are_told_apart(busybox: str) -> None:
    result = lastbranch.record(
        [busybox, "sha256sum", busybox],
        event="cycles:u,br_inst_retired.near_taken:u",
        period=5003,
        events=["cycles:u", "br_inst_retired.near_taken:u"],
        stdout=lastbranch.DEVNULL,
    )

    for number, (name, period) in enumerate(result.events):
        assert period == 5003
        assert (result.samples["event"] == number).sum() == result.counts[name] // period


def test_default_period_makes_4000_samples_a_second(busybox: str) -> None:
    part = next(u for u in lastbranch.uarchs() if u.name == "skylake")

    result = lastbranch.record([busybox, "sha256sum", busybox], stdout=lastbranch.DEVNULL)

    assert result.events == [("cycles:u", part.frequency_hz // 4000)]
    assert len(result) == result.cycles // (part.frequency_hz // 4000)


def test_arrays_are_views_that_keep_their_memory(busybox: str) -> None:
    result = lastbranch.record([busybox, "true"], period=1000)
    branches, copy = result.branches, result.branches.copy()

    assert not branches.flags.owndata
    assert not branches.flags.writeable
    assert type(branches.base).__name__ == "PyCapsule"
    with pytest.raises(ValueError, match="read-only"):
        branches["from"][0] = 0
    del result
    gc.collect()
    assert (branches == copy).all()


def test_dtypes_are_the_documented_ones(recorded: RecordResult) -> None:
    branch = {name: field[0].str for name, field in (recorded.branches.dtype.fields or {}).items()}
    sample = {name: field[0].str for name, field in (recorded.samples.dtype.fields or {}).items()}

    assert branch == {
        "from": "<u8",
        "to": "<u8",
        "cycles": "<u2",
        "kind": "|u1",
        "mispredicted": "|b1",
        "predicted": "|b1",
        "in_tx": "|b1",
        "abort": "|b1",
    }
    assert sample == {
        "ip": "<u8",
        "time": "<u8",
        "period": "<u8",
        "first": "<u8",
        "count": "<u4",
        "event": "<u4",
    }


def test_file_holds_the_same_samples(busybox: str, tmp_path: Path) -> None:
    command_line = ROOT / "build" / "lastbranch"
    if not command_line.exists():
        pytest.skip("build/lastbranch is not built")
    data = tmp_path / "perf.data"

    result = lastbranch.record(
        [busybox, "sha256sum", busybox], period=10_007, output=data, stdout=lastbranch.DEVNULL
    )

    script = [str(command_line), "script", "-i", str(data), "-F", "ip,brstack"]
    lines = subprocess.run(script, capture_output=True, check=True, text=True).stdout.splitlines()
    assert result.output == data
    assert len(lines) == len(result)
    for i, line in enumerate(lines):
        ip, *stack = line.split()
        assert int(ip, 16) == result.samples["ip"][i]
        addresses = [tuple(int(a, 16) for a in entry.split("/")[:2]) for entry in stack]
        assert addresses == [(int(b["from"]), int(b["to"])) for b in result.stack(i)]


def test_result_describes_itself(recorded: RecordResult) -> None:
    assert repr(recorded) == (
        f"<RecordResult: exit code 0, {recorded.instructions} instructions, "
        f"{len(recorded)} samples, {len(recorded.branches)} branches>"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"period": 0}, "period"),
        ({"event": "branch-misses"}, "branch-misses"),
        ({"event": ""}, "event"),
        ({"output": "/no/such/folder/perf.data"}, "/no/such/folder/perf.data"),
    ],
)
def test_bad_input_gets_one_line(busybox: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(lastbranch.Error) as caught:
        lastbranch.record([busybox, "true"], **options)  # type: ignore[arg-type]

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_perf_reads_the_file(busybox: str, tmp_path: Path) -> None:
    perf = shutil.which("perf")
    if perf is None:
        pytest.skip("perf is not installed")
    data = tmp_path / "perf.data"

    result = lastbranch.record([busybox, "true"], period=1000, output=data)

    done = subprocess.run(
        [perf, "script", "-F", "ip", "-i", data], capture_output=True, text=True, check=False
    )
    assert [int(line, 16) for line in done.stdout.split()] == list(result.samples["ip"])
