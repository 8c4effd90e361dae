"""Every record of every stack against an independent disassembly of the programs that were recorded.

Between the target of one record and the source of the next newer one nothing else was taken, so walking
the code from one to the other must meet no branch that is always taken.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.cli.support import busybox, compile_c, lastbranch, succeed, tool, words
from tests.tools.disassembly import Process

# Every kind of near branch there is, also those that compilers seldom use.
KINDS = r"""
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#define KEEP __attribute__((noinline))
static unsigned sum;
static jmp_buf back;
KEEP static int tail(int x) { return abs(x) + 1; }
KEEP static int calls_tail(int x) { return tail(x ^ 21); }
KEEP static int add(int x) { return x + 1; }
KEEP static int sub(int x) { return x - 1; }
KEEP static int choose(int x) {
  switch (x % 8) {
    case 0: return x + 11;
    case 1: return x * 7;
    case 2: return x ^ 3;
    case 3: return x - 9;
    case 4: return ~x;
    case 5: return x | 16;
    case 6: return x & 5;
    default: return 2;
  }
}
KEEP static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
KEEP static void jump_out(int x) { if (x % 5 == 0) longjmp(back, 1); }
KEEP static void rare(long n) {
  long count = n % 5 + 1, zero = n % 3;
  __asm__ volatile("1: add $1, %0\n loop 1b" : "+r"(sum), "+c"(count));
  __asm__ volatile("jrcxz 1f\n add $2, %0\n 1:" : "+r"(sum), "+c"(zero));
  __asm__ volatile("lea 1f(%%rip), %%rax\n push %%rax\n ret\n 1:" ::: "rax", "memory");
  __asm__ volatile("lea 1f(%%rip), %%rax\n jmp *%%rax\n 1:" ::: "rax");
  __asm__ volatile("push $7\n push $8\n call 2f\n jmp 3f\n 2: nop\n ret $16\n 3:" ::: "memory");
  __asm__ volatile("call 2f\n jmp 3f\n 2: rep ret\n 3:" ::: "memory");
}
int main(void) {
  static int (*const step[2])(int) = {add, sub};
  for (volatile int i = 0; i < 1500; ++i) {
    sum += (unsigned)step[i & 1](i) + (unsigned)choose(i * 5) + (unsigned)calls_tail(-i);
    if (setjmp(back) == 0) jump_out(i);
    rare(i);
  }
  printf("%u %d\n", sum, fib(12));
  return 0;
}
"""
# All its time is spent on asking for the time.
CLOCKS = r"""
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
int main(void) {
  struct timespec now;
  struct timeval of_day;
  long sum = 0;
  for (int i = 0; i < 3000; ++i) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    gettimeofday(&of_day, NULL);
    sum += now.tv_sec + of_day.tv_sec + time(NULL);
  }
  printf("%d\n", sum > 0);
  return 0;
}
"""
KERNEL = 1 << 63
VDSO = 0x7FFFF7FFF000  # sim/user/layout.h


def stacks(script: str) -> list[tuple[int, list[tuple[int, int]]]]:
    """(IP, [(from, to)] newest first) of every sample."""
    found = []
    for line in script.splitlines():
        ip, *entries = line.split()
        if "PERF_RECORD" in line:
            continue
        pairs = [entry.split("/")[:2] for entry in entries]
        found.append((int(ip, 16), [(int(a, 16), int(b, 16)) for a, b in pairs]))
    return found


def walk(process: Process, start: int, end: int) -> None:
    """Straight-line execution from `start` reaches `end`."""
    at = start
    while at < end:
        instruction, _ = process.at(at)
        assert not instruction.unconditional, f"{at:#x} is taken always, between {start:#x} and {end:#x}"
        at += instruction.length
    assert at == end, f"from {start:#x} execution passes over {end:#x}"


def check_stack(process: Process, ip: int, stack: list[tuple[int, int]], kinds: Counter[str]) -> None:
    end = ip
    for source, target in stack:
        walk(process, target, end)
        if source >= KERNEL:
            # SYSRET, to behind a SYSCALL: that is where the older record's code ran to.
            kinds["kernel"] += 1
            before, _ = process.at(target - 2)
            assert before.kind == "syscall"
            end = target - 2
            continue
        kinds["vdso"] += VDSO <= source < VDSO + 4096
        branch, bias = process.at(source)
        assert branch.kind in {"cond", "jmp", "call", "ret"}, f"{source:#x} is no branch"
        if branch.target is not None:
            assert target == branch.target + bias, f"{source:#x}"
        kinds[
            branch.kind if branch.target is not None or branch.kind == "ret" else f"indirect {branch.kind}"
        ] += 1
        end = source


def check_recording(options: list[str], program: list[str | Path], cwd: Path) -> Counter[str]:
    """Checks every record; returns how many of each kind there were."""
    done = lastbranch("record", "-b", *options, "-o", "p.data", "--", *program, cwd=cwd)
    assert done.returncode == 0, words(done)
    script = succeed(
        *(tool("perf"), "script", "--show-mmap-events", "-F", "ip,brstack", "-i", cwd / "p.data")
    ).decode()
    process = Process(script)
    kinds: Counter[str] = Counter()
    for ip, stack in stacks(script):
        check_stack(process, ip, stack, kinds)
    return kinds


MODES = pytest.mark.parametrize("mode", [[], ["--raw-lbr"]], ids=["filtered", "raw"])


@MODES
def test_static_busybox(mode: list[str], tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"some words to compress, some of them again and again\n" * 400)
    for applet, period in ((["sha256sum"], "1009"), (["gzip", "-c"], "4001"), (["sort"], "2003")):
        kinds = check_recording(["-c", period, *mode], [busybox(), *applet, "text"], tmp_path)
        assert kinds.total() > 5_000
        assert bool(kinds["kernel"]) == bool(mode)
        assert min(kinds[kind] for kind in ("cond", "call", "ret")) > 0, kinds


@MODES
def test_dynamic_program(mode: list[str], tmp_path: Path) -> None:
    kinds = check_recording(["-c", "211", *mode], [tool("ls"), "-a", "/etc"], tmp_path)
    assert kinds.total() > 10_000
    assert kinds["indirect jmp"] > 100, "calls through the PLT"
    assert bool(kinds["kernel"]) == bool(mode)


@MODES
@pytest.mark.parametrize("link", ["-static", "-pie"])
def test_program_with_every_kind_of_branch(link: str, mode: list[str], tmp_path: Path) -> None:
    program = compile_c(KINDS, tmp_path / "kinds", ["-O1", "-fPIE" if link == "-pie" else "-fno-pie", link])
    kinds = check_recording(["-c", "101", *mode], [program], tmp_path)
    assert kinds.total() > 20_000
    for kind in ("cond", "jmp", "indirect jmp", "call", "indirect call", "ret"):
        assert kinds[kind] > 100, kinds


@MODES
@pytest.mark.parametrize("link", ["-static", "-no-pie", "-pie"])
def test_program_that_calls_the_vdso(link: str, mode: list[str], tmp_path: Path) -> None:
    program = compile_c(CLOCKS, tmp_path / "clocks", ["-O1", "-fPIE" if link == "-pie" else "-fno-pie", link])
    kinds = check_recording(["-c", "211", *mode], [program], tmp_path)
    assert kinds["vdso"] > 1_000, "returns from its functions"
    assert bool(kinds["kernel"]) == bool(mode)
