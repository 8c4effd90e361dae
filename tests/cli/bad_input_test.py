"""Bad options and files: one line that says what, where, what was expected and found; exit status 2."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import busybox, compile_c, lastbranch, words

# (arguments after which a program follows, fragments of the message)
BAD_OPTIONS: tuple[tuple[list[str], list[str]], ...] = (
    (["run", "--uarhc", "skylake"], ["run", "--uarhc", "close: --uarch"]),
    (["run", "-z"], ["run", "-z", "run --help"]),
    (["run", "--uarch", "pentium"], ["'pentium'", "expected one of", "skylake"]),
    (["run", "--uarch", "skl", "--uarch", "hsw"], ["--uarch", "once"]),
    (["run", "--read-only=yes"], ["--read-only", "expected no value"]),
    (["run", "--lbr-depth", "5"], ["lbr_depth", "4, 8, 16 or 32", "found 5"]),
    (["run", "--lbr-depth", "many"], ["--lbr-depth", "expected a number", "'many'"]),
    (["run", "--set", "lbr_depht=8"], ["lbr_depht", "lbr_depth"]),
    (["run", "--set", "brand=8"], ["brand", "can be set"]),
    (["run", "--set", "lbr_depth"], ["FIELD=VALUE", "'lbr_depth'"]),
    (["run", "--set", "lbr_depth="], ["lbr_depth", "expected a number", "''"]),
    (["run", "--max-instructions", "0"], ["--max-instructions", "at least 1", "'0'"]),
    (["run", "--max-instructions", "-3"], ["--max-instructions", "'-3'"]),
    (["run", "--seed", "0x1g"], ["--seed", "'0x1g'"]),
    (["run", "--env", "NOVALUE"], ["--env", "NAME=VALUE", "'NOVALUE'"]),
    (["run", "--root", "/nonexistent"], ["/nonexistent", "No such file"]),
    (["stat", "-e", "branchez"], ["'branchez'", "skylake", "close", "branches"]),
    (["stat", "-e", "cycles:q"], ["cycles:q", "modifiers", "'q'"]),
    (["stat", "-e", "cycles,,instructions"], ["event"]),
    (["stat", "-e", "rffff"], ["rffff", "0xff"]),
    (["stat", "--json", "-x", ","], ["--json", "--field-separator"]),
    (["stat", "-o", "/nonexistent/x"], ["/nonexistent/x", "No such file"]),
    (["record", "-c", "0"], ["--count", "at least 1", "'0'"]),
    (["record", "-c", "7", "-F", "7"], ["--count", "--freq"]),
    (["record", "-e", "branch-misses"], ["branch-misses", "skylake", "no model supplies it"]),
    (["record", "-j", "calls,u"], ["--branch-filter", "any_call", "ind_jmp", "'calls'"]),
    (["record", "-j", "any,stack"], ["--branch-filter", "call stack alone", "'any,stack'"]),
    (["record", "--uarch", "ivybridge", "-j", "stack"], ["--branch-filter", "'stack'", "Haswell"]),
    (["record", "--uarch", "core2", "--pebs", "-e", "branches"], ["branches", "PEBS", "core2"]),
    (["record", "--raw-lbr"], ["--raw-lbr", "-b"]),
    (["record", "-o", "/nonexistent/p.data"], ["/nonexistent/p.data", "No such file"]),
    (["record", "-o", "/"], ["/", "directory"]),
    (["run", "--lbr-depth", "8", "--set", "lbr_depth=16"], ["lbr_depth once"]),
    (["stat", "-x", ""], ["--field-separator", "found ''"]),
    (["record", "-F", "4000000000"], ["--freq", "expected at most", "3400000000", "found 4000000000"]),
    (["record", "-b", "-j", "any_call"], ["expected one of -b and -j, found both"]),
    (
        ["record", "-b", "--format", "folded"],
        ["--format folded", "--call-graph or -j stack", "found neither"],
    ),
    (["record", "--format", "fdata"], ["--format fdata", "-b or -j", "found neither"]),
)


def check_message(done_words: str, fragments: list[str]) -> None:
    assert done_words.startswith("lastbranch: ")
    assert done_words.endswith("\n")
    assert done_words.count("\n") == 1, done_words
    for fragment in fragments:
        assert fragment in done_words, f"{fragment!r} in {done_words!r}"


@pytest.mark.parametrize(("options", "fragments"), BAD_OPTIONS, ids=lambda x: " ".join(x))
def test_a_bad_option_is_named(options: list[str], fragments: list[str], tmp_path: Path) -> None:
    done = lastbranch(*options, "--", busybox(), "touch", "ran", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    check_message(words(done), fragments)
    assert list(tmp_path.iterdir()) == [], "nothing ran and nothing was left behind"


# Commands that are wrong without a program behind them.
BAD_COMMANDS: tuple[tuple[list[str], list[str]], ...] = (
    ([], ["expected a command", "record", "found none"]),
    (["recrod"], ["'recrod'", "close: record"]),
    (["run"], ["expected a program", "found none"]),
    (["run", "--uarch"], ["--uarch", "expected a value, found none"]),
    (["record", "-b", "--"], ["expected a program"]),
    (["run", "--", "no-such-program"], ["no-such-program", "PATH"]),
    (["run", "--", "/nonexistent/program"], ["/nonexistent/program", "No such file"]),
    (["run", "--", "/"], ["/"]),
    (["script", "-i", "/nonexistent/p.data"], ["/nonexistent/p.data", "No such file"]),
    (["script", "-i", "/etc/passwd"], ["/etc/passwd", "expected"]),
    (["script", "-F", "ip,brstak"], ["brstak", "brstack"]),
    (["script", "file"], ["script", "'file'"]),
    (["report", "-n", "0"], ["--rows", "'0'"]),
    (["version", "run"], ["version", "expected nothing more", "'run'"]),
    (["help", "run", "stat"], ["help run", "expected nothing more", "'stat'"]),
    (["list"], ["events", "uarchs", "found none"]),
    (["list", "event"], ["'event'", "close: events"]),
    (["list", "events", "msrs"], ["'events msrs'"]),
    (["list", "events", "--uarch", "386"], ["'386'"]),
    (["list", "uarchs", "--uarch", "skylake"], ["list uarchs", "expected no --uarch"]),
    (["list", "syscalls", "--set", "lbr_depth=8"], ["list syscalls", "expected no --set"]),
)


@pytest.mark.parametrize(("arguments", "fragments"), BAD_COMMANDS, ids=lambda x: " ".join(x) or "none")
def test_a_bad_command_is_named(arguments: list[str], fragments: list[str], tmp_path: Path) -> None:
    done = lastbranch(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    check_message(words(done), fragments)


def patched(offset: int, value: int) -> Callable[[bytes], bytes]:
    return lambda image: image[:offset] + bytes([value]) + image[offset + 1 :]


# (name, what becomes of a good program, fragments of the message)
BAD_PROGRAMS: tuple[tuple[str, Callable[[bytes], bytes], list[str]], ...] = (
    ("empty", lambda image: b"", ["ELF"]),
    ("text", lambda image: b"hello world, this is no program at all\n" * 10, ["ELF"]),
    ("cut_in_identity", lambda image: image[:10], ["ELF"]),
    ("cut_in_header", lambda image: image[:40], ["ELF header"]),
    ("cut_in_program_headers", lambda image: image[:100], ["program headers"]),
    ("cut_in_segments", lambda image: image[: len(image) // 2], ["loadable segment"]),
    ("32_bit", patched(4, 1), ["64-bit", "32-bit"]),
    ("i386", lambda image: patched(18, 3)(patched(4, 1)(image)), ["64-bit", "32-bit"]),
    ("big_endian", patched(5, 2), ["little-endian", "found 2"]),
    ("aarch64", patched(18, 183), ["x86-64", "AArch64"]),
    ("relocatable", patched(16, 1), ["expected a program", "e_type 1"]),
    ("core_dump", patched(16, 4), ["expected a program", "e_type 4"]),
)


@pytest.mark.parametrize(("name", "change", "fragments"), BAD_PROGRAMS, ids=[row[0] for row in BAD_PROGRAMS])
def test_a_bad_program_is_named(
    name: str, change: Callable[[bytes], bytes], fragments: list[str], tmp_path: Path
) -> None:
    program = tmp_path / name
    program.write_bytes(change(Path(busybox()).read_bytes()))
    program.chmod(0o755)
    done = lastbranch("record", "-b", "-o", tmp_path / "p.data", "--", program)
    assert (done.returncode, done.stdout) == (2, b"")
    check_message(words(done), [str(program), *fragments])
    assert not (tmp_path / "p.data").exists()


def test_a_missing_loader_is_named(tmp_path: Path) -> None:
    options = ["-Wl,--dynamic-linker=/nonexistent/ld.so"]
    program = compile_c("int main(void) { return 0; }", tmp_path / "program", options)
    done = lastbranch("run", "--", program)
    assert (done.returncode, done.stdout) == (2, b"")
    check_message(words(done), [str(program), "missing loader", "/nonexistent/ld.so", "no such file"])


def test_a_program_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path(busybox()).read_bytes())
    program.chmod(0o644)
    done = lastbranch("run", "--", program)
    assert done.returncode == 2
    check_message(words(done), [str(program)])


@pytest.mark.parametrize("command", ["run", "stat", "record", "script", "report", "list"])
def test_help_goes_to_standard_output(command: str) -> None:
    for arguments in ([command, "--help"], ["help", command]):
        done = lastbranch(*arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(f"usage: lastbranch {command} ".encode())


def test_general_help_and_version() -> None:
    done = lastbranch("--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert all(f"  {command} ".encode() in done.stdout for command in ("run", "stat", "record", "list"))
    done = lastbranch("--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"lastbranch 0.")
