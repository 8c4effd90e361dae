"""Ctrl-C: KeyboardInterrupt soon, and what was recorded is kept."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import lastbranch
import pytest

PROMPT_SECONDS = 2.0  # on a loaded machine; it is a tenth of that on an idle one


def interrupt(code: str, after: float = 1.0) -> tuple[int, str, float]:
    """Runs Python, sends SIGINT when it has said "ready"; status, the rest of its output, seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        took = time.monotonic() - sent
        return process.returncode, process.stdout.read(), took


CATCH = """
import lastbranch
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    "call",
    [
        'lastbranch.run([{busybox!r}, "sh", "-c", "while :; do :; done"])',
        'lastbranch.run([{busybox!r}, "yes"], stdout=lastbranch.DEVNULL)',
        'lastbranch.run([{busybox!r}, "cat"])',  # waits for input that never comes
    ],
    ids=["computing", "calling", "waiting"],
)
def test_ctrl_c_ends_a_run(busybox: str, call: str) -> None:
    status, output, took = interrupt(CATCH.format(call=call.format(busybox=busybox)))

    assert (status, output) == (0, "interrupted\n")
    assert took < PROMPT_SECONDS


def test_ctrl_c_leaves_a_valid_file(busybox: str, tmp_path: Path) -> None:
    data = tmp_path / "perf.data"
    call = (
        f'lastbranch.record([{busybox!r}, "sh", "-c", "while :; do :; done"], period=100_003,'
        f" output={str(data)!r})"
    )

    status, output, took = interrupt(CATCH.format(call=call))

    assert (status, output) == (0, "interrupted\n")
    assert took < PROMPT_SECONDS
    assert data.read_bytes().startswith(b"PERFILE2")
    assert [p.name for p in tmp_path.iterdir()] == ["perf.data"]
    command_line = Path(__file__).resolve().parents[2] / "build" / "lastbranch"
    if command_line.exists():
        script = [str(command_line), "script", "-i", str(data), "-F", "ip"]
        assert len(subprocess.run(script, capture_output=True, check=True).stdout.splitlines()) > 100


def test_a_handler_that_returns_lets_the_run_go_on(busybox: str) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        machine = lastbranch.Machine([busybox, "sh", "-c", "while :; do :; done"])
        outcome = machine.run(60_000_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert seen == [signal.SIGALRM]
    assert outcome.how == "limit"
    assert machine.instructions == 60_000_000


def test_a_machine_goes_on_after_an_interrupt(busybox: str) -> None:
    machine = lastbranch.Machine([busybox, "sh", "-c", "while :; do :; done"])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            machine.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    stopped_at = machine.instructions

    assert machine.run(1000).how == "limit"
    assert machine.instructions == stopped_at + 1000
