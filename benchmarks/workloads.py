"""How fast whole programs are simulated, beside native, QEMU and valgrind in the same run.

usage: workloads.py FOLDER [--json] ...

FOLDER holds the seven workloads, built. Each runs as often as --repeat says, all engines in turn, so that
what else the machine does falls on all of them; the best run counts. Speed is the program's instructions by
CPU time (user and system, start to exit), because other work on the machine lengthens wall time only; --json
has both, and the medians.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import lastbranch

PROGRAMS = ("branchy", "interp", "chase", "matmul", "recurse", "hashstr", "sha256")
COUNTED = ("cycles:u", "instructions:u", "branches:u", "br_inst_retired.near_taken:u")
BUILT = Path(__file__).resolve().parent.parent / "build" / "lastbranch"
COLUMNS = ("native", "lbr", "no lbr", "record -b", "qemu", "valgrind")
MIB = 1 << 20


@dataclass
class Times:
    """Seconds of the repetitions of one thing."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def add(self, cpu: float, wall: float) -> None:
        self.cpu.append(cpu)
        self.wall.append(wall)

    def summary(self) -> dict[str, float]:
        return {
            "cpu_best": min(self.cpu),
            "cpu_median": statistics.median(self.cpu),
            "wall_best": min(self.wall),
            "wall_median": statistics.median(self.wall),
        }


@dataclass
class Measured:
    """One program."""

    name: str
    instructions: int
    touched: int
    """Bytes of memory."""
    resident: int
    """Bytes of the simulator at most."""
    times: dict[str, Times]
    """By engine."""

    def mips(self, engine: str) -> float:
        return self.instructions / min(self.times[engine].cpu) / 1e6

    def lbr_cost(self) -> float:
        """What recording adds to CPU time, as a part of it without."""
        return best_quarter(self.times["lbr"].cpu) / best_quarter(self.times["no lbr"].cpu) - 1


def best_quarter(seconds: Sequence[float]) -> float:
    """The mean of the best quarter, which is steadier than the best and less disturbed than the median."""
    return statistics.fmean(sorted(seconds)[: max(1, len(seconds) // 4)])


def run_process(command: Sequence[str]) -> tuple[bytes, float, float]:
    """Output, CPU seconds and wall seconds of a command, from start to exit."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"workloads: {' '.join(command)}: exit status {process.returncode}")
    return output, usage.ru_utime + usage.ru_stime, wall


def run_machine(command: Sequence[str], *, record: bool) -> tuple[bytes, float, float]:
    """The same of a machine in this process that counts events, with or without LBRs."""
    cpu, wall = time.process_time(), time.perf_counter()
    machine = lastbranch.Machine(command, stdout=lastbranch.CAPTURE)
    for event in COUNTED:
        machine.count(event)
    if record:
        machine.lbr.enable()
    machine.run()
    return machine.stdout or b"", time.process_time() - cpu, time.perf_counter() - wall


Engine = Callable[[Sequence[str]], tuple[bytes, float, float]]


def engines(executable: Path) -> dict[str, Engine]:
    """Everything that can run a program here; `executable` is lastbranch's command line."""

    def behind(*prefix: str) -> Engine:
        return lambda command: run_process([*prefix, *command])

    found: dict[str, Engine] = {"native": run_process}
    if executable.exists():
        found["record -b"] = behind(str(executable), "record", "-q", "-b", "-o", "/dev/null", "--")
    if shutil.which("qemu-x86_64"):
        found["qemu"] = behind("qemu-x86_64")
    if shutil.which("valgrind"):
        found["valgrind"] = behind("valgrind", "--tool=none", "-q")
    found["lbr"] = lambda command: run_machine(command, record=True)
    found["no lbr"] = lambda command: run_machine(command, record=False)
    return found


def peak_resident(command: Sequence[str]) -> int:
    """Bytes that a command had resident at most, looked at every millisecond.

    Not from getrusage(): there a child starts with what its parent had at fork().
    """
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]) * 1024)
            time.sleep(0.001)
    return peak


