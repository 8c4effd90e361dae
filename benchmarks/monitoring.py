"""What counting and sampling cost in whole runs: CPU time beside a run in which nothing is counted.

usage: monitoring.py FOLDER [--millions N] [--repeat N]

FOLDER holds the seven workloads, built. "eight + lbr" counts eight events with last-branch records on;
"sampled" takes a sample with a branch stack every 10,007 cycles, "taken" every 10,007 taken branches. All run
in turn as often as --repeat says; the mean of the best quarter counts.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("branchy", "interp", "chase", "matmul", "recurse", "hashstr", "sha256")
BUILT = Path(__file__).resolve().parent.parent / "build" / "lastbranch"
EIGHT = ",".join(
    f"{event}:u"
    for event in (
        "instructions",
        "cycles",
        "ref-cycles",
        "branches",
        "br_inst_retired.conditional",
        "br_inst_retired.near_taken",
        "mem_inst_retired.all_loads",
        "mem_inst_retired.all_stores",
    )
)
NEVER = str(1 << 40)
RECORD = ("record", "-q", "-b", "-o", "/dev/null")
# A core without a sibling thread has eight general counters.
MODES: dict[str, tuple[str, ...]] = {
    "nothing": ("run",),
    "eight + lbr": (*RECORD, "--set", "pmu_gp_counters=8", "-e", EIGHT, "-c", NEVER),
    "sampled": (*RECORD, "-e", "cycles:u", "-c", "10007"),
    "taken": (*RECORD, "-e", "br_inst_retired.near_taken:u", "-c", "10007"),
}


def cpu_seconds(command: Sequence[str]) -> float:
    """User and system time of a command, from start to exit."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"monitoring: {' '.join(command)}: exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def best_quarter(seconds: Sequence[float]) -> float:
    return statistics.fmean(sorted(seconds)[: max(1, len(seconds) // 4)])


def measure(executable: Path, program: Sequence[str], repeat: int) -> dict[str, float]:
    """Seconds by mode."""
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    for _ in range(repeat):
        for mode, options in MODES.items():
            times[mode].append(cpu_seconds([str(executable), *options, "--", *program]))
    return {mode: best_quarter(seconds) for mode, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of counting and sampling in whole programs.")
    parser.add_argument("folder", type=Path, help="where the workloads are")
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, metavar="NAME", help="only these")
    parser.add_argument("--millions", type=int, default=200, help="instructions of each, in millions")
    parser.add_argument("--repeat", type=int, default=8, help="runs of each")
    parser.add_argument("--lastbranch", type=Path, default=BUILT, help="the command line's executable")
    options = parser.parse_args()
    columns = [mode for mode in MODES if mode != "nothing"]
    print(f"{'':10}{'seconds':>9}" + "".join(f"{column:>13}" for column in columns))
    ratios: dict[str, list[float]] = {column: [] for column in columns}
    for name in options.programs:
        program = options.folder / name
        if not program.exists():
            sys.exit(f"monitoring: {program}: expected a built workload, found nothing")
        seconds = measure(options.lastbranch, [str(program), str(options.millions)], options.repeat)
        for column in columns:
            ratios[column].append(seconds[column] / seconds["nothing"])
        cells = "".join(f"{ratios[column][-1] - 1:13.1%}" for column in columns)
        print(f"{name:10}{seconds['nothing']:9.3f}{cells}", flush=True)
    means = "".join(f"{math.exp(statistics.fmean(map(math.log, ratios[c]))) - 1:13.1%}" for c in columns)
    print(f"{'geo. mean':19}{means}")


if __name__ == "__main__":
    main()
