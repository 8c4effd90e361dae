"""kvm: explain, diff and check on the command line."""

import gzip
from pathlib import Path

import pytest

from tests.cli.support import ROOT, lastbranch, words

VECTORS = sorted((ROOT / "tests" / "data" / "kvm").glob("*.csv.gz"))
KERNELS = [*(f"v5-series:{n}" for n in range(9)), "6.1.4", "6.1.192", "6.12.8", "6.12.117", "7.3-rc7"]
PMI = "state,vlbr_perf_cap,guest_pmu_version,in_kernel_apic,debugctl,debugctl_after,lvtpc_deliveries"

WITHOUT_WHO = [["--rdpmc", "0"], ["--feature", "0x345"], ["--entry"], ["--pmi"], ["--reset"]]


def explain(*arguments: str) -> str:
    done = lastbranch("kvm", "explain", *arguments)
    assert (done.returncode, done.stderr) == (0, b""), words(done)
    return done.stdout.decode()


def not_taken(text: str) -> list[str]:
    """The lines behind "not taken:", the rules' indented further."""
    return text.partition("not taken:\n")[2].splitlines()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("write", "bits", "rule"),
    [
        ("debugctl=0x43", "0x40 (TR)", "debugctl-invalid"),
        ("perf_capabilities=0x2006", "0x6 (LBR_FMT)", "perfcap-fmt-differs"),
        ("perf_global_ctrl=0x1ff", "0x100 (general counter 8)", "vpmu-control-reserved"),
        ("evtsel0=0x6300c4", "0x200000 (ANY)", "vpmu-control-reserved"),
        ("fixed_ctr_ctrl=0x4", "0x4 (ANY of fixed counter 0)", "vpmu-control-reserved"),
        ("lbr_select=0x400", "0x400 (a bit without a name)", "lbr-hardware-write"),
    ],
)
def test_explain_names_bits_and_rows_on_every_kernel(kernel: str, write: str, bits: str, rule: str) -> None:
    lines = not_taken(explain("--kernel", kernel, "--who", "host", "--write", write))
    at = next(i for i, line in enumerate(lines) if line.startswith(f"  {bits}: "))
    assert lines[at + 1].startswith(f"    {rule}")
    assert "[section " in lines[at + 1]


def test_explain_says_what_a_rule_wants() -> None:
    write = ["--who", "host", "--write", "debugctl=0x4", "--host", "bus_lock", "--guest", "bus_lock=0"]
    text = explain("--kernel", "v5-series:3", *write)
    assert not_taken(text) == [
        "  0x4 (BUS_LOCK_DETECT): refused, and the write with it: its rule does not hold: the host has "
        "bus-lock detection: yes; the guest's CPUID has it: no",
        "    debugctl-invalid: another bit is not legal [section 4.2 step b; all]",
        "    debugctl-bus-lock-any: BUS_LOCK_DETECT, whoever asks: the host and the guest's CPUID have it "
        "[section 4.1; v5-series:0..3]",
    ]
    after = explain("--kernel", "v5-series:4", *write)
    assert "user space writes debugctl=0x4: ok\n" in after
    assert "not taken" not in after


def test_explain_names_no_bits_of_a_write_that_is_taken() -> None:
    assert "not taken" not in explain("--write", "debugctl=0x801")


def test_diff_is_the_series() -> None:
    done = lastbranch("kvm", "diff", "--kernels", "v5-series:3,v5-series:4")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert any("user space writes debugctl=0x800" in line for line in lines)
    assert not any("guest writes" in line for line in lines)
    same = lastbranch("kvm", "diff", "--kernels", "v5-series:7,v5-series:8")
    assert (same.returncode, same.stdout) == (0, b"no answer differs\n")


@pytest.mark.parametrize(
    ("uarch", "values"), [("skylake", {0x5, 0x2005}), ("sapphirerapids", {0x3F, 0x203F})]
)
def test_diff_writes_the_formats_of_the_part(uarch: str, values: set[int]) -> None:
    done = lastbranch("kvm", "diff", "--kernels", "v5-series:1,v5-series:2", "--uarch", uarch)
    lines = [line for line in done.stdout.decode().splitlines() if "probe failed" in line]
    for value in values:
        written = f"user space writes perf_capabilities={value:#x} "
        assert any(line.startswith(written) and "fails (invalid)" in line for line in lines)


@pytest.mark.parametrize(("later", "value"), [("lbr_nr_later=0", 0x2000), ("caps_later=0x33c3", 0x2003)])
def test_diff_shows_a_host_that_changes_after_the_load(later: str, value: int) -> None:
    kernels = ["kvm", "diff", "--kernels", "v5-series:4,v5-series:5"]
    assert lastbranch(*kernels).stdout == b"no answer differs\n"
    lines = lastbranch(*kernels, "--host", later).stdout.decode().splitlines()
    feature = [line.split("  ") for line in lines if line.startswith("feature MSR perf_capabilities")]
    assert any({f"ok, {value:#x}", "ok, 0x2005"} <= {cell.strip() for cell in cells} for cells in feature)


def test_diff_compares_events_of_a_guest_that_records() -> None:
    lines = lastbranch("kvm", "diff", "--kernels", "6.2,6.12.8").stdout.decode().splitlines()
    reset = [line for line in lines if line.startswith("RESET ")]
    assert any(
        "debugctl 0x0, lbr event no" in line and "debugctl 0x0, lbr event yes" in line for line in reset
    )
    pmi = [line for line in lines if line.startswith("PMI ")]
    assert any("debugctl 0x800, lbr event yes" in line and "debugctl 0x801, no LBRs" in line for line in pmi)


