"""What optimisers make of our recordings: llvm-profgen, perf2bolt and create_llvm_prof as black boxes.

They need more of a program than Debian's busybox has (symbols, debug information up to DWARF 4,
relocations), so each gets one compiled to its taste.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.support import compile_c, lastbranch, tool, words

# Loops, calls through pointers, a switch and recursion, over enough work for thousands of samples.
WORK = r"""
#include <stdint.h>
#define KEEP __attribute__((noinline))
static uint32_t state = 1;
KEEP static uint32_t next(void) { return state = state * 1664525u + 1013904223u; }
KEEP static uint32_t odd(uint32_t x) { return x * 3 + 1; }
KEEP static uint32_t even(uint32_t x) { return x / 2; }
KEEP static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
KEEP static uint32_t pick(uint32_t x) {
  switch (x % 7) {
    case 0: return x + 11;
    case 1: return x ^ 0x55;
    case 2: return x << 3;
    case 3: return x - 9;
    case 4: return ~x;
    case 5: return x | 0x10;
    default: return x & 0xff;
  }
}
int main(void) {
  static uint32_t (*const step[2])(uint32_t) = {even, odd};
  uint32_t sum = 0;
  for (int i = 0; i < 60000; ++i) {
    uint32_t x = next() >> 8;
    for (int k = 0; k < 5; ++k) x = step[x & 1](x);
    sum += pick(x);
  }
  return (sum ^ (uint32_t)fib(18)) == 0;
}
#ifdef FREESTANDING
__attribute__((naked, noreturn)) void _start(void) {
  __asm__("and $-16, %rsp\n call main\n mov %eax, %edi\n mov $231, %eax\n syscall");
}
#endif
"""

LINKS = pytest.mark.parametrize("link", ["-static", "-no-pie", "-pie"])
FUNCTIONS = ("main", "next", "odd", "even", "pick", "fib")


def record(program: list[str | Path], cwd: Path) -> Path:
    done = lastbranch("record", "-b", "-c", "10007", "-o", "p.data", "--", *program, cwd=cwd)
    assert done.returncode == 0, words(done)
    return cwd / "p.data"


def compiled(tmp_path: Path, link: str, *options: str) -> Path:
    flags = ["-O1", "-gdwarf-4", "-Wl,--build-id", "-fPIE" if link == "-pie" else "-fno-pie", link, *options]
    return compile_c(WORK, tmp_path / "work", flags)


def run_tool(*command: str | Path) -> str:
    """All that a tool says; it must succeed."""
    done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, f"{command}\n{said}"
    return said


def profgen_says(program: Path, tmp_path: Path) -> str:
    """Records `program`, has llvm-profgen make a profile, checks that, and returns what it said."""
    profgen = tool("llvm-profgen-19")
    tool("perf")
    data = record([program], tmp_path)
    profile = tmp_path / "work.prof"
    options = [f"--perfdata={data}", f"--binary={program}", f"--output={profile}", "--format=text"]
    said = run_tool(profgen, *options)
    text = profile.read_text()
    for function in FUNCTIONS:
        header = re.search(rf"^{function}:(\d+):(\d+)$", text, re.MULTILINE)
        assert header, f"{function} in\n{text}"
        assert int(header[1]) > 0
    return said


def test_llvm_profgen_writes_a_profile_without_warnings(tmp_path: Path) -> None:
    program = compiled(tmp_path, "-static", "-nostdlib", "-DFREESTANDING", "-Wl,-e,_start")
    assert profgen_says(program, tmp_path) == ""


@LINKS
def test_llvm_profgen_warns_of_nothing_but_the_c_library(link: str, tmp_path: Path) -> None:
    # Start-up code, PLT and libc's assembly have no functions in the debug information.
    known = r"warning: (\d\.\d+)%\(\d+/\d+\) of samples are from ranges that do not belong to any functions\."
    said = re.fullmatch(f"({known}\n)?", profgen_says(compiled(tmp_path, link), tmp_path))
    assert said
    assert float(said[2] or 0) < 2


@LINKS
def test_perf2bolt_finds_no_mismatching_traces(link: str, tmp_path: Path) -> None:
    # The driver goes by the name it is called with: the unversioned one.
    perf2bolt = tool("/usr/lib/llvm-19/bin/perf2bolt")
    tool("perf")
    program = compiled(tmp_path, link, "-Wl,--emit-relocs")
    data = record([program], tmp_path)

    profile = tmp_path / "work.fdata"
    said = run_tool(perf2bolt, "-p", data, "-o", profile, program)
    assert "matched build-id" in said, said
    assert "traces mismatching disassembled function contents: 0 " in said, said
    assert profile.read_text().count("\n") > 20


@LINKS
def test_create_llvm_prof_writes_a_profile(link: str, tmp_path: Path) -> None:
    create = tool("create_llvm_prof")
    program = compiled(tmp_path, link)
    data = record([program], tmp_path)

    profile = tmp_path / "work.afdo"
    run_tool(create, f"--binary={program}", f"--profile={data}", f"--out={profile}", "--format=text")
    text = profile.read_text()
    for function in FUNCTIONS:
        assert re.search(rf"^{function}:\d+:\d+$", text, re.MULTILINE), text
