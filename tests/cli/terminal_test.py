"""On a terminal a long run shows how far it is; off a terminal it says nothing."""

import itertools
import os
import pty
import re
import subprocess

from tests.cli.support import BINARY, busybox, lastbranch

# About two seconds.
LONG = ["--max-instructions", "400000000", "--", busybox(), "awk", "BEGIN { while (1) ++i }"]


def on_a_terminal(*arguments: str) -> tuple[int, bytes]:
    """Exit status and what standard error showed on a pseudo-terminal."""
    leader, follower = pty.openpty()
    run = subprocess.Popen(
        [BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=follower
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # EIO: the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    return run.wait(timeout=60), shown


def test_a_long_run_shows_its_progress_and_clears_it() -> None:
    status, shown = on_a_terminal("run", *LONG)
    assert status == 0
    clear = b"\r\x1b[K"
    nothing, *lines, last = shown.split(clear)
    assert nothing == b""
    assert lines, shown
    for line in lines:
        assert re.fullmatch(rb"\d+\.\d M instructions, \d+ MIPS, \d+\.\d s", line), line
    seconds = [float(line.split()[-2]) for line in lines]
    assert all(later - earlier >= 0.4 for earlier, later in itertools.pairwise(seconds))
    assert last == b"lastbranch: stopped after 400000000 instructions, as --max-instructions says\r\n"


def test_a_short_run_shows_nothing() -> None:
    assert on_a_terminal("run", "--", busybox(), "true") == (0, b"")


def test_off_a_terminal_nothing_is_shown() -> None:
    done = lastbranch("run", *LONG)
    assert done.stderr == b"lastbranch: stopped after 400000000 instructions, as --max-instructions says\n"