@pytest.mark.parametrize(
    ("read", "name"),
    [
        ("IA32_DEBUGCTL", "debugctl"),
        ("0x1d9", "debugctl"),
        ("perfevtsel0", "perfevtsel0"),
        ("evtsel0", "perfevtsel0"),
        ("perf_global_ctrl", "global_ctrl"),
        ("MSR_LASTBRANCH_31_TO_IP", "lbr_31_to"),
    ],
)
def test_registers_have_the_names_of_the_manual_and_short_ones(read: str, name: str) -> None:
    assert f": guest reads {name}: ok, 0x0\n" in explain("--read", read)


def test_check_reads_plain_and_gzip_files_three_times() -> None:
    assert len(VECTORS) == 11
    done = lastbranch("kvm", "check", *VECTORS, *VECTORS, *VECTORS)
    assert (done.returncode, done.stderr) == (0, b"")
    heads = [line for line in done.stdout.decode().splitlines() if " rows match" in line]
    assert len(heads) == 33
    assert sum(int(line.split()[-3]) for line in heads) == 3 * 44746


def test_check_does_not_read_for_ever(tmp_path: Path) -> None:
    bomb = tmp_path / "zeros.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(65):
            file.write(bytes(1 << 20))
    for path in (bomb, Path("/dev/zero")):
        done = lastbranch("kvm", "check", path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode() == f"lastbranch: {path}: expected up to 67108864 bytes, found more\n"


def test_check_prints_the_first_rows_that_differ_and_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "pmi.csv"
    file.write_text(f"{PMI}\ns0,1,2,1,0x801,0x801,1\ns8,1,2,1,0x801,0x800,1\ns0,1,2,0,0x801,0x800,0\n")
    done = lastbranch("kvm", "check", "--first", "1", file, VECTORS[0])
    assert (done.returncode, done.stderr) == (1, b"")
    text = done.stdout.decode()
    assert f"{file}: set pmi: 1 of 3 rows match\n" in text
    assert f"    {file}:2: debugctl_after: expected 0x801, found 0x800\n" in text
    assert f"{file}:4" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": expected reference vectors, found an empty file"),
        (
            PMI.encode(),
            ":1: column 94: expected the end of the line, found the end of the file (a torn line)",
        ),
        (
            f"{PMI}\ns0,1,2\n".encode(),
            ":2: column 4 (in_kernel_apic): expected 7 columns, found 3 (a torn line)",
        ),
        (f"{PMI}\nlinux,1,2,1,0,0,1\n".encode(), ":2: column 1 (state): kernel: expected one of v5-series:0"),
        (f"{PMI}\ns0,yes,2,1,0,0,1\n".encode(), ":2: column 2 (vlbr_perf_cap): expected 0 or 1, found 'yes'"),
        (f"{PMI}\ns0,1,\x1b[2J,1,0,0,1\n".encode(), ":2: column 6: expected text, found byte 0x1b"),
        (f"{PMI}\ns0,1,2,1,0,0,1\n".encode("utf-16-le"), ":1: column 2: expected text, found byte 0x00"),
        (f"{PMI},{PMI}\n".encode(), ":1: column 8: expected each column once, found 'state' again"),
        (gzip.compress(f"{PMI}\ns0,1,2,1,0,0,1\n".encode())[:-9], ": expected a whole gzip file"),
    ],
)
def test_check_refuses_files_with_line_and_column(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    done = lastbranch("kvm", "check", file)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"lastbranch: {file}{message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "--write", "debugctl"], "--write: expected REGISTER=VALUE, found 'debugctl'"),
        (["explain", "--write", "evtsel9=1"], "MSR: expected a number, a name of the manual or one of pmc#"),
        (["explain", "--read", "fixed_ctr7"], "MSR: expected a number, a name of the manual or one of pmc#"),
        (["explain", "--read", "0x100000000"], "register: expected a number of 32 bits, found 0x100000000"),
        (["explain", "--rdpmc", "0x100000000"], "--rdpmc: expected a number of 32 bits, found 0x100000000"),
        *(
            (["explain", *op, "--who", "host"], "--who: expected with --write or --read only")
            for op in WITHOUT_WHO
        ),
        (
            ["explain", "--kernel", "5.15", "--write", "debugctl=1"],
            "kernel: expected one of v5-series:0 (s0)",
        ),
        (["explain"], "kvm explain: expected one of --write"),
        (
            ["explain", "--write", "debugctl=1", "--host", "lbr_nr=33"],
            "--host: lbr_nr: expected a value up to 32, found 33",
        ),
        (
            ["explain", "--write", "debugctl=1", "--guest", "pdcm=2"],
            "--guest: pdcm: expected a value up to 1, found 2",
        ),
        (["explain", "--write", "debugctl=1", "--guest", "colour"], "--guest: expected one of pdcm, ds"),
        (["diff", "--kernels", "6.2"], "--kernels: expected two or more, found '6.2'"),
        (["check"], "kvm check: expected files of reference vectors, found none"),
        (["check", "/nonexistent.csv"], "/nonexistent.csv: cannot be opened"),
        (["model"], "kvm: expected explain, diff or check, found 'model'"),
    ],
)
def test_refused_arguments(arguments: list[str], message: str) -> None:
    done = lastbranch("kvm", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"lastbranch: {message}")
