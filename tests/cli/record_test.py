"""record and script against the real perf."""

import itertools
import re
import resource
from pathlib import Path

import pytest

from tests.cli.support import busybox, compile_c, lastbranch, succeed, tool, words

CALLS = """
static int __attribute__((noinline)) leaf(int x) { return x * 3 + 1; }
int main(void) {
  volatile int sum = 0;
  for (int i = 0; i < 20000; ++i) sum += leaf(i);
  return 0;
}
"""


def record(*options: str | Path, program: list[str], cwd: Path) -> Path:
    done = lastbranch("record", "-o", "p.data", *options, "--", *program, cwd=cwd)
    assert done.returncode == 0, words(done)
    assert re.fullmatch(r"lastbranch: p\.data: \d+ samples, \d+ bytes\n", words(done))
    return cwd / "p.data"


def sha256(tmp_path: Path) -> list[str]:
    (tmp_path / "text").write_bytes(b"a few words\n" * 4000)
    return [busybox(), "sha256sum", "text"]


@pytest.mark.parametrize(
    "options",
    [
        ("-b", "-c", "10007"),
        ("-j", "any,u", "-e", "instructions:u", "-c", "20011"),
        ("-b", "-c", "50021", "-e", "cycles:u,branches:u"),
        ("-b", "-c", "10007", "--raw-lbr"),
        ("-b", "-c", "30011", "--uarch", "nehalem"),
        ("-b", "-c", "30011", "--lbr-depth", "8"),
        ("-j", "any_call,u", "-c", "10007", "--uarch", "haswell"),
        ("-j", "stack", "-e", "br_inst_retired.near_taken:upp", "-c", "1009"),
        ("-j", "cond,save_type,u", "-c", "30011", "--uarch", "sapphirerapids"),
        ("-j", "any,hw_index,u", "-c", "30011", "--skid", "100"),
        ("-b", "-e", "br_inst_retired.near_taken:upp", "-c", "1009", "--pebs"),
        ("-c", "10007"),
    ],
    ids=" ".join,
)
def test_script_prints_what_perf_prints(options: tuple[str, ...], tmp_path: Path) -> None:
    data = record(*options, program=sha256(tmp_path), cwd=tmp_path)
    with_branches = "-b" in options or "-j" in options
    choices = ["ip", "comm,pid,tid,cpu,time,period,event,ip"] + (["ip,brstack"] if with_branches else [])
    for fields in choices:
        expected = succeed(tool("perf"), "script", "-F", fields, "-i", data)
        done = lastbranch("script", "-F", fields, "-i", data)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == expected, fields
        assert expected.count(b"\n") > 10


def test_perf_report_reads_it_as_its_own(tmp_path: Path) -> None:
    data = record("-b", "-c", "10007", program=sha256(tmp_path), cwd=tmp_path)
    report = succeed(tool("perf"), "report", "--stdio", "-i", data).decode()
    assert "of event 'cycles:u'" in report
    assert "busybox" in report
    header = succeed(tool("perf"), "report", "--header-only", "-i", data).decode()
    assert "GenuineIntel,6,94,3" in header
    assert f"lastbranch record -o p.data -b -c 10007 -- {busybox()}" in header.replace("'", "")
    build_ids = succeed(tool("perf"), "buildid-list", "-i", data).decode()
    assert re.search(r"^[0-9a-f]{40} .*/busybox", build_ids, re.MULTILINE)


def test_samples_come_every_period(tmp_path: Path) -> None:
    data = record("-c", "10007", "-e", "instructions:u", program=sha256(tmp_path), cwd=tmp_path)
    lines = lastbranch("script", "-F", "period,event", "-i", data).stdout.decode().splitlines()
    assert {tuple(line.split()) for line in lines} == {("10007", "instructions:u:")}
    counted = words(lastbranch("stat", "-x,", "-e", "instructions:u", "--", *sha256(tmp_path), cwd=tmp_path))
    assert len(lines) == int(counted.split(",")[0]) // 10007


