"""A precise event's overflow is taken at the very instruction: every sample of every period against the order
in which the instructions were executed.

That order is a recording of each instruction, held against a run that was stepped; which of them count as
the event is objdump's text of the program.
"""

import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.cli.support import ROOT, lastbranch, succeed, tool, words
from tests.tools.event_truth_test import TRACE, Instruction, disassemble

WORKLOADS = ("branchy", "interp", "chase", "matmul", "recurse", "hashstr", "sha256")
LIMIT = 1_000_000
# Periods, and how many instructions to run with each.
RUNS = ((1, 20_000), (2, 50_000), (7, 100_000), (97, 300_000), (1_009, LIMIT), (100_003, LIMIT))

# When an instruction counts: "always", "taken" or "".
When = Callable[[Instruction], str]
Addresses = npt.NDArray[np.int64]


def taken(instruction: Instruction) -> str:
    if instruction.facts["far"] or not instruction.facts["branches"]:
        return ""
    return "taken" if instruction.conditional else "always"


def conditional(instruction: Instruction) -> str:
    return "always" if instruction.conditional else ""


def call(instruction: Instruction) -> str:
    return "always" if instruction.facts["calls"] else ""


def load(instruction: Instruction) -> str:
    return "always" if instruction.facts["loads"] else ""


def every(_: Instruction) -> str:
    return "always"


EVENTS: dict[str, dict[str, When]] = {
    "nehalem": {
        "br_inst_retired.conditional": conditional,
        "br_inst_retired.near_call": call,
        "mem_inst_retired.loads": load,
        "inst_retired.any_p": every,
    },
    "skylake": {
        "br_inst_retired.near_taken": taken,
        "br_inst_retired.conditional": conditional,
        "br_inst_retired.near_call": call,
        "mem_inst_retired.all_loads": load,
        "inst_retired.prec_dist": every,
    },
    "sapphirerapids": {
        "br_inst_retired.near_taken": taken,
        "br_inst_retired.cond": conditional,
        "br_inst_retired.near_call": call,
        "mem_inst_retired.all_loads": load,
        "inst_retired.prec_dist": every,
    },
    "gracemont": {
        "br_inst_retired.near_taken": taken,
        "br_inst_retired.cond": conditional,
        "br_inst_retired.near_call": call,
        "inst_retired.any_p": every,
    },
}


@pytest.fixture(scope="module")
def workloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = Path(os.environ.get("LASTBRANCH_SHARED", ROOT.parent / "shared"))
    sources = shared / "workloads/src"
    if not sources.is_dir():
        pytest.skip(f"no workloads at {sources}")
    folder = tmp_path_factory.mktemp("workloads")
    succeed(tool("make"), "-s", "-C", sources, f"OUT={folder}")
    return folder


def samples(
    part: str, events: list[str], period: int, limit: int, program: Path, folder: Path
) -> dict[str, Addresses]:
    """The sampled addresses of each event, in order."""
    done = lastbranch(
        *("record", "--uarch", part, "--clear-env", "--env", "LC_ALL=C", "-o", folder / "p.data"),
        *("-e", ",".join(f"{event}:upp" for event in events), "-c", str(period)),
        *("--max-instructions", str(limit), "--", program, "5"),
    )
    assert done.returncode == 0, words(done)
    script = lastbranch("script", "-F", "event,ip", "-i", folder / "p.data")
    assert script.returncode == 0, words(script)
    found: dict[str, list[int]] = {event: [] for event in events}
    for line in script.stdout.decode().splitlines():
        event, ip = line.split()
        found[event.partition(":")[0]].append(int(ip, 16))
    return {event: np.array(ips, np.int64) for event, ips in found.items()}


@cache
def executed(part: str, program: Path) -> Addresses:
    """The addresses of the first LIMIT instructions, in the order of their execution."""
    if not TRACE.exists():
        pytest.skip(f"{TRACE} is not built")
    everything = next(event for event, when in EVENTS[part].items() if when is every)
    order = samples(part, [everything], 1, LIMIT, program, program.parent)[everything]
    assert len(order) == LIMIT
    stepped: Counter[tuple[int, int]] = Counter()
    for line in succeed(TRACE, "trace", part, str(LIMIT), program, "5").decode().splitlines():
        at, behind, times = line.split()
        stepped[int(at, 16), int(behind, 16)] = int(times)
    recorded = Counter(pairwise(order.tolist()))
    # The last instruction's successor was not executed.
    assert not recorded - stepped
    assert [(at, times) for (at, _), times in (stepped - recorded).items()] == [(order[-1], 1)]
    return order


def matching(program: Path, order: Addresses, when: When) -> Addresses:
    """The indices of those executed instructions that count."""
    code = disassemble(program)
    addresses, which = np.unique(order, return_inverse=True)
    behind = np.array([at + code[at].length for at in addresses.tolist()])[which]
    counts = np.array([when(code[at]) for at in addresses.tolist()])[which]
    elsewhere = np.append(order[1:], 0) != behind
    return np.flatnonzero((counts == "always") | ((counts == "taken") & elsewhere))


def every_period(order: Addresses, hits: Addresses, period: int, limit: int) -> Addresses:
    """The instructions at which a counter that starts at -period overflows, again and again."""
    overflows = hits[hits < limit][period - 1 :: period]
    return order[overflows]


def same(found: Addresses, expected: Addresses) -> bool:
    return found.shape == expected.shape and bool((found == expected).all())


# Rows: pmu-4-overflow, pmu-4-minimum-periods
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_sample_is_the_instruction_that_overflows(name: str, workloads: Path, tmp_path: Path) -> None:
    program = workloads / name
    order = executed("skylake", program)
    hits = {event: matching(program, order, when) for event, when in EVENTS["skylake"].items()}

    assert all(len(of_event) > 100 for of_event in hits.values())
    for event, of_event in hits.items():
        for period, limit in RUNS:
            found = samples("skylake", [event], period, limit, program, tmp_path)[event]
            assert same(found, every_period(order, of_event, period, limit)), f"{event}, period {period}"


# Rows: pmu-4-one-interrupt
@pytest.mark.parametrize("name", WORKLOADS)
def test_counters_that_overflow_together_are_each_exact(name: str, workloads: Path, tmp_path: Path) -> None:
    program = workloads / name
    order = executed("skylake", program)
    events = [event for event, when in EVENTS["skylake"].items() if when is not call]

    for period, limit in ((3, 50_000), (101, LIMIT)):
        found = samples("skylake", events, period, limit, program, tmp_path)
        for event in events:
            hits = matching(program, order, EVENTS["skylake"][event])
            expected = every_period(order, hits, period, limit)
            assert len(expected) > 10
            assert same(found[event], expected), f"{event}, period {period}"


@pytest.mark.parametrize("part", [part for part in EVENTS if part != "skylake"])
def test_other_parts_sample_the_instruction_that_overflows(
    part: str, workloads: Path, tmp_path: Path
) -> None:
    program = workloads / "interp"
    order = executed(part, program)
    for event, when in EVENTS[part].items():
        hits = matching(program, order, when)
        for period, limit in RUNS:
            found = samples(part, [event], period, limit, program, tmp_path)[event]
            assert same(found, every_period(order, hits, period, limit)), f"{event}, period {period}"
