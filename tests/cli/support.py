"""Runs the lastbranch binary, and the tools that its output is compared with."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LASTBRANCH_BIN", ROOT / "build" / "lastbranch"))
TIMEOUT = 300
# What a program executes depends on its environment; pytest's changes with every test.
ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def lastbranch(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs `lastbranch ARGUMENTS` to its end; standard input is empty unless `input` or `stdin` is given."""
    options.setdefault("env", ENVIRONMENT)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([BINARY, *arguments], capture_output=True, timeout=TIMEOUT, check=False, **options)


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Starts `lastbranch ARGUMENTS` so that Ctrl-C reaches it, also when our own caller ignores it."""
    return subprocess.Popen(
        [BINARY, *arguments],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=ENVIRONMENT,
        **options,
    )


def succeed(*command: str | Path, **options: Any) -> bytes:
    """Standard output of another program, which must succeed."""
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr.decode(errors='replace')}"
    out: bytes = done.stdout
    return out


def tool(*names: str) -> str:
    """The path of the first of these programs that is there; skips the test when none is."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    pytest.skip(f"{' or '.join(names)} is not installed")


def busybox() -> str:
    return tool("busybox")


def compile_c(source: str, output: Path, options: Sequence[str] = ("-O1",)) -> Path:
    """Compiles a C program with the host's compiler."""
    file = output.with_suffix(".c")
    file.write_text(source)
    succeed(tool("gcc"), *options, "-o", output, file)
    return output


def words(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a run said on standard error."""
    return done.stderr.decode(errors="replace")
