"""Programs that die of what they do, or want what is not modelled: the status of their signal, one line."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.support import busybox, compile_c, lastbranch, words

AVX = r"""
#include <signal.h>
#include <unistd.h>
static void handler(int s) { (void)s; write(1, "handled\n", 8); _exit(3); }
__asm__(".globl use_avx\n.type use_avx, @function\nuse_avx:\n nop\n vaddps %ymm0, %ymm1, %ymm2\n ret\n"
        ".size use_avx, .-use_avx");
void use_avx(void);
int main(int argc, char** argv) {
  (void)argv;
  if (argc > 1) signal(SIGILL, handler);
  use_avx();
  return 0;
}
"""

WILD = r"""
#include <stdio.h>
__attribute__((noinline)) void poke(volatile int* where) { *where = 1; }
int main(void) {
  puts("before");
  fflush(stdout);
  poke((volatile int*)0x1234);
  return 0;
}
"""

UNKNOWN_CALL = r"""
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(void) {
  for (int i = 0; i < 3; ++i) {
    long r = syscall(999);
    printf("%ld %d\n", r, errno);
  }
  return 0;
}
"""

LINKS = pytest.mark.parametrize("link", ["-static", "-pie"])


@LINKS
def test_an_unsupported_instruction_is_named(link: str, tmp_path: Path) -> None:
    program = compile_c(AVX, tmp_path / "avx", ["-fPIE", link])
    done = lastbranch("run", "--", program)
    assert (done.returncode, done.stdout) == (132, b"")
    line = words(done)
    assert line.count("\n") == 1
    for fragment in ("c5 f4 58 d0", "vaddps", "AVX", "use_avx+0x1 ("):
        assert fragment in line, line
    assert re.search(r"0x[0-9a-f]{6,}", line)


def test_a_program_that_handles_sigill_gets_it(tmp_path: Path) -> None:
    program = compile_c(AVX, tmp_path / "avx", ["-static"])
    done = lastbranch("run", "--", program, "handle")
    assert (done.returncode, done.stdout) == (3, b"handled\n")
    assert "vaddps" in words(done), "named all the same: the run is not what a real core would do"


@LINKS
@pytest.mark.parametrize(
    "command", [["run"], ["stat", "-o", "s"], ["record", "-q", "-b", "-o", "p.data"]], ids=" ".join
)
def test_a_wild_access_kills_as_sigsegv_does(command: list[str], link: str, tmp_path: Path) -> None:
    program = compile_c(WILD, tmp_path / "wild", ["-O1", "-fPIE", link])
    done = lastbranch(*command, "--", program, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (139, b"before\n")
    line = words(done)
    assert line.count("\n") == 1
    for fragment in ("SIGSEGV", "0x1234", "poke+0x"):
        assert fragment in line, line


def test_a_crash_in_a_library_names_the_librarys_function(tmp_path: Path) -> None:
    source = "#include <string.h>\nint main(int c, char** v) { (void)v; return (int)strlen((char*)(long)c); }"
    program = compile_c(source, tmp_path / "crash", ["-O0", "-fno-builtin"])
    done = lastbranch("run", "--", program)
    assert done.returncode == 139
    assert "libc.so.6" in words(done)


def test_an_unknown_system_call_fails_and_is_named_once(tmp_path: Path) -> None:
    program = compile_c(UNKNOWN_CALL, tmp_path / "unknown")
    done = lastbranch("run", "--", program)
    assert (done.returncode, done.stdout) == (0, b"-1 38\n" * 3)
    line = words(done)
    assert line.count("\n") == 1
    for fragment in ("999", "3 times", "Function not implemented"):
        assert fragment in line, line


def test_a_call_for_later_fails_and_is_named() -> None:
    done = lastbranch("run", "--", busybox(), "sh", "-c", "busybox true & wait")
    assert done.returncode != 0
    assert re.search(r"^lastbranch: .*\b(fork|clone|vfork)\b", words(done), re.MULTILINE), words(done)


def test_abort_and_raised_signals_give_their_status(tmp_path: Path) -> None:
    for name, number in (("SIGABRT", 6), ("SIGTERM", 15), ("SIGFPE", 8)):
        source = f"#include <signal.h>\nint main(void) {{ raise({name}); return 0; }}"
        done = lastbranch("run", "--", compile_c(source, tmp_path / name.lower()))
        assert done.returncode == 128 + number
        assert name in words(done)


@pytest.mark.parametrize("how", ["push %0; ret", "jmp *%0", "call *%0"])
def test_a_jump_to_the_edges_of_addresses_kills_as_it_does_on_a_host(how: str, tmp_path: Path) -> None:
    targets = (-1, 0, 1, 0x7FFFFFFFFFFF, -(1 << 47), 1 << 47, 1 << 63)
    code = how.replace("%0", "%%rax")
    cases = "".join(
        f"case {n}: to = {target & (1 << 64) - 1:#x}ull; break;\n" for n, target in enumerate(targets)
    )
    source = f"""
#include <stdlib.h>
int main(int argc, char** argv) {{
  unsigned long to = 0;
  switch (atoi(argv[argc - 1])) {{ {cases} }}
  __asm__ volatile("{code}" : : "a"(to));
  return 0;
}}
"""
    program = compile_c(source, tmp_path / "edges")
    for n, target in enumerate(targets):
        done = lastbranch("run", "--", program, str(n))
        native = subprocess.run([program, str(n)], check=False)
        assert native.returncode < 0
        assert done.returncode == 128 - native.returncode, (hex(target), words(done))