def measure(name: str, command: Sequence[str], executable: Path, repeat: int) -> Measured:
    """One program on all engines; all must print the same."""
    machine = lastbranch.Machine(command, stdout=lastbranch.CAPTURE)
    machine.run()
    expected = machine.stdout
    measured = Measured(
        name=name,
        instructions=machine.instructions,
        touched=machine.resident_bytes,
        resident=peak_resident([str(executable), "run", "--", *command]) if executable.exists() else 0,
        times={},
    )
    found = engines(executable)
    # On, off, off, on: what changes slowly on the machine falls on both alike.
    order = [*found, "no lbr", "lbr"]
    for _ in range(repeat):
        for engine in order:
            output, cpu, wall = found[engine](command)
            if output != expected:
                sys.exit(f"workloads: {name}: printed {output!r} on {engine}, {expected!r} simulated")
            measured.times.setdefault(engine, Times()).add(cpu, wall)
    return measured


def start_to_exit(executable: Path, repeat: int) -> Times | None:
    """`lastbranch run -- busybox true`."""
    if shutil.which("busybox") is None or not executable.exists():
        return None
    times = Times()
    for _ in range(repeat * 4):
        _, cpu, wall = run_process([str(executable), "run", "--", "busybox", "true"])
        times.add(cpu, wall)
    return times


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def lbr_cost(programs: Sequence[Measured]) -> float:
    return geometric_mean([1 + p.lbr_cost() for p in programs]) - 1


def print_table(programs: Sequence[Measured], true: Times | None) -> None:
    names = sorted(programs[0].times, key=COLUMNS.index)
    print("simulated or executed instructions, millions per second of CPU time (MIPS):")
    print(f"{'':10}{'Minsn':>8}" + "".join(f"{n:>11}" for n in names) + f"{'LBR cost':>10}{'memory':>10}")
    for p in programs:
        cells = "".join(f"{p.mips(n):11.0f}" for n in names)
        extra = f"+{(p.resident - p.touched) / MIB:.0f} MiB" if p.resident else ""
        print(f"{p.name:10}{p.instructions / 1e6:8.1f}{cells}{p.lbr_cost():10.1%}{extra:>10}")
    means = "".join(f"{geometric_mean([p.mips(n) for p in programs]):11.0f}" for n in names)
    print(f"{'geo. mean':18}{means}{lbr_cost(programs):10.1%}")
    print()
    print("lbr, no lbr: a machine in this process that counts four events, with and without LBRs")
    print("record -b:   build/lastbranch record -b, start to exit; native, qemu and valgrind likewise")
    print("memory:      resident at most, beyond what the program touched")
    if true is not None:
        best, median = min(true.wall) * 1e3, statistics.median(true.wall) * 1e3
        print(f"busybox true, start to exit: {best:.1f} ms at best, median {median:.1f} ms")


def to_json(programs: Sequence[Measured], true: Times | None) -> str:
    rows = []
    for p in programs:
        times = {engine: t.summary() | {"mips": p.mips(engine)} for engine, t in p.times.items()}
        rows.append(asdict(p) | {"times": times, "lbr_cost": p.lbr_cost()})
    means = {n: geometric_mean([p.mips(n) for p in programs]) for n in programs[0].times}
    return json.dumps(
        {
            "programs": rows,
            "geometric_mean_mips": means,
            "lbr_cost": lbr_cost(programs),
            "busybox_true": None if true is None else true.summary(),
        },
        indent=2,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated speed of whole programs.")
    parser.add_argument("folder", type=Path, help="where the workloads are")
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, metavar="NAME", help="only these")
    parser.add_argument("--millions", type=int, default=50, help="instructions of each, in millions")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each")
    parser.add_argument("--lastbranch", type=Path, default=BUILT, help="the command line's executable")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    programs = []
    for name in options.programs:
        program = options.folder / name
        if not program.exists():
            sys.exit(f"workloads: {program}: expected a built workload, found nothing")
        print(f"workloads: {name}", file=sys.stderr)
        programs.append(
            measure(name, [str(program), str(options.millions)], options.lastbranch, options.repeat)
        )
    true = start_to_exit(options.lastbranch, options.repeat)
    if options.json:
        print(to_json(programs, true))
    else:
        print_table(programs, true)


if __name__ == "__main__":
    main()
