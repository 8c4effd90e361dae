"""replay: real captures and our own recordings, the report's forms, exit statuses."""

import json
import os
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import ROOT, compile_c, lastbranch, words

PROGRAM = """
#include <stdlib.h>
static int __attribute__((noinline)) leaf(int x) { return x & 1 ? x * 3 + 1 : x / 2; }
static int (*volatile pointer)(int) = leaf;
int main(void) {
  volatile int sum = 0;
  for (int i = 0; i < 30000; ++i) sum += i % 3 ? leaf(i) : pointer(i);
  return 0;
}
"""


@pytest.fixture(scope="module")
def captures() -> Path:
    folder = Path(os.environ.get("LASTBRANCH_SHARED", ROOT.parent / "shared")) / "captures"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (LASTBRANCH_SHARED names its parent)")
    return folder


def report_of(*arguments: str | Path, folder: Path, status: int = 0) -> dict[str, Any]:
    file = folder / "report.json"
    done = lastbranch("replay", "--json", file, *arguments)
    assert done.returncode == status, words(done) + done.stdout.decode(errors="replace")
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["schema"] == "lastbranch-replay" and report["version"] == 1
    return report


def check(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in report["checks"] if c["check"] == name)


def test_skylake_with_its_table(captures: Path, tmp_path: Path) -> None:
    data = captures / "propeller_sample_1.eb928881.perfdata"
    page = tmp_path / "report.html"
    table = captures / "propeller_sample_1.eb928881.cfg.csv"
    report = report_of(data, "--cfg", table, "--html", page, folder=tmp_path)
    assert report["processor"] == "skx"
    assert check(report, "ring") == {"check": "ring", "held": 3732, "causes": {}}
    assert check(report, "straight line")["causes"]["duplicated top"] == 966
    assert report["samples"]["duplicated_tops"] == 966
    assert report["agrees"] and not report["edited"]
    text = page.read_text()
    xml.etree.ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert "3732" in text and "<script" not in text


def test_the_wrong_part_disagrees(captures: Path, tmp_path: Path) -> None:
    data = captures / "propeller_sample_1.eb928881.perfdata"
    report = report_of(data, "--uarch", "haswell", folder=tmp_path, status=1)
    assert check(report, "ring")["causes"] == {"not representable": 3732}
    assert not report["agrees"] and report["worst_edges"]
    assert check(report_of(data, "--depth", "16", folder=tmp_path), "ring")["held"] == 3732


def test_a_pipe_is_read_once(captures: Path) -> None:
    for name, options in (
        ("perf.data.branch-4.14", ["--uarch", "skylake"]),
        ("perfscript/inline-noprobe2.perfscript", ["--uarch", "skylake"]),
    ):
        data = captures / name
        from_pipe = lastbranch("replay", *options, "-", input=data.read_bytes())
        from_file = lastbranch("replay", *options, data)
        assert from_pipe.returncode == from_file.returncode == 0, words(from_pipe)
        assert from_pipe.stdout.splitlines()[2:] == from_file.stdout.splitlines()[2:]
    done = lastbranch("replay", "-", input=data.read_bytes())
    assert done.returncode == 2 and "--uarch" in words(done)


def test_other_makers_have_a_status_of_their_own(captures: Path, tmp_path: Path) -> None:
    report = report_of(captures / "perf.data.branch_stack_spec", folder=tmp_path, status=3)
    assert report["foreign"] and "AuthenticAMD" in report["verdict"]


def test_text_that_names_its_event_is_joined_as_the_recording_is(tmp_path: Path) -> None:
    program = compile_c(PROGRAM, tmp_path / "program", ("-O1", "-static"))
    data, text = tmp_path / "p.data", tmp_path / "p.txt"
    limit = ("--max-instructions", "20000")
    done = lastbranch(
        "record", "-j", "cond,u", "-c", "5", "-e", "branches:u", "-o", data, *limit, "--", program
    )
    assert done.returncode == 0, words(done)
    columns = ("--format", "perf-script", "-F", "comm,tid,time,period,event,ip,brstack")
    assert lastbranch("script", "-i", data, "-o", text, *columns).returncode == 0
    samples = [report_of(capture, folder=tmp_path, status=0)["samples"] for capture in (data, text)]
    assert samples[0]["joined"] > 10
    assert samples[1] == samples[0]


LENGTHS_OF_VARIABLES = """
extern char** environ;
int main(void) {
  volatile int n = 0;
  for (char** e = environ; *e != 0; ++e)
    for (char* c = *e; *c != 0; ++c) ++n;
  return n == 0;
}
"""


def test_the_run_must_have_the_environment_of_the_recording(tmp_path: Path) -> None:
    program = compile_c(LENGTHS_OF_VARIABLES, tmp_path / "program", ("-O1", "-static"))
    data = tmp_path / "p.data"
    recorded = ("--clear-env", "--env", "NAME=short", "--seed", "7")
    done = lastbranch("record", "-b", "-c", "5", "-o", data, *recorded, "--", program)
    assert done.returncode == 0, words(done)
    assert report_of(data, *recorded, "--", program, folder=tmp_path)["agrees"]
    other = report_of(data, "--clear-env", "--env", "NAME=longer", "--", program, folder=tmp_path, status=1)
    assert not other["agrees"]
    assert any("environment" in note for note in other["notes"])


