"""Ctrl-C: what there is so far is kept and valid; a second one ends at once and leaves no file."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import BINARY, busybox, lastbranch, start, succeed, tool

FOREVER = ["awk", "BEGIN { while (1) ++i }"]
PIPES: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


@pytest.mark.parametrize("delay", [0.05, 0.3, 1.0])
def test_recording_stops_with_a_valid_file(delay: float, tmp_path: Path) -> None:
    data = tmp_path / "p.data"
    run = start("record", "-b", "-c", "100003", "-o", data, "--", busybox(), *FOREVER, **PIPES)
    time.sleep(delay)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert out == b""
    if run.returncode == -signal.SIGINT:
        assert not data.exists(), "before anything was set up"
        return
    assert run.returncode == 130
    stopped, wrote = err.decode().splitlines()
    assert stopped == "lastbranch: stopped by signal 2 (Interrupt)"
    assert wrote.startswith(f"lastbranch: {data}: ")
    assert [p.name for p in tmp_path.iterdir()] == ["p.data"]
    text = succeed(tool("perf"), "script", "-F", "ip,brstack", "-i", data)
    assert text == lastbranch("script", "-F", "ip,brstack", "-i", data).stdout
    if delay >= 1:
        assert text.count(b"\n") > 10


def test_other_signals_stop_too(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        run = start("stat", "-x,", "-e", "instructions:u", "--", busybox(), *FOREVER, **PIPES)
        time.sleep(0.5)
        run.send_signal(number)
        _, err = run.communicate(timeout=20)
        assert run.returncode == 128 + number
        stopped, counted = err.decode().splitlines()
        assert stopped.startswith(f"lastbranch: stopped by signal {int(number)} ")
        assert int(counted.split(",")[0]) > 100_000


def test_a_program_that_waits_for_input_can_be_stopped(tmp_path: Path) -> None:
    data = tmp_path / "p.data"
    waits = {**PIPES, "stdin": subprocess.PIPE}
    with start("record", "-b", "-o", data, "--", busybox(), "cat", **waits) as run:
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=20) == 130
    succeed(tool("perf"), "script", "-F", "ip,brstack", "-i", data)


def test_the_second_interrupt_ends_at_once_without_a_file(tmp_path: Path) -> None:
    data = tmp_path / "p.data"
    run = start("record", "-b", "-c", "100003", "-o", data, "--", busybox(), *FOREVER, **PIPES)
    time.sleep(0.5)
    for _ in range(50):
        run.send_signal(signal.SIGINT)
    run.communicate(timeout=20)
    assert run.returncode in (130, -signal.SIGINT)
    assert {p.name for p in tmp_path.iterdir()} <= {"p.data"}
    if data.exists():
        succeed(tool("perf"), "script", "-F", "ip,brstack", "-i", data)


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path) -> None:
    program = [busybox(), "awk", "BEGIN { for (i = 0; i < 500000; ++i) s += i; print s }"]
    run = subprocess.Popen(
        ["bash", "-c", 'trap "" INT; exec "$@"', "bash", str(BINARY), "run", *program], **PIPES
    )
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (0, b"124999750000\n", b"")
