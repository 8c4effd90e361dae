"""Real programs print byte for byte what they print natively, and exit with the same status.

The oracle is the host's own run of the same file. Tiers are those of dynamic instruction counts: smoke
up to 0.6 million, unit 1-10 million, regression 10-70 million. A program that is not installed is skipped,
except in CI.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess

import pytest

LOOP = 'i=0; while [ $i -lt {n} ]; do i=$((i+1)); case $i in *7) x="$x$i";; esac; done; echo ${{#x}} $i'
AWK = 'BEGIN { for (i = 0; i < %d; i++) { a[i %% 100] += i * 3; s = s + length(i "") } print s, a[7] }'


@dataclasses.dataclass(frozen=True)
class Program:
    """One row: `argv[0]` is looked up on the PATH, {text} and the like are files of the scratch folder."""

    name: str
    argv: tuple[str, ...]
    status: int = 0
    stdin: str | None = None
    tier: str = "unit"


PROGRAMS = [
    Program("busybox-echo", ("busybox", "echo", "hello", "world"), tier="smoke"),
    Program("busybox-false", ("busybox", "false"), status=1, tier="smoke"),
    Program("busybox-sha256sum", ("busybox", "sha256sum", "{text}")),
    Program("busybox-gzip", ("busybox", "gzip", "-c", "{text}")),
    Program("busybox-sort", ("busybox", "sort", "{text}")),
    Program("busybox-awk", ("busybox", "awk", AWK % 20000), tier="regression"),
    Program("bash-static-loop", ("bash-static", "-c", LOOP.format(n=2000)), tier="regression"),
    Program("sash-echo", ("sash", "-c", "-echo hello"), tier="smoke"),
    Program("true", ("/bin/true",), tier="smoke"),
    Program("false", ("/bin/false",), status=1, tier="smoke"),
    Program("ls", ("/bin/ls", "/"), tier="smoke"),
    Program("ls-missing", ("/bin/ls", "/no/such/file"), status=2, tier="smoke"),
    Program("sort", ("/usr/bin/sort", "{text}")),
    Program("sort-numbers", ("/usr/bin/sort", "-k2,2n", "-r"), stdin="{text}"),
    Program("sha256sum", ("/usr/bin/sha256sum", "{text}")),
    Program("factor", ("/usr/bin/factor", "18446744073709551557", "1234567890123456789"), tier="smoke"),
    Program("grep", ("/bin/grep", "-c", "fox[0-9]*5", "{text}")),
    Program("grep-none", ("/bin/grep", "-c", "zebra", "{text}"), status=1),
    Program("sed", ("/bin/sed", "s/fox\\([0-9]*\\)/<\\1>/g", "{text}")),
    Program("gzip", ("/bin/gzip", "-c", "{text}")),
    Program("bzip2", ("bzip2", "-c", "{text}"), tier="regression"),
    Program("xz", ("xz", "-1c", "-T1", "{text}"), tier="regression"),
    Program("dash-loop", ("dash", "-c", LOOP.format(n=4000)), tier="regression"),
    Program("mawk", ("mawk", AWK % 5000)),
    Program("original-awk", ("original-awk", AWK % 4000), tier="regression"),
    Program("bc", ("bc", "-q"), stdin="2^2000\nscale=50; 4*a(1)\n"),
    Program("jq", ("jq", "-n", "[range(3000)] | map(. * 3 + 1) | add"), tier="regression"),
    Program("lua", ("lua5.4", "{fib.lua}")),
    Program("luajit-interpreter", ("luajit", "-joff", "{fib.lua}")),
    Program("luajit-jit", ("luajit", "{fib.lua}")),
    Program(
        "python",
        ("/usr/bin/python3", "-S", "-I", "-c", "print(sum(i * i for i in range(20000)))"),
        tier="regression",
    ),
    Program(
        "perl",
        ("/usr/bin/perl", "-e", '$s += $_ * 3 for 1..100000; printf "%d %.6f\\n", $s, sqrt($s)'),
        tier="regression",
    ),
    Program(
        "sqlite3",
        (
            "sqlite3",
            ":memory:",
            "create table t(a,b); insert into t values(1,2),(3,4); "
            "with recursive c(x) as (select 1 union all select x+1 from c where x<3000) "
            "select sum(x), avg(x), max(b) from c, t;",
        ),
    ),
    Program("duktape", ("duk", "{fib.js}")),
    Program("mujs", ("mujs", "{fib.js}")),
    Program("nasm", ("nasm", "-f", "elf64", "-o", "/dev/stdout", "{t.asm}"), tier="regression"),
    # Not to /dev/null: it would be replaced by a file when root runs this.
    Program("tcc", ("tcc", "-c", "-o", "tcc.o", "{t.c}")),
    Program("tcc-run", ("tcc", "-run", "{t.c}")),
    Program("zsh-static-loop", ("zsh-static", "-f", "-c", LOOP.format(n=2000)), tier="regression"),
    Program("mksh-klibc-loop", ("/usr/lib/klibc/bin/mksh", "-c", LOOP.format(n=3000)), tier="regression"),
    Program(
        "mksh-musl-loop",
        ("/usr/lib/x86_64-linux-musl/bin/mksh", "-c", LOOP.format(n=3000)),
        tier="regression",
    ),
    # Finds gettimeofday by the vDSO's section headers, and calls it whether it found it or not.
    Program("mksh-dietlibc-loop", ("/usr/lib/diet/bin/mksh", "-c", LOOP.format(n=3000)), tier="regression"),
    Program("mksh-loop", ("/bin/mksh", "-c", LOOP.format(n=3000)), tier="regression"),
    Program("lksh-loop", ("/bin/lksh", "-c", LOOP.format(n=3000)), tier="regression"),
    Program(
        "cc1",
        (
            "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
            "-quiet",
            "-imultiarch",
            "x86_64-linux-gnu",
            "-O0",
            "-o",
            "/dev/stdout",
            "{t.c}",
        ),
        tier="regression",
    ),
]


def native_environment() -> dict[str, str]:
    """The same few variables for both runs, so that the environment is no difference."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C", "LC_ALL": "C", "HOME": "/", "TZ": "UTC"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_program_prints_what_it_prints_natively(
    program: Program, lastbranch: str, scratch: pathlib.Path
) -> None:
    executable = shutil.which(program.argv[0], path="/usr/local/bin:/usr/bin:/bin")
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program.argv[0]} is not installed, and CI installs everything")
        pytest.skip(f"{program.argv[0]} is not installed")

    def fill(word: str) -> str:
        for file in scratch.iterdir():
            word = word.replace("{" + file.name + "}", str(file))
        return word

    argv = [executable, *map(fill, program.argv[1:])]
    stdin = None if program.stdin is None else fill(program.stdin)
    if stdin is not None and pathlib.Path(stdin).is_file():
        stdin = pathlib.Path(stdin).read_text()

    def run(command: list[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            input=(stdin or "").encode(),
            capture_output=True,
            env=native_environment(),
            cwd=scratch,
            timeout=timeout,
            check=False,
        )

    native = run(argv, 60)
    simulated = run([lastbranch, "run", "--", *argv], 240)

    assert native.returncode == program.status, native.stderr
    assert (simulated.returncode, simulated.stdout) == (native.returncode, native.stdout), simulated.stderr[
        -2000:
    ]


@pytest.mark.parametrize("name", ["branchy", "interp", "chase", "matmul", "recurse", "hashstr", "sha256"])
def test_workload_prints_its_native_checksum(
    name: str, lastbranch: str, shared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    subprocess.run(
        ["make", "-s", "-C", str(shared / "workloads" / "src"), f"OUT={tmp_path}", f"{tmp_path}/{name}"],
        check=True,
    )
    native = subprocess.run([str(tmp_path / name), "50"], capture_output=True, check=True)
    simulated = subprocess.run(
        [lastbranch, "run", "--", str(tmp_path / name), "50"], capture_output=True, check=False
    )

    assert native.stdout.startswith(name.encode() + b" 50 ")
    assert (simulated.returncode, simulated.stdout) == (0, native.stdout), simulated.stderr[-2000:]
