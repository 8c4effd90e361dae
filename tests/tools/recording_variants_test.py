"""Recordings in every variant that record offers, read by perf and the optimisers' tools.

The plain file is the measure: what else is written must read as it does.
"""

import itertools
import os
import re
import struct
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.support import BINARY, ENVIRONMENT, compile_c, lastbranch, succeed, tool, words
from tests.tools.optimizer_tools_test import FUNCTIONS, LINKS, compiled, run_tool

FIELDS = "comm,pid,tid,cpu,time,period,event,ip,brstack"
EVENTS = "cycles:u,br_inst_retired.near_taken:u"

# A call chain that stays as it is while the innermost function runs.
CHAIN = r"""
#define KEEP __attribute__((noinline))
static volatile unsigned sum;
KEEP static void inner(int x) { for (int i = 0; i < 60; ++i) sum += x; }
KEEP static void middle(int x) { inner(x); ++sum; }
KEEP static void outer(int x) { middle(x); ++sum; }
int main(void) { for (int i = 0; i < 3000; ++i) outer(i); return 0; }
"""


def record(name: str, *options: str, program: Path, cwd: Path) -> Path:
    done = lastbranch("record", *options, "-o", name, "--", program, cwd=cwd)
    assert done.returncode == 0, words(done)
    return cwd / name


def script(data: Path, fields: str = FIELDS) -> bytes:
    return succeed(tool("perf"), "script", "--show-mmap-events", "-F", fields, "-i", data)


@LINKS
def test_compressed_and_piped_recordings_read_as_the_plain_one(link: str, tmp_path: Path) -> None:
    tool("perf")
    program = compiled(tmp_path, link)
    options = ("-b", "-c", "10007")
    plain = record("plain.data", *options, program=program, cwd=tmp_path)
    expected = script(plain)
    assert expected.count(b"\n") > 300
    for level in ("-z", "-z9", "--compress=3"):
        data = record("packed.data", *options, level, program=program, cwd=tmp_path)
        assert data.stat().st_size < plain.stat().st_size / 3
        assert script(data) == expected, level

    # In pipe mode perf 6.1 prints symbols whatever -F says.
    with_symbols = script(plain, FIELDS.replace("ip", "ip,sym"))
    for extra in ((), ("-z",)):
        done = lastbranch("record", *options, *extra, "-o", "-", "--", program, cwd=tmp_path)
        assert done.returncode == 0, words(done)
        assert re.search(r"lastbranch: standard output: \d+ samples, \d+ bytes\n$", words(done))
        piped = tmp_path / "piped.data"
        piped.write_bytes(done.stdout)
        assert script(piped) == with_symbols, extra