def test_the_default_is_4000_samples_per_simulated_second(tmp_path: Path) -> None:
    program = [busybox(), "awk", "BEGIN { for (i = 0; i < 40000; ++i) s += i }"]
    times = []
    for options in ((), ("-F", "4000")):
        data = record(*options, program=program, cwd=tmp_path)
        lines = lastbranch("script", "-F", "time", "-i", data).stdout.decode().split()
        times.append([float(line.rstrip(":")) for line in lines])
    assert times[0] == times[1]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times[0])]
    assert len(gaps) > 3
    assert all(gap == pytest.approx(1 / 4000, abs=2e-6) for gap in gaps)


def test_two_runs_are_identical_to_the_byte(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(record("-b", "-c", "5003", program=["ls", "-a", "/etc"], cwd=tmp_path / name))
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("form", ["perf-script", "json", "csv", "folded", "fdata"])
def test_other_forms_do_not_depend_on_where_they_are_made(form: str, tmp_path: Path) -> None:
    branches = ["-j", "stack,u"] if form == "folded" else ["-b"]
    program = [str(compile_c(CALLS, tmp_path / "calls"))]
    data = record(*branches, "-c", "10007", program=program, cwd=tmp_path)
    texts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        options = ["record", "-q", *branches, "-c", "10007", "--format", form, "-o", "out"]
        done = lastbranch(*options, "--", *program, cwd=tmp_path / name)
        assert (done.returncode, words(done)) == (0, "")
        texts.append((tmp_path / name / "out").read_bytes())
    assert texts[0] == texts[1]
    assert b"/tmp/lastbranch-record" not in texts[0]
    if form != "json":
        assert texts[0] == lastbranch("script", "-i", data, "--format", form).stdout
    else:
        assert texts[0].startswith(b'{"schema":"lastbranch.capture","version":1,"source":"record",')


def test_a_full_disk_leaves_no_half_of_another_form(tmp_path: Path) -> None:
    program = [str(compile_c(CALLS, tmp_path / "calls"))]
    (tmp_path / "out").write_bytes(b"before")
    done = lastbranch(
        *("record", "-b", "-c", "1009", "--format", "csv", "-o", "out", "--", *program),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert done.returncode == 1
    assert "out: cannot be written: File too large" in words(done)
    assert (tmp_path / "out").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["calls", "calls.c", "out"]


def test_the_ring_has_the_depth_asked_for(tmp_path: Path) -> None:
    program = [str(compile_c(CALLS, tmp_path / "calls"))]
    for depth in (4, 8, 16, 32):
        data = record("-b", "-c", "20011", "--lbr-depth", str(depth), program=program, cwd=tmp_path)
        lines = lastbranch("script", "-F", "brstack", "-i", data).stdout.decode().splitlines()
        assert {len(line.split()) for line in lines[1:]} == {depth}


def test_raw_lbr_keeps_returns_from_the_kernel(tmp_path: Path) -> None:
    kernel = re.compile(r"0xffffffff[0-9a-f]{8}/")
    for options, expected in ((("-b", "-c", "1009"), False), (("-b", "-c", "1009", "--raw-lbr"), True)):
        data = record(*options, program=["ls", "/"], cwd=tmp_path)
        text = lastbranch("script", "-F", "brstack", "-i", data).stdout.decode()
        assert bool(kernel.search(text)) == expected


def test_report_names_the_hottest_branches(tmp_path: Path) -> None:
    program = [str(compile_c(CALLS, tmp_path / "calls"))]
    data = record("-b", "-c", "1009", program=program, cwd=tmp_path)
    done = lastbranch("report", "-i", data, "-n", "3")
    assert (done.returncode, done.stderr) == (0, b"")
    first, _, *rows = done.stdout.decode().splitlines()
    assert re.fullmatch(r"\d+ branches in \d+ samples, \d+ different", first)
    assert len(rows) == 3
    shown = "\n".join(rows)
    assert re.search(r"main\+0x[0-9a-f]+ \(calls\) -> leaf\+0x0 \(calls\)$", shown, re.MULTILINE)
    assert re.search(r"leaf\+0x[0-9a-f]+ \(calls\) -> main\+0x[0-9a-f]+ \(calls\)$", shown, re.MULTILINE)


def test_report_names_the_functions_of_the_vdso(tmp_path: Path) -> None:
    source = CALLS.replace("int main", "#include <time.h>\nint main").replace(
        "sum += leaf(i)", "sum += (int)clock_gettime(CLOCK_MONOTONIC, &(struct timespec){0})"
    )
    program = [str(compile_c(source.replace("static int", "static inline int"), tmp_path / "clock"))]
    data = record("-b", "-c", "1009", program=program, cwd=tmp_path)
    shown = lastbranch("report", "-i", data).stdout.decode()
    assert re.search(r" -> clock_gettime\+0x0 \(\[vdso\]\)$", shown, re.MULTILINE), shown
    assert re.search(r" clock_gettime\+0x7 \(\[vdso\]\) -> ", shown), shown


def test_report_says_of_files_that_are_another_build(tmp_path: Path) -> None:
    program = tmp_path / "calls"
    data = record("-b", "-c", "1009", program=[str(compile_c(CALLS, program))], cwd=tmp_path)
    compile_c(CALLS, program, ("-O0",))
    done = lastbranch("report", "-i", data, "-n", "3")
    assert done.returncode == 0
    assert "main" not in done.stdout.decode()
    assert re.search(rf"{program}: expected build-id \w+, as recorded, found \w+", words(done)), words(done)


def test_a_full_disk_leaves_a_valid_file_or_none(tmp_path: Path) -> None:
    for limit in (100, 3000, 20_000, 50_000):
        data = tmp_path / f"p{limit}.data"
        done = lastbranch(
            *("record", "-b", "-c", "1009", "-o", data, "--", busybox(), "sha256sum", busybox()),
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert done.returncode == 1, words(done)
        assert words(done).startswith(f"lastbranch: {data}: ")
        assert words(done).count("\n") == 1
        left = list(tmp_path.glob(".*"))
        assert left == []
        if data.exists():
            text = succeed(tool("perf"), "script", "-F", "ip,brstack", "-i", data)
            samples = text.count(b"\n")
    assert data.exists()
    assert samples > 10, "the largest limit leaves room for many"


def test_script_reports_a_full_disk(tmp_path: Path) -> None:
    data = record("-c", "10007", program=sha256(tmp_path), cwd=tmp_path)
    done = lastbranch("script", "-i", data, "-o", "/dev/full")
    assert done.returncode == 1
    assert words(done) == "lastbranch: /dev/full: cannot be written: No space left on device\n"


BRANCH = re.compile(r"0x([0-9a-f]+)/0x([0-9a-f]+)/")


def stacks(data: Path) -> list[tuple[int, list[tuple[int, int]]]]:
    """(IP, branches newest first) of every sample."""
    text = succeed(tool("perf"), "script", "-F", "ip,brstack", "-i", data).decode()
    rows = []
    for line in text.splitlines():
        ip, _, branches = line.strip().partition(" ")
        rows.append((int(ip, 16), [(int(a, 16), int(b, 16)) for a, b in BRANCH.findall(branches)]))
    return rows


@pytest.mark.parametrize("period", ["1", "1009"])
def test_a_precise_sample_is_the_instruction_that_overflows(period: str, tmp_path: Path) -> None:
    program = [busybox(), "true"]
    common = ("-b", "-e", "br_inst_retired.near_taken:upp", "-c", period)
    data = record(*common, program=program, cwd=tmp_path)
    rows = stacks(data)
    counted = lastbranch("stat", "-x,", "-e", "br_inst_retired.near_taken:u", "--", *program)
    assert len(rows) == int(words(counted).split(",")[0]) // int(period)
    # The newest record is the branch whose retirement overflowed the counter.
    assert all(branches[0][0] == ip for ip, branches in rows if branches)


def test_skid_moves_samples_that_are_not_precise(tmp_path: Path) -> None:
    program = [busybox(), "true"]
    taken = "br_inst_retired.near_taken:u"
    exact = stacks(record("-b", "-e", taken, "-c", "97", program=program, cwd=tmp_path))
    late = stacks(record("-b", "-e", taken, "-c", "97", "--skid", "50", program=program, cwd=tmp_path))
    precise = stacks(
        record("-b", "-e", taken + "pp", "-c", "97", "--skid", "50", program=program, cwd=tmp_path)
    )
    assert len(exact) == len(precise) and abs(len(late) - len(exact)) <= 1
    assert all(branches[0][1] == ip for ip, branches in exact)
    assert sum(branches[0][1] == ip for ip, branches in late) < len(late) / 2
    assert all(branches[0][0] == ip for ip, branches in precise)


def test_pebs_samples_the_next_branch_after_the_overflow(tmp_path: Path) -> None:
    program = [busybox(), "true"]
    common = ("-b", "-e", "br_inst_retired.near_taken:upp")
    # A counter that starts at -100 overflows at the 100th branch, and PEBS takes the 101st.
    pebs = stacks(record(*common, "-c", "100", "--pebs", program=program, cwd=tmp_path))
    exact = stacks(record(*common, "-c", "101", program=program, cwd=tmp_path))
    assert pebs[:-1] == exact[: len(pebs) - 1]
    assert len(pebs) == len(exact) > 20


FILTERED = (
    ("any", {"COND", "UNCOND", "IND", "CALL", "IND_CALL", "RET"}),
    ("any_call", {"CALL", "IND_CALL"}),
    ("any_ret", {"RET"}),
    ("call", {"CALL"}),
    ("ind_call", {"IND_CALL"}),
    ("ind_jmp", {"IND"}),
    ("cond", {"COND"}),
    ("cond,any_ret", {"COND", "RET"}),
    ("stack", {"CALL", "IND_CALL"}),
)


@pytest.mark.parametrize("uarch", ["nehalem", "haswell", "skylake", "sapphirerapids"])
def test_filters_keep_what_they_name(uarch: str, tmp_path: Path) -> None:
    depth = {"nehalem": 16, "haswell": 16}.get(uarch, 32)
    for filters, kinds in FILTERED:
        if filters == "stack" and uarch == "nehalem":
            continue
        options = ("-j", filters + ",save_type,u", "-e", "cycles:u", "-c", "3001", "--uarch", uarch)
        data = record(*options, program=[busybox(), "ls", "/"], cwd=tmp_path)
        text = succeed(tool("perf"), "script", "-F", "ip,brstack", "-i", data).decode()
        found = set(re.findall(r"/([A-Z_]+)\b", text)) - {"P", "M", "X", "A"}
        assert found == kinds or (filters == "any" and found >= kinds), filters
        lengths = {len(BRANCH.findall(line)) for line in text.splitlines()}
        # Nehalem records jumps with the calls, and software drops them afterwards.
        rare = filters in ("stack", "ind_jmp", "ind_call") or (uarch == "nehalem" and filters != "any")
        assert max(lengths) == depth or rare, filters


def test_more_sampling_events_than_counters_are_refused(tmp_path: Path) -> None:
    events = ",".join(
        f"br_inst_retired.{e}:u"
        for e in ("near_taken", "near_call", "near_return", "conditional", "not_taken")
    )
    done = lastbranch("record", "-e", events, "-c", "1000", "--", busybox(), "true", cwd=tmp_path)
    assert done.returncode == 2
    assert "fit on the counters" in words(done)
    assert not list(tmp_path.iterdir())


def test_report_keeps_processes_apart(tmp_path: Path) -> None:
    """Two processes, one address: each has its own file there."""
    capture = tmp_path / "capture.txt"
    lines = "".join(
        f"PERF_RECORD_MMAP2 {pid}/{pid}: [0x401000(0x1000) @ 0x{pid}000 08:01 5 6]: r-xp /x/{name}\n"
        for pid, name in ((7, "first"), (8, "second"))
    )
    for pid in (7, 8, 8):
        lines += f" prog {pid}/{pid} 1.000001: cycles: 401000 0x401000/0x401010/P/-/-/1\n"
    capture.write_text(lines)
    done = lastbranch("report", "-i", capture)
    assert done.stdout.decode().splitlines()[2:] == [
        " 66.67%   0.00%  0x8000 (second) -> 0x8010 (second)",
        " 33.33%   0.00%  0x7000 (first) -> 0x7010 (first)",
    ]
