"""lastbranch.Lbr: the records alone, against a few lines of Python that say what they must be."""

import lastbranch
import numpy as np
import numpy.typing as npt
import pytest
from lastbranch import BRANCH, BranchKind, Lbr


def random_branches(n: int, seed: int = 1) -> npt.NDArray[np.void]:
    rng = np.random.default_rng(seed)
    branches = np.zeros(n, BRANCH)
    branches["from"] = rng.integers(1, 1 << 46, n)
    branches["to"] = rng.integers(1, 1 << 46, n)
    branches["cycles"] = rng.integers(0, 200, n)
    branches["kind"] = rng.integers(0, BranchKind.UNKNOWN, n)
    branches["cpl"] = rng.choice([0, 3], n)
    branches["mispredicted"] = rng.random(n) < 0.1
    return branches


def recorder(depth: int | None = None) -> Lbr:
    lbr = Lbr("skylake", depth=depth)
    lbr.enable()
    return lbr


@pytest.mark.parametrize("depth", [4, 8, 16, 32])
@pytest.mark.parametrize("n", [1, 3, 511, 512, 513, 5000])
def test_the_newest_are_kept(depth: int, n: int) -> None:
    branches = random_branches(n)
    lbr = recorder(depth=depth)

    lbr.push(branches)
    entries = lbr.entries()

    newest = branches[::-1][:depth]
    assert len(entries) == min(n, depth) == len(lbr)
    for field in ("from", "to", "kind"):
        assert (entries[field] == newest[field]).all()
    assert (entries["mispredicted"] == (newest["mispredicted"] & (newest["kind"] < BranchKind.FAR))).all()
    assert lbr.time == branches["cycles"].sum()
    # The very first record has nothing to count from.
    counted = entries["cycles"][: min(n - 1, depth)]
    assert (counted == newest["cycles"][: len(counted)]).all()
    assert lbr.inserts == n


def test_pieces_are_as_good_as_the_whole() -> None:
    branches = random_branches(3000)
    whole, pieces = recorder(), recorder()

    whole.push(branches)
    for piece in np.array_split(branches, 17):
        pieces.push(piece)

    assert (whole.entries() == pieces.entries()).all()
    assert list(whole.msr.items()) == list(pieces.msr.items())


def test_arrays_of_other_shapes_say_the_same() -> None:
    branches = random_branches(700)
    usual = recorder()
    usual.push(branches)
    wide = branches.astype([(name, "i8") for name in BRANCH.names or ()])
    spread = np.zeros((700, 3), BRANCH)
    spread[:, 1] = branches
    timed = np.zeros(700, [("to", "u8"), ("from", "u8"), ("time", "u8"), ("kind", "i2"), ("cpl", "u4"),
                           ("mispredicted", "u1"), ("note", "U5")])  # fmt: skip
    for name in ("from", "to", "kind", "cpl", "mispredicted"):
        timed[name] = branches[name]
    timed["time"] = branches["cycles"].cumsum()

    for other in (wide, spread[:, 1], timed):
        lbr = recorder()
        lbr.push(other)
        assert (lbr.entries() == usual.entries()).all()
    backwards = recorder()
    backwards.push(branches[::-1])
    assert (backwards.entries()["from"] == branches["from"][:32]).all()


def test_what_is_left_out_has_a_documented_value() -> None:
    lbr = recorder()
    lbr.push(np.array([(1, 2), (3, 4)], [("from", "u8"), ("to", "u8")]))

    assert list(lbr.entries()["kind"]) == [BranchKind.JUMP, BranchKind.JUMP]
    assert lbr.entries()["cycles"][0] == 1
    assert not lbr.entries()["mispredicted"].any()


def test_what_was_recorded_can_be_pushed(busybox: str) -> None:
    recorded = lastbranch.record([busybox, "true"], period=1000).branches

    lbr = recorder()
    lbr.push(recorded[::-1])

    assert (lbr.entries()[["from", "to", "kind"]] == recorded[:32][["from", "to", "kind"]]).all()


@pytest.mark.parametrize(
    ("filtered", "kinds"),
    [
        ("any_ret,u", [BranchKind.RETURN, *range(BranchKind.FAR, BranchKind.UNKNOWN)]),
        ("cond,u", [BranchKind.CONDITIONAL]),
        ("ind_call,u", [BranchKind.INDIRECT_CALL]),
        ("any,k", list(BranchKind)),
    ],
)
def test_filters_keep_what_their_names_say(filtered: str, kinds: list[int]) -> None:
    branches = random_branches(3000)
    lbr = Lbr()
    lbr.enable(filtered)
    lbr.push(branches)

    passing = branches[np.isin(branches["kind"], kinds) & (branches["cpl"] == (0 if "k" in filtered else 3))]
    assert (lbr.entries()["from"] == passing["from"][::-1][:32]).all()
    assert lbr.inserts == len(passing)