def test_a_fifo_gets_pipe_mode_and_its_reader_may_go_away(tmp_path: Path) -> None:
    program = compile_c(CHAIN, tmp_path / "chain")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    record("fifo", "-b", "-c", "5003", program=program, cwd=tmp_path)
    reader.join()
    assert got[0][:16] == b"PERFILE2" + struct.pack("<Q", 16)

    with subprocess.Popen(
        [BINARY, "record", "-b", "-c", "101", "-o", "-", "--", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as running:
        assert running.stdout
        assert running.stderr
        assert running.stdout.read(8) == b"PERFILE2"
        running.stdout.close()
        said = running.stderr.read().decode()
    assert running.returncode == 1
    assert re.search(r"standard output: Broken pipe: its reader may have got the first \d+ of", said), said


def test_the_programs_output_goes_to_standard_error_beside_a_pipe(tmp_path: Path) -> None:
    done = lastbranch("record", "-q", "-o", "-", "--", tool("busybox"), "echo", "words", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(b"PERFILE2")
    assert done.stderr == b"words\n"


@LINKS
def test_several_events_are_read_by_every_tool(link: str, tmp_path: Path) -> None:
    program = compiled(tmp_path, link, "-Wl,--emit-relocs")
    data = record("two.data", "-b", "-e", EVENTS, "-c", "20011", program=program, cwd=tmp_path)
    perf = tool("perf")
    seen = Counter(
        line.split()[0] for line in succeed(perf, "script", "-F", "event", "-i", data).decode().splitlines()
    )
    assert set(seen) == {"cycles:u:", "br_inst_retired.near_taken:u:"}, seen
    assert min(seen.values()) > 20
    report = succeed(perf, "report", "--stdio", "-i", data).decode()
    for event in EVENTS.split(","):
        assert f"of event '{event}'" in report
    for function in ("odd", "even"):
        succeed(perf, "annotate", "--stdio", "-s", function, "-i", data)

    profile = tmp_path / "two.prof"
    run_tool(
        tool("llvm-profgen-19"),
        f"--perfdata={data}",
        f"--binary={program}",
        f"--output={profile}",
        "--format=text",
    )
    for function in FUNCTIONS:
        assert re.search(rf"^{function}:\d+:\d+$", profile.read_text(), re.MULTILINE)
    run_tool(
        tool("create_llvm_prof"),
        f"--binary={program}",
        f"--profile={data}",
        f"--out={profile}",
        "--format=text",
    )
    for function in FUNCTIONS:
        assert re.search(rf"^{function}:\d+:\d+$", profile.read_text(), re.MULTILINE)

    fdata = tmp_path / "two.fdata"
    said = run_tool(tool("/usr/lib/llvm-19/bin/perf2bolt"), "-p", data, "-o", fdata, program)
    assert "traces mismatching disassembled function contents: 0 " in said, said


@LINKS
@pytest.mark.parametrize("options", [(), ("-z",)], ids=["plain", "compressed"])
def test_the_program_that_bolt_optimised_still_runs(
    link: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    program = compiled(tmp_path, link, "-Wl,--emit-relocs")
    data = record("p.data", "-b", "-c", "10007", *options, program=program, cwd=tmp_path)
    assert f"{program}" in succeed(tool("perf"), "buildid-list", "-i", data).decode()
    fdata = tmp_path / "p.fdata"
    run_tool(tool("/usr/lib/llvm-19/bin/perf2bolt"), "-p", data, "-o", fdata, program)
    optimised = tmp_path / "work.bolt"
    run_tool(
        tool("/usr/lib/llvm-19/bin/llvm-bolt"), program, "-o", optimised, f"-data={fdata}",
        "-reorder-blocks=ext-tsp", "-reorder-functions=hfsort",
    )  # fmt: skip
    before = subprocess.run([program], capture_output=True, check=False, timeout=60)
    after = subprocess.run([optimised], capture_output=True, check=False, timeout=60)
    assert (after.returncode, after.stdout) == (before.returncode, before.stdout)


def test_hw_index_is_read_where_the_table_says(tmp_path: Path) -> None:
    program = compiled(tmp_path, "-no-pie")
    plain = record("plain.data", "-b", "-c", "20011", program=program, cwd=tmp_path)
    data = record("p.data", "-b", "--hw-index", "-c", "20011", program=program, cwd=tmp_path)
    assert script(data) == script(plain)
    profile = tmp_path / "p.prof"
    run_tool(
        tool("llvm-profgen-19"),
        f"--perfdata={data}",
        f"--binary={program}",
        f"--output={profile}",
        "--format=text",
    )
    assert "odd" in profile.read_text()


def test_hw_index_is_where_the_ring_has_its_newest_record(tmp_path: Path) -> None:
    program = compile_c(CHAIN, tmp_path / "chain", ["-O1", "-static"])
    options = ("-e", "br_inst_retired.near_taken:upp", "-c", "1009", "-b", "--hw-index")
    for part, depth in (("skylake", 32), ("haswell", 16), ("sapphirerapids", 1)):
        name = f"{part}.data"
        data = record(name, *options, "--uarch", part, program=program, cwd=tmp_path).read_bytes()
        at, size = struct.unpack_from("<QQ", data, 40)
        end = at + size
        places = []
        while at < end:
            kind, _, length = struct.unpack_from("<IHH", data, at)
            if kind == 9:
                # ip, pid and tid, time, cpu, period, number of branches, hw_idx
                places.append(struct.unpack_from("<Q", data, at + 56)[0])
            at += length
        assert len(places) > 100
        assert max(places) < depth
        # Each branch moves it on by one; so do returns from the kernel, which are no such branches.
        steps = Counter((b - a) % depth for a, b in itertools.pairwise(places))
        assert steps[1009 % depth] > 0.9 * steps.total(), (part, steps)


@pytest.mark.parametrize("kind", ["lbr", "fp"])
@pytest.mark.parametrize("link", ["-static", "-no-pie", "-pie"])
def test_call_graphs_name_the_callers(kind: str, link: str, tmp_path: Path) -> None:
    flags = ["-O0", "-fPIE" if link == "-pie" else "-fno-pie", link]
    program = compile_c(CHAIN, tmp_path / "chain", flags)
    data = record("p.data", "--call-graph", kind, "-c", "20011", program=program, cwd=tmp_path)
    text = succeed(tool("perf"), "script", "-F", "ip,sym", "-i", data).decode()
    chains = [re.findall(r"^\s+[0-9a-f]+ (\S+)", chain, re.MULTILINE) for chain in text.split("\n\n")]
    whole = [chain for chain in chains if chain[:4] == ["inner", "middle", "outer", "main"]]
    # Before a function has set up its frame, frame pointers leave out its caller.
    assert len(whole) > 0.9 * len([chain for chain in chains if chain and chain[0] == "inner"]) > 10
    attributes = succeed(tool("perf"), "evlist", "-v", "-i", data).decode()
    if kind == "lbr":
        assert "branch_sample_type: USER|CALL_STACK|NO_FLAGS|NO_CYCLES," in attributes
        assert "inner" in succeed(tool("perf"), "report", "--stdio", "--no-children", "-i", data).decode()
    assert ("BRANCH_STACK" in attributes) == (kind == "lbr")


def test_branch_counters_count_both_events_between_branches(tmp_path: Path) -> None:
    program = compile_c(CHAIN, tmp_path / "chain")
    data = record(
        "p.data", "--uarch", "sierraforest", "-j", "any,u,counter", "-c", "20011",
        "-e", "instructions:u,br_inst_retired.all_branches:u", program=program, cwd=tmp_path,
    ).read_bytes()  # fmt: skip
    at, size = struct.unpack_from("<QQ", data, 40)
    end = at + size
    counted: Counter[tuple[int, int]] = Counter()
    while at < end:
        kind, _, length = struct.unpack_from("<IHH", data, at)
        if kind == 9:
            # id, ip, pid and tid, time, cpu, period, number of branches; 24 bytes for each branch
            (branches,) = struct.unpack_from("<Q", data, at + 56)
            counts = struct.unpack_from(f"<{branches}Q", data, at + 64 + 24 * branches)
            assert at + 64 + 32 * branches == at + length
            counted.update((c & 3, c >> 2) for c in counts)
        at += length
    # Between two taken branches the branch itself has retired, and at least that one instruction.
    assert counted.total() > 500
    assert (
        sum(n for (instructions, branches), n in counted.items() if 1 <= branches <= instructions)
        > 0.97 * counted.total()
    )
    assert counted[3, 1] > 0.5 * counted.total(), counted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-j", "any,counter"], "expected a part whose records log events"),
        (["-j", "stack,counter", "--uarch", "sierraforest"], "expected no call stack with counters"),
        (["--call-graph", "lbr", "--uarch", "nehalem"], "expected a part with call-stack mode"),
        (["--call-graph", "lbr", "-b"], "expected no -b or -j with it"),
        (["--call-graph", "dwarf"], "expected fp or lbr, found 'dwarf'"),
        (["--hw-index"], "--hw-index: expected last-branch records with it"),
        (["-z30"], "compression level: expected 1 to 22, found 30"),
        (["--attr-size", "72", "-b"], "expected attributes that hold all that it asks for, found 72 bytes"),
        (["--format", "xml"], "xml"),
        (["--format", "json", "-z"], "--compress: expected perf.data, found --format"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: list[str], message: str, tmp_path: Path) -> None:
    done = lastbranch("record", *options, "-o", "p.data", "--", tool("busybox"), "true", cwd=tmp_path)
    assert done.returncode == 2
    assert message in words(done)
    assert not (tmp_path / "p.data").exists() or "--format" in options


@pytest.mark.parametrize("name", ["perf-script", "json", "csv", "folded", "fdata"])
def test_formats_are_what_script_makes_of_the_plain_file(name: str, tmp_path: Path) -> None:
    program = compiled(tmp_path, "-no-pie")
    options = ("-b", "-c", "20011") if name != "folded" else ("--call-graph", "lbr", "-c", "20011")
    record("plain.data", *options, program=program, cwd=tmp_path)
    expected = lastbranch("script", "--format", name, "-i", "plain.data", cwd=tmp_path)
    assert expected.returncode == 0, words(expected)
    data = record("out", *options, "--format", name, program=program, cwd=tmp_path)
    # JSON and CSV may name the file that they were made of, and the command.
    ours = [
        line for line in data.read_bytes().splitlines() if b"record" not in line and b"perf.data" not in line
    ]
    theirs = [
        line for line in expected.stdout.splitlines() if b"record" not in line and b"plain.data" not in line
    ]
    assert len(theirs) > 3
    assert ours == theirs
