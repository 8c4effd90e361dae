"""stat: counts as text, as perf stat -x fields and as JSON, all of the same run."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.support import busybox, lastbranch, words

EVENTS = "instructions:u,cycles:u,branches:u,br_inst_retired.near_taken:u,cache-misses"


@pytest.fixture(scope="module")
def fields() -> dict[str, list[str]]:
    """The lines of -x by event."""
    done = lastbranch("stat", "-x", ",", "-e", EVENTS, "--", busybox(), "true")
    assert (done.returncode, done.stdout) == (0, b""), words(done)
    rows = [line.split(",") for line in words(done).splitlines()]
    assert [row[2] for row in rows] == EVENTS.split(",")
    return {row[2]: row for row in rows}


def test_fields_stand_in_perfs_order(fields: dict[str, list[str]]) -> None:
    assert all(len(row) == 7 for row in fields.values())
    assert fields["cache-misses"] == ["<not supported>", "", "cache-misses", "0", "100.00", "", ""]
    value, unit, _, run_time, percent, metric, metric_unit = fields["instructions:u"]
    assert int(value) > 10_000
    assert (unit, percent, metric_unit) == ("", "100.00", "insn per cycle")
    # One cycle per instruction at 3.4 GHz.
    assert float(metric) == pytest.approx(1.0, abs=0.01)
    assert int(run_time) == pytest.approx(int(fields["cycles:u"][0]) / 3.4, rel=0.01)


def test_counts_make_sense(fields: dict[str, list[str]]) -> None:
    counts = {event: int(row[0]) for event, row in fields.items() if row[0].isdigit()}
    taken = counts["br_inst_retired.near_taken:u"]
    assert 0 < taken < counts["branches:u"] < counts["instructions:u"]


def test_json_says_the_same_and_the_whole_configuration(fields: dict[str, list[str]]) -> None:
    done = lastbranch("stat", "--json", "-e", EVENTS, "--lbr-depth", "8", "--", busybox(), "true")
    assert words(done).count("\n") == 1
    result = json.loads(words(done))
    assert result["outcome"] == {"how": "exited", "status": 0, "exit_status": 0}
    assert result["program"] == [busybox(), "true"]
    assert result["configuration"]["uarch"] == "skylake"
    assert result["configuration"]["lbr_depth"] == "8"
    assert result["configuration"]["seed"] == "1"
    assert result["notes"] == []
    assert [event["event"] for event in result["events"]] == EVENTS.split(",")
    for event in result["events"]:
        value = fields[event["event"]][0]
        assert event["supported"] == value.isdigit()
        assert event["value"] == (int(value) if value.isdigit() else None)
    assert result["instructions"] == int(fields["instructions:u"][0])


def test_text_has_a_header_the_default_events_and_the_time(
    fields: dict[str, list[str]], tmp_path: Path
) -> None:
    file = tmp_path / "stat.txt"
    done = lastbranch("stat", "-o", file, "--", busybox(), "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    text = file.read_text()
    assert re.match(r"# lastbranch \S+: skylake \(.*\), \d\.\d\d GHz, 32 last-branch records\n", text)
    assert f"Performance counter stats for '{busybox()} true':" in text
    for event in ("cycles:u", "instructions:u", "branches:u"):
        shown = re.search(rf"^ *([\d,]+)      {event} +# +[\d.]+ \S", text, re.MULTILINE)
        assert shown, text
        assert shown[1].replace(",", "") == fields[event][0]
    assert re.search(r"^ *<not supported>      branch-misses:u$", text, re.MULTILINE)
    assert re.search(
        r"^ *\d+\.\d{9} seconds simulated: [\d,]+ instructions, 1\.00 per cycle$", text, re.MULTILINE
    )


@pytest.mark.parametrize(("option", "separator"), [(";", ";"), ("\\t", "\t"), (" :: ", " :: ")])
def test_any_separator(option: str, separator: str) -> None:
    done = lastbranch("stat", "-x", option, "-e", "cycles:u", "--", busybox(), "true")
    assert len(words(done).rstrip("\n").split(separator)) == 7


def test_events_may_be_listed_in_several_options() -> None:
    options = ("-e", "cycles:u,cpu/event=0xc4,umask=0x20/u", "-e", "r20c4:u")
    done = lastbranch("stat", "-x", ";", *options, "--", busybox(), "true")
    rows = [line.split(";") for line in words(done).splitlines()]
    assert [row[2] for row in rows] == ["cycles:u", "cpu/event=0xc4,umask=0x20/u", "r20c4:u"]
    assert rows[1][0] == rows[2][0] != "0"


def test_another_part_has_other_events_and_clocks() -> None:
    options = ("--uarch", "nhm", "-e", "br_inst_retired.near_taken:u")
    done = lastbranch("stat", *options, "--", busybox(), "true")
    assert done.returncode == 2, "Nehalem cannot count taken branches"

    done = lastbranch("stat", "--uarch", "nhm", "--json", "--", busybox(), "true")
    result = json.loads(words(done))
    assert result["configuration"]["uarch"] == "nehalem"
    hertz = int(result["configuration"]["frequency_hz"])
    assert result["time_ns"] == pytest.approx(result["cycles"] * 1e9 / hertz, abs=1)


def test_result_of_a_stopped_run() -> None:
    done = lastbranch("stat", "--json", "--max-instructions", "5000", "--", busybox(), "true")
    *notes, line = words(done).splitlines()
    assert notes == ["lastbranch: stopped after 5000 instructions, as --max-instructions says"]
    result = json.loads(line)
    assert result["outcome"] == {"how": "limit", "status": 0, "exit_status": 0}
    assert result["instructions"] == 5000
    assert result["notes"] == [notes[0].removeprefix("lastbranch: ")]


def test_a_full_disk_is_reported() -> None:
    done = lastbranch("stat", "-o", "/dev/full", "--", busybox(), "true")
    assert done.returncode == 1
    assert words(done) == "lastbranch: /dev/full: cannot be written: No space left on device\n"


MANY = ",".join(
    f"{e}:u"
    for e in (
        "instructions",
        "cycles",
        "branches",
        "br_inst_retired.near_taken",
        "br_inst_retired.near_call",
        "br_inst_retired.near_return",
        "br_inst_retired.conditional",
        "mem_inst_retired.all_loads",
        "mem_inst_retired.all_stores",
    )
)


def rows(done_words: str) -> dict[str, tuple[int, float]]:
    """(value, percent) by event of -x output."""
    split = [line.split(",") for line in done_words.splitlines()]
    return {row[2]: (int(row[0]), float(row[4])) for row in split}


def test_more_events_than_counters_take_turns_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a few words\n" * 400_000)
    program = ("--", busybox(), "sha256sum", str(tmp_path / "text"))
    shared = rows(words(lastbranch("stat", "-x,", "-e", MANY, *program)))
    at_once = rows(words(lastbranch("stat", "-x,", "--shadow", "-e", MANY, *program)))
    assert {percent for _, percent in at_once.values()} == {100.0}
    assert shared["instructions:u"] == at_once["instructions:u"], "fixed counters are nobody else's"
    assert shared["cycles:u"] == at_once["cycles:u"]
    turns = {event: percent for event, (_, percent) in shared.items() if percent < 100}
    assert len(turns) == 7
    assert sum(turns.values()) == pytest.approx(400, abs=0.1), "four counters for seven events"
    for event in turns:
        assert shared[event][0] == pytest.approx(at_once[event][0], rel=0.2)
    text = words(lastbranch("stat", "-e", MANY, *program))
    assert len(re.findall(r"\(\d+\.\d\d%\)$", text, re.MULTILINE)) == 7


def test_events_that_fit_are_counted_exactly() -> None:
    four = ",".join(MANY.split(",")[:6])
    program = ("--", busybox(), "true")
    on_counters = rows(words(lastbranch("stat", "-x,", "-e", four, *program)))
    assert on_counters == rows(words(lastbranch("stat", "-x,", "--shadow", "-e", four, *program)))
