"""The program's own input, output, arguments, environment and exit status pass through untouched."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.support import BINARY, ENVIRONMENT, busybox, lastbranch, succeed, tool, words

COMMANDS = (("run",), ("stat", "-o", "stat.txt"), ("record", "-q", "-o", "p.data"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_streams_and_status_pass_through(command: tuple[str, ...], tmp_path: Path) -> None:
    data = bytes(range(256)) * 400

    done = lastbranch(*command, "--", busybox(), "cat", input=data, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")

    program = [busybox(), "sh", "-c", "echo out; echo err >&2; exit 37"]
    done = lastbranch(*command, "--", *program, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (37, b"out\n", b"err\n")


def test_options_after_the_program_are_the_programs(tmp_path: Path) -> None:
    done = lastbranch("run", busybox(), "echo", "-n", "--uarch", "--", "-x")
    assert (done.returncode, done.stdout) == (0, b"--uarch -- -x")


def test_environment_passes_through_and_can_be_changed() -> None:
    environment = {"PATH": "/usr/bin:/bin", "KEPT": "a", "CHANGED": "b"}
    options = ("--env", "CHANGED=c=d", "--env", "ADDED=")
    done = lastbranch("run", *options, "--", busybox(), "env", env=environment)
    assert sorted(done.stdout.splitlines()) == [b"ADDED=", b"CHANGED=c=d", b"KEPT=a", b"PATH=/usr/bin:/bin"]

    done = lastbranch("run", "--clear-env", "--env", "ONLY=1", "--", busybox(), "env", env=environment)
    assert done.stdout == b"ONLY=1\n"


def test_read_only_leaves_the_hosts_files_alone(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    for program in (["touch", "new"], ["rm", "old"], ["mkdir", "folder"], ["dd", "of=old"]):
        refused = lastbranch("run", "--read-only", "--", busybox(), *program, cwd=tmp_path)
        assert refused.returncode != 0, program
        assert "Read-only file system" in words(refused), program
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"

    assert lastbranch("run", "--", busybox(), "touch", "new", cwd=tmp_path).returncode == 0
    assert (tmp_path / "new").exists()


def test_root_is_the_programs_slash(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "busybox").write_bytes(Path(busybox()).read_bytes())
    (tmp_path / "bin" / "busybox").chmod(0o755)
    done = lastbranch("run", "--root", tmp_path, "--", "/bin/busybox", "ls", "/")
    assert (done.returncode, done.stdout) == (0, b"bin\n")


def test_seed_decides_the_programs_random_bytes() -> None:
    def random_bytes(*options: str) -> bytes:
        done = lastbranch("run", *options, "--", busybox(), "head", "-c", "16", "/dev/urandom")
        assert (done.returncode, len(done.stdout)) == (0, 16), words(done)
        return done.stdout

    assert random_bytes() == random_bytes("--seed", "1") != random_bytes("--seed", "2")


def test_max_instructions_stops_the_run() -> None:
    done = lastbranch("run", "--max-instructions", "1000", "--", busybox(), "echo", "hello")
    assert (done.returncode, done.stdout) == (0, b"")
    assert words(done) == "lastbranch: stopped after 1000 instructions, as --max-instructions says\n"


def test_a_reader_that_goes_away_ends_the_program_as_sigpipe_does() -> None:
    pipeline = subprocess.run(
        ["bash", "-c", '"$0" run -- "$1" yes | head -n 1; echo "${PIPESTATUS[0]}"', BINARY, busybox()],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert pipeline.stdout == b"y\n141\n"


def test_a_dynamic_program_prints_what_it_prints_natively(tmp_path: Path) -> None:
    program = [tool("ls"), "-a", "/usr/include"]
    done = lastbranch("run", "--", *program)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == succeed(*program, env=ENVIRONMENT)