def test_call_stack_mode_takes_calls_back() -> None:
    lbr = Lbr("haswell")
    lbr.enable("stack")
    branches = np.zeros(5, BRANCH)
    branches["kind"] = [BranchKind.CALL, BranchKind.CALL, BranchKind.RETURN, BranchKind.CALL, BranchKind.JUMP]
    branches["from"], branches["to"], branches["cpl"] = [1000, 2000, 3000, 4000, 5000], 6000, 3
    lbr.push(branches)

    assert lbr.select & 1 << 9
    assert lbr.entries()["from"].tolist() == [4000, 1000]


def test_select_is_the_register() -> None:
    lbr = Lbr("skylake")
    lbr.select = 0x1C4
    assert lbr.msr["MSR_LBR_SELECT"] == lbr.msr[0x1C8] == lbr.select == 0x1C4
    with pytest.raises(lastbranch.Error, match=r"MSR_LBR_SELECT \(0x1c8\).*reserved"):
        lbr.select = 1 << 20
    arch = Lbr("goldencove")
    arch.enable("any_call,u")
    assert arch.msr["IA32_LBR_CTL"] == arch.select | 1
    arch.select = 0x7F0004
    assert arch.enabled
    with pytest.raises(lastbranch.Error, match="MSR_LBR_SELECT"):
        print(Lbr("core2").select)


def test_freezing_stops_and_goes_on() -> None:
    branches = random_branches(10)
    lbr = recorder()
    lbr.push(branches[:5])
    lbr.frozen = True
    lbr.push(branches[5:])
    assert (lbr.frozen, lbr.recording, lbr.enabled, len(lbr)) == (True, False, True, 5)
    lbr.frozen = False
    lbr.push(branches[5:])
    assert len(lbr) == 10
    lbr.debug_exception()
    assert not lbr.enabled
    lbr.clear()
    assert len(lbr) == 0


def test_quirks_and_formats_change_what_is_seen() -> None:
    twice = Lbr("broadwell", quirks=["dup_abort_record"])
    once = Lbr("broadwell", quirks={"dup_abort_record": 0})
    for lbr in (twice, once):
        lbr.enable()
        lbr.transaction_abort(0x1000, 0x2000)
    assert (len(twice), len(once)) == (2, 1)
    branches = random_branches(9)
    doubled = Lbr("skylake", quirks={"lbr_dup_top_per_mille": 1000})
    doubled.enable()
    doubled.push(branches)
    doubled.disable()
    assert doubled.entries()["from"][:3].tolist() == branches["from"][[7, 7, 6]].tolist()
    plain = Lbr("skylake", format=1)
    plain.enable()
    plain.push(branches)
    assert not plain.entries()["cycles"].any()
    assert not plain.entries()["predicted"].any()
    assert Lbr("skylake", format=63, depth=16).depth == 16


@pytest.mark.parametrize("uarch", [u.name for u in lastbranch.uarchs() if u.lbr_depth])
def test_every_part_has_records(uarch: str) -> None:
    lbr = Lbr(uarch)
    lbr.enable()
    lbr.push(random_branches(100))

    assert len(lbr) == lbr.depth
    assert lbr.uarch == uarch
    assert "IA32_DEBUGCTL" in lbr.msr


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        (np.zeros(3), "structured"),
        (np.zeros((2, 2), BRANCH), "one dimension"),
        (np.zeros(3, [("from", "u8")]), "'to'"),
        (np.zeros(3, [("from", "f8"), ("to", "u8")]), "'from'"),
        (np.zeros(3, [("from", ">u8"), ("to", "u8")]), "'from'"),
        (np.zeros(3, [("from", "u8"), ("to", "u8"), ("time", "u8"), ("cycles", "u8")]), "both"),
        (np.array([(1, 2, 13)], [("from", "u8"), ("to", "u8"), ("kind", "u1")]), "kind 13"),
        (np.array([(1, 2, 4)], [("from", "u8"), ("to", "u8"), ("cpl", "u1")]), "cpl 4"),
        (np.array([(1, 2, -1)], [("from", "u8"), ("to", "u8"), ("cpl", "i1")]), "branch 0"),
    ],
)
def test_bad_arrays_get_one_line(branches: npt.NDArray[np.void], message: str) -> None:
    with pytest.raises(lastbranch.Error, match=message) as caught:
        recorder().push(branches)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uarch": "z80"}, "z80"),
        ({"depth": 12}, "12"),
        ({"format": 9}, "9"),
        ({"quirks": ["flux"]}, "flux"),
        ({"overrides": {"flux": 1}}, "flux"),
        ({"depth": 8, "overrides": {"lbr_depth": 16}}, "lbr_depth: expected it once"),
    ],
)
def test_bad_options_get_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(lastbranch.Error, match=message):
        Lbr(**options)  # type: ignore[arg-type]


def test_registers_are_a_mapping() -> None:
    msr = Lbr().msr
    assert "ia32_debugctl" in msr
    assert 0x1D9 in msr
    assert 0x10 not in msr
    assert 1.5 not in msr
    assert len(list(msr)) == len(msr) > 90
    with pytest.raises(KeyError, match="IA32_NONE"):
        msr["IA32_NONE"]
    with pytest.raises(KeyError, match="0x10"):
        msr[0x10] = 1
    with pytest.raises(lastbranch.Error, match="64 bits"):
        msr["IA32_DEBUGCTL"] = -1
