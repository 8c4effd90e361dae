"""lastbranch compare: two captures side by side, and counts of a host beside simulated ones."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import busybox, lastbranch

TAKEN = "br_inst_retired.near_taken:u"


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One program, sampled by taken branches with two periods and by cycles, and another program."""
    folder = tmp_path_factory.mktemp("captures")
    data = folder / "data"
    data.write_bytes(bytes(range(256)) * 200)
    made = {}
    for name, event, period, command in (
        ("a", TAKEN, 101, ("sha256sum", str(data))),
        ("b", TAKEN, 211, ("sha256sum", str(data))),
        ("other", TAKEN, 211, ("sort", str(data))),
    ):
        made[name] = folder / f"{name}.data"
        options = ("-q", "-b", "-e", event, "-c", str(period), "-o", made[name])
        result = lastbranch("record", *options, "--", busybox(), *command)
        assert result.returncode == 0, result.stderr
    return made


def compared(tmp_path: Path, a: Path, b: Path) -> Any:
    out = tmp_path / "out.json"
    result = lastbranch("compare", "--json", out, a, b)
    assert result.returncode == 0, result.stderr
    return json.loads(out.read_text())


def test_a_capture_overlaps_itself_whole(tmp_path: Path, captures: dict[str, Path]) -> None:
    report = compared(tmp_path, captures["a"], captures["a"])
    assert report["schema"] == "lastbranch-compare-1"
    assert report["overlap"]["value"] == pytest.approx(1)
    for edge in report["edges"]:
        assert edge["taken"][0] == edge["taken"][1]
        assert edge["share"][0] == edge["share"][1]


def test_the_text_of_a_capture_overlaps_it_whole(tmp_path: Path, captures: dict[str, Path]) -> None:
    text = tmp_path / "a.txt"
    result = lastbranch("script", "-i", captures["a"], "--format", "perf-script", "-o", text)
    assert result.returncode == 0, result.stderr
    report = compared(tmp_path, captures["a"], text)
    assert report["overlap"]["value"] == pytest.approx(1)


def test_two_samplings_of_one_run_differ_by_what_sampling_scatters(
    tmp_path: Path, captures: dict[str, Path]
) -> None:
    report = compared(tmp_path, captures["a"], captures["b"])
    assert report["overlap"]["value"] > 0.8
    assert report["overlap"]["low"] <= report["overlap"]["value"] <= report["overlap"]["high"]
    # Interval and interval of nearly every edge overlap: they come of the same run.
    apart = [
        e
        for e in report["edges"]
        if e["share"][0]["high"] < e["share"][1]["low"] or e["share"][1]["high"] < e["share"][0]["low"]
    ]
    assert len(apart) <= math.ceil(len(report["edges"]) / 10)


def test_another_program_is_told_apart(tmp_path: Path, captures: dict[str, Path]) -> None:
    one = compared(tmp_path, captures["a"], captures["b"])["overlap"]["value"]
    other = compared(tmp_path, captures["a"], captures["other"])["overlap"]["value"]
    assert other < one / 2


def test_rows_limits_the_tables(captures: dict[str, Path]) -> None:
    result = lastbranch("compare", "-n", "1", captures["a"], captures["other"])
    assert result.returncode == 0, result.stderr
    lines = result.stdout.decode().splitlines()
    edges = lines.index(next(line for line in lines if line.startswith("Edges")))
    assert "share A" in lines[edges + 1]
    assert "%" in lines[edges + 2]
    assert lines[edges + 3] == ""


COUNTS = {
    "host.csv": "# started on Sun Nov 22 2026\n\n2000,,cycles:u,1.00%,5000,100.00,,\n"
    "900,,cpu/event=0xc4,umask=0x20/u,0.50%,5000,100.00,,\n<not supported>,,cache-misses:u,0,100.00,,\n",
    "sim.csv": "1000,,cpu_clk_unhalted.thread:u,5000,100.00,,\n"
    "990,,br_inst_retired.near_taken:u,5000,100.00,,\n7,,instructions:u,5000,100.00,,\n",
}


def test_counts_of_a_host_stand_beside_simulated_ones(tmp_path: Path) -> None:
    for name, text in COUNTS.items():
        (tmp_path / name).write_text(text)
    report = compared(tmp_path, tmp_path / "host.csv", tmp_path / "sim.csv")
    rows = {(row["a"] or row["b"])["event"]: row for row in report["rows"]}
    assert rows["cycles:u"]["b"]["event"] == "cpu_clk_unhalted.thread:u"
    assert rows["cycles:u"]["ratio"] == pytest.approx(0.5)
    assert rows["cycles:u"]["ratio_reach"] == pytest.approx(0.5 * 1.96 * 0.01)
    assert rows["cpu/event=0xc4,umask=0x20/u"]["ratio"] == pytest.approx(1.1)
    assert rows["cache-misses:u"]["ratio"] is None
    assert rows["instructions:u"]["a"] is None


def test_our_own_counts_are_read(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        result = lastbranch("stat", "-x,", "-e", "instructions:u", "--", busybox(), "true")
        assert result.returncode == 0, result.stderr
        (tmp_path / name).write_bytes(result.stderr)
    report = compared(tmp_path, tmp_path / "a.csv", tmp_path / "b.csv")
    assert report["rows"][0]["ratio"] == 1


def test_bad_input_is_refused_by_name(tmp_path: Path, captures: dict[str, Path]) -> None:
    counts = tmp_path / "host.csv"
    counts.write_text(COUNTS["host.csv"])
    empty = tmp_path / "empty"
    empty.write_text("")
    for words, said in (
        (("compare", captures["a"]), "expected two files, A and B, found 1"),
        (("compare", captures["a"], counts), "found counts in"),
        (("compare", captures["a"], tmp_path / "absent"), "absent"),
        (("compare", captures["a"], empty), "empty"),
        (("compare", "-n", "0", captures["a"], captures["a"]), "expected"),
        (
            ("compare", "--uarch", "haswell", captures["a"], captures["a"]),
            "--uarch: expected two files of counts",
        ),
        (("compare", "-n", "5", counts, counts), "--rows: expected two captures"),
    ):
        result = lastbranch(*words)
        assert result.returncode == 2, words
        assert said in result.stderr.decode()


def test_names_of_any_bytes_come_out_printable(tmp_path: Path) -> None:
    capture = tmp_path / "capture.txt"
    capture.write_bytes(
        b"PERF_RECORD_MMAP2 7/7: [0x401000(0x1000) @ 0x1000 08:01 5 6]: r-xp /x/\x1b\xffn\n"
        b" prog 7/7 1.000001: cycles: 401000 0x401000/0x401010/P/-/-/1\n"
    )
    assert compared(tmp_path, capture, capture)["edges"][0]["from"]["file"] == "/x/\\x1b\\xffn"
    for words in (("compare", capture, capture), ("report", "-i", capture)):
        assert "(\\x1b\\xffn)" in lastbranch(*words).stdout.decode()
