"""lastbranch.run: counts, ends, streams, and what bad input gets."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import lastbranch
import pytest


def test_counts_what_was_asked_for_under_the_names_given(busybox: str) -> None:
    asked = ["instructions", "instructions:u", "br_inst_retired.near_taken", "r20c4"]

    result = lastbranch.run([busybox, "true"], events=asked)

    assert list(result.counts) == asked
    assert result.counts["instructions"] == result.instructions == result.counts["instructions:u"]
    assert 0 < result.counts["r20c4"] == result.counts["br_inst_retired.near_taken"] < result.instructions


def test_time_is_cycles_at_the_frequency_of_the_part(busybox: str) -> None:
    for name in ("skylake", "skx"):
        part = next(u for u in lastbranch.uarchs() if u.name == name)

        result = lastbranch.run([busybox, "true"], uarch=name)

        assert result.time_ns == result.cycles * 10**9 // part.frequency_hz


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_exit_status_passes_through(busybox: str, status: int) -> None:
    result = lastbranch.run([busybox, "sh", "-c", f"exit {status}"])

    assert (result.exit_code, result.signal) == (status, None)


def test_signal_that_kills_is_named(busybox: str) -> None:
    result = lastbranch.run([busybox, "sh", "-c", "kill -ABRT $$"])

    assert (result.exit_code, result.signal) == (128 + signal.SIGABRT, signal.SIGABRT)
    assert any("killed by signal 6" in note for note in result.notes)


def test_output_is_captured_separately(busybox: str) -> None:
    script = "echo out; echo err >&2; echo more"

    result = lastbranch.run(
        [busybox, "sh", "-c", script], stdout=lastbranch.CAPTURE, stderr=lastbranch.CAPTURE
    )

    assert (result.stdout, result.stderr) == (b"out\nmore\n", b"err\n")


def test_input_comes_from_bytes(busybox: str) -> None:
    text = bytes(range(256)) * 1000

    result = lastbranch.run([busybox, "cat"], stdin=text, stdout=lastbranch.CAPTURE)

    assert result.stdout == text


def test_streams_may_be_files(busybox: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"b\na\n")

    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        result = lastbranch.run([busybox, "sort"], stdin=source, stdout=sink, stderr=lastbranch.DEVNULL)

    assert (tmp_path / "out").read_bytes() == b"a\nb\n"
    assert result.stdout is None


def test_streams_of_the_process_pass_through_in_order(busybox: str) -> None:
    code = (
        "import lastbranch; print('before');"
        f"lastbranch.run([{busybox!r}, 'sh', '-c', 'read x; echo got $x; echo problem >&2']);"
        "print('after')"
    )

    done = subprocess.run([sys.executable, "-c", code], input=b"line\n", capture_output=True, check=True)

    assert done.stdout == b"before\ngot line\nafter\n"
    assert done.stderr == b"problem\n"


def test_prints_what_the_host_prints(busybox: str) -> None:
    command = [busybox, "sha256sum", busybox]

    result = lastbranch.run(command, stdout=lastbranch.CAPTURE)

    assert result.stdout == subprocess.run(command, capture_output=True, check=True).stdout


def test_instruction_limit_is_exact(busybox: str) -> None:
    result = lastbranch.run([busybox, "true"], max_instructions=12_345)

    assert result.instructions == 12_345
    assert (result.exit_code, result.signal) == (None, None)


def test_same_seed_gives_the_same_run(busybox: str) -> None:
    command = [busybox, "od", "-N16", "/dev/urandom"]

    first, again, other = (
        lastbranch.run(command, seed=seed, stdout=lastbranch.CAPTURE, env={}) for seed in (7, 7, 8)
    )

    assert (first.stdout, first.counts, first.cycles) == (again.stdout, again.counts, again.cycles)
    assert first.stdout != other.stdout


def test_environment_is_the_one_given(busybox: str) -> None:
    result = lastbranch.run([busybox, "env"], env={"A": "1", "B": "x=y"}, stdout=lastbranch.CAPTURE)

    assert result.stdout == b"A=1\nB=x=y\n"


def test_environment_is_inherited(busybox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTBRANCH_TEST", "42")

    result = lastbranch.run([busybox, "sh", "-c", "echo $LASTBRANCH_TEST"], stdout=lastbranch.CAPTURE)

    assert result.stdout == b"42\n"


def test_root_is_the_guests_slash(busybox: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "busybox").write_bytes(Path(busybox).read_bytes())
    (tmp_path / "bin" / "busybox").chmod(0o755)
    (tmp_path / "secret").write_text("inside")

    result = lastbranch.run(["/bin/busybox", "cat", "/secret"], root=tmp_path, stdout=lastbranch.CAPTURE)

    assert result.stdout == b"inside"


def test_read_only_keeps_files_as_they_are(busybox: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("x")

    result = lastbranch.run([busybox, "rm", str(kept)], read_only=True, stderr=lastbranch.CAPTURE)

    assert kept.exists()
    assert result.exit_code == 1
    assert os.strerror(errno.EROFS).encode() in (result.stderr or b"")


def test_refused_system_calls_are_named(busybox: str) -> None:
    result = lastbranch.run([busybox, "sh", "-c", "true | true"], stderr=lastbranch.DEVNULL)

    assert any("fork" in note or "clone" in note for note in result.notes)


def test_configuration_is_the_effective_one(busybox: str) -> None:
    result = lastbranch.run([busybox, "true"], uarch="haswell", lbr_depth=8, seed=5)

    assert result.configuration["uarch"] == "haswell"
    assert result.configuration["lbr_depth"] == "8"
    assert result.configuration["seed"] == "5"


def test_result_describes_itself(busybox: str) -> None:
    result = lastbranch.run([busybox, "true"])

    assert repr(result) == f"<RunResult: exit code 0, {result.instructions} instructions>"


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (["/no/such/program"], {}, "/no/such/program"),
        (["no-such-program"], {}, "no-such-program"),
        ([], {}, "empty list"),
        ("busybox true", {}, "found the string"),
        (["busybox", "tr\0ue"], {}, "null bytes"),
        (["busybox", "true"], {"uarch": "z80"}, "skylake"),
        (["busybox", "true"], {"events": ["cycels"]}, "cycels"),
        (["busybox", "true"], {"events": ["cycles:z"]}, "cycles:z"),
        (["busybox", "true"], {"events": ["branch-misses"]}, "branch-misses"),
        (["busybox", "true"], {"lbr_depth": 12}, "12"),
        (["busybox", "true"], {"overrides": {"flux": 1}}, "flux"),
        (["busybox", "true"], {"root": "/no/such/folder"}, "/no/such/folder"),
        (["busybox", "true"], {"max_instructions": -1}, "-1"),
        (["busybox", "true"], {"stdout": 4000}, "4000"),
        (["/etc/passwd"], {}, "/etc/passwd"),
    ],
)
def test_bad_input_gets_one_line(command: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(lastbranch.Error) as caught:
        lastbranch.run(command, **options)  # type: ignore[arg-type]

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_streams_are_back_after_bad_input(busybox: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(lastbranch.Error):
        lastbranch.run(["/no/such/program"], stdout=lastbranch.CAPTURE)

    os.write(1, b"still here\n")

    assert capfd.readouterr().out == "still here\n"