def test_edited_text_is_called_so(captures: Path, tmp_path: Path) -> None:
    report = report_of(captures / "perfscript" / "invalid-range.perfscript", folder=tmp_path)
    assert report["edited"]
    assert check(report, "straight line")["causes"] == {"edited": 1}


def test_stacks_that_lack_entries_are_edited_only_where_most_are_missing(tmp_path: Path) -> None:
    # A kernel drops what its filter does not want, so that most stacks may lack some entries.
    text = tmp_path / "p.txt"
    for lengths, edited in (((32, 30, 27, 29), False), ((32, 20, 9, 25), False), ((4, 15, 9, 2), True)):
        stacks = ("  ".join(["0x401010/0x401000/P/-/-/5"] * length) for length in lengths)
        text.write_text("".join(f" 401004 {stack} \n" for stack in stacks))
        report = report_of(text, "--uarch", "skylake", folder=tmp_path)
        assert bool(report["edited"]) == edited, report["edited"]


@pytest.mark.parametrize("flags", [("-static",), ("-pie",), ("-no-pie",)], ids=" ".join)
def test_our_own_recordings_agree_at_all_levels(flags: tuple[str, ...], tmp_path: Path) -> None:
    program = compile_c(PROGRAM, tmp_path / "program", ("-O1", "-Wl,--build-id", *flags))
    data = tmp_path / "p.data"
    # A period shorter than the ring: the windows overlap.
    for options in (("-c", "10007"), ("-c", "21", "-e", "branches:u"), ("-c", "5", "--uarch", "haswell")):
        limit = ("--max-instructions", "60000") if "10007" not in options else ()
        done = lastbranch("record", "-b", "-o", data, *options, *limit, "--", program)
        assert done.returncode == 0, words(done)
        report = report_of(data, "--binary", program, *limit, "--", program, folder=tmp_path)
        samples = report["samples"]["with_stacks"]
        assert samples > 20
        assert check(report, "ring")["held"] == samples
        assert check(report, "window")["held"] > 0
        if not limit:  # else a dynamic program is still in its loader
            assert check(report, "FROM is a branch")["held"] > 0
        assert report["agrees"]
        if "branches:u" in options:
            assert report["samples"]["joined"] + report["samples"]["ambiguous"] > samples / 2


def test_a_dump_of_registers_is_checked_instead(tmp_path: Path) -> None:
    dump = tmp_path / "dump.txt"
    dump.write_text("lastbranch-msr-dump 1\n")
    done = lastbranch("replay", dump, "--cfg", "x.csv")
    assert done.returncode == 2
    assert "--cfg: expected a capture, found a dump of registers" in words(done)
    # An empty dump tells no processor; with one it lacks what the processor has.
    assert lastbranch("replay", dump).returncode == 2
    done = lastbranch("replay", dump, "--uarch", "skylake")
    assert done.returncode == 2
    assert "expected registers, found none" in words(done)
    for arguments in (["--keep-going"], ["--", "/bin/true"]):
        done = lastbranch("replay", dump, *arguments)
        assert done.returncode == 2
        assert "expected a capture, found a dump of registers" in words(done)
    dump.write_text("lastbranch-msr-dump 1\nmsr 0x1c9 MSR_LASTBRANCH_TOS 0x3\n")
    done = lastbranch("replay", dump, "--uarch", "skylake", "--json", tmp_path / "dump.json")
    assert done.returncode in (0, 1), words(done)
    report = json.loads((tmp_path / "dump.json").read_text())
    assert (report["schema"], report["version"]) == ("lastbranch-msr-dump", 1)
    assert report["processor"] == "skylake"


def test_bad_input_is_one_line_and_status_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"PERFILE2" + bytes(200))
    for arguments, parts in (
        (["replay"], ["expected one capture", "found 0"]),
        (["replay", bad, bad], ["expected one capture", "found 2"]),
        (["replay", "/nonexistent"], ["/nonexistent"]),
        (["replay", bad], [str(bad)]),
        (["replay", bad, "--depth", "33"], ["--depth", "1 to 32", "33"]),
        (["replay", bad, "--json", "/nonexistent/x"], ["/nonexistent/x"]),
        (["replay", bad, "--"], ["program", "'--'"]),
        (["replay", "-", "--", "/bin/true"], ["-- /bin/true", "read twice"]),
        (["replay", bad, "--clear-env"], ["--clear-env", "program", "'--'"]),
        (["replay", bad, "--object", "x"], ["--object", "--cfg"]),
        (["replay", bad, "--seed", "2"], ["--seed", "program", "'--'"]),
    ):
        done = lastbranch(*arguments)
        assert done.returncode == 2, arguments
        said = words(done)
        assert said.count("\n") == 1
        for part in parts:
            assert part in said, said
