"""lastbranch.Pmu: counters alone, against NumPy's sums."""

import lastbranch
import numpy as np
import pytest
from lastbranch import Pmu


def test_counts_by_privilege() -> None:
    pmu = Pmu()
    user = pmu.program("instructions:u")
    kernel = pmu.program("br_inst_retired.near_taken:k")
    both = pmu.program("br_inst_retired.near_taken")

    pmu.count("instructions", 10**12)
    pmu.count("instructions", 5, user=False)
    pmu.count("taken_branches", 7)
    pmu.count("taken_branches", 8, user=False)

    assert (user, pmu.read(user)) == (32, 10**12)
    assert pmu.read(kernel) == 8
    assert pmu.read(both) == pmu.msr["IA32_PMC1"] == 15
    assert pmu.read() == {kernel: 8, both: 15, user: 10**12}


@pytest.mark.parametrize("period", [1, 2, 7, 1000])
def test_overflows_are_at_the_exact_event(period: int) -> None:
    pmu = Pmu()
    counter = pmu.program("br_inst_retired.near_taken:u", period=period)

    at = [pmu.count("taken_branches", n) for n in (0, 1, 12, 987, 3000)]

    starts = np.cumsum([0, 0, 1, 12, 987])
    steps = np.concatenate([o["step"] + s for o, s in zip(at, starts, strict=True)])
    assert (steps == np.arange(period - 1, 4000, period)).all()
    assert (np.concatenate([o["counter"] for o in at]) == counter).all()
    assert pmu.pmis == len(steps)
    assert pmu.overflowed() == []


def test_steps_overflow_where_their_sum_passes_the_period() -> None:
    rng = np.random.default_rng(1)
    branches, cycles = rng.integers(0, 5, 20_000), rng.integers(1, 9, 20_000)
    pmu = Pmu()
    by_branch = pmu.program("br_inst_retired.near_taken:u", period=1009)
    by_cycle = pmu.program("cycles:u", period=5003)

    overflows = pmu.feed({"taken_branches": branches, "cycles": cycles})

    for counter, counts, period in ((by_branch, branches, 1009), (by_cycle, cycles, 5003)):
        passed = np.flatnonzero(np.diff(np.cumsum(counts) // period, prepend=0))
        assert (overflows["step"][overflows["counter"] == counter] == passed).all()


def test_registers_alone_overflow_once_until_acknowledged() -> None:
    pmu = Pmu()
    pmu.msr["IA32_PERFEVTSEL0"] = 0x4120C4  # near taken, user, enabled
    pmu.msr["IA32_PERF_GLOBAL_CTRL"] = 1
    for _ in range(2):
        pmu.msr["IA32_PMC0"] = 0xFFFF_FFFD
        assert pmu.count("taken_branches", [1, 1, 1, 5])["step"].tolist() == [2]
        assert pmu.overflowed() == [0]
        assert pmu.msr[0x38E] == 1
        pmu.acknowledge()
        assert pmu.overflowed() == []


def test_counters_are_chosen_as_the_part_allows() -> None:
    pmu = Pmu("skylake")
    assert pmu.counters == [0, 1, 2, 3, 32, 33, 34]
    used = [pmu.program("instructions") for _ in range(5)]
    assert used == [32, 0, 1, 2, 3]
    assert pmu.programmed == [0, 1, 2, 3, 32]
    with pytest.raises(lastbranch.Error, match="free counter"):
        pmu.program("instructions")
    pmu.stop(2)
    assert pmu.program("branches") == 2
    assert pmu.program("branches", counter=1) == 1
    for bad in (4, 35, 99):
        with pytest.raises(lastbranch.Error, match=str(bad)):
            pmu.read(bad)
    with pytest.raises(lastbranch.Error, match="33"):
        pmu.program("instructions", counter=33)


@pytest.mark.parametrize(
    ("event", "period", "message"),
    [
        ("cycels", None, "cycels"),
        ("branch-misses", None, "branch-misses"),
        ("cycles:u", 0, "period"),
        ("cycles:u", 1 << 60, "period"),
    ],
)
def test_bad_programs_get_one_line(event: str, period: int | None, message: str) -> None:
    with pytest.raises(lastbranch.Error, match=message) as caught:
        Pmu().program(event, period)
    assert "\n" not in str(caught.value)


def test_bad_counts_get_one_line() -> None:
    pmu = Pmu()
    with pytest.raises(lastbranch.Error, match="phlogiston"):
        pmu.count("phlogiston", 3)
    with pytest.raises(lastbranch.Error, match="-1"):
        pmu.count("cycles", -1)
    for bad in ([1, -2], [0.5, 1.0]):
        with pytest.raises(lastbranch.Error, match="cycles"):
            pmu.count("cycles", bad)
    with pytest.raises(lastbranch.Error, match="branches"):
        pmu.feed({"cycles": [1, 2], "branches": [1]})
    with pytest.raises(lastbranch.Error, match="z80"):
        Pmu("z80")


def test_facts_are_named() -> None:
    facts = {f.name: f.supplied for f in lastbranch.facts()}
    assert facts["taken_branches"]
    assert not facts["mispredicted"]
    assert Pmu().count("mispredicted", 3).shape == (0,)


@pytest.mark.parametrize("uarch", [u.name for u in lastbranch.uarchs()])
def test_every_part_counts(uarch: str) -> None:
    pmu = Pmu(uarch)
    counter = pmu.program("instructions:u", period=1000)
    assert pmu.count("instructions", 2500)["step"].tolist() == [999, 1999]
    assert pmu.uarch == uarch
    assert counter in pmu.counters
