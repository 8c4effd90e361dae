"""lastbranch-msr-dump against a tree of files in the devices' places."""

import struct
import subprocess
from pathlib import Path

from tests.cli.support import BINARY, ENVIRONMENT, lastbranch

PROGRAM = BINARY.parent / "lastbranch-msr-dump"
SKYLAKE = 0x506E3


def dump(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [PROGRAM, *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, timeout=60, check=False
    )


def tree(root: Path, msrs: dict[int, int], signature: int = SKYLAKE) -> Path:
    """A folder that has processor 3, which answers leaf 1 and these registers."""
    devices = root / "dev/cpu/3"
    devices.mkdir(parents=True)
    (devices / "msr").write_bytes(b"".join(struct.pack("<QQ", index, value) for index, value in msrs.items()))
    (devices / "cpuid").write_bytes(struct.pack("<6I", 1, 0, signature, 0, 0, 0))
    proc = root / "proc/sys/kernel"
    proc.mkdir(parents=True)
    (proc / "osrelease").write_text("6.8.0-test\n")
    (root / "proc/cpuinfo").write_text(
        "".join(
            f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: A part\n"
            f"microcode\t: {0xE0 + n:#x}\n\n"
            for n in range(5)
        )
    )
    return root


def test_every_register_of_the_part_has_a_line(tmp_path: Path) -> None:
    ring = {0x680 + n: 0x401000 + n for n in range(32)}
    root = tree(tmp_path / "root", {0x1C9: 31, 0x345: 0x33C5, **ring})
    done = dump("--root", root, "--cpu", "3", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "lastbranch-msr-dump 1"
    header = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert header["source"] == f"{root}/dev/cpu/3/msr"
    assert header["cpuid-signature"] == "GenuineIntel,6,94,3"
    assert header["record"] == "skylake"
    assert header["microcode"] == "0xe3"
    assert header["cpu-name"] == "A part"
    assert header["kernel"] == "Linux 6.8.0-test"
    assert header["command"] == f"lastbranch-msr-dump --root {root} --cpu 3"
    assert "cpuid 0x00000001 0x0 0x000506e3 0x00000000 0x00000000 0x00000000" in lines
    registers = {int(line.split()[1], 16): line.split()[2:] for line in lines if line.startswith("msr ")}
    assert registers[0x1C9] == ["MSR_LASTBRANCH_TOS", "0x000000000000001f"]
    assert registers[0x69F] == ["MSR_LASTBRANCH_31_FROM_IP", "0x000000000040101f"]
    assert registers[0x6C0] == ["MSR_LASTBRANCH_0_TO_IP", "unreadable", "EIO"]
    listed = lastbranch("list", "msrs", "--uarch", "skylake").stdout.decode().splitlines()
    rows = {int(line.split()[0], 16): line.split()[1] for line in listed if line.startswith("0x")}
    assert {index: words[0] for index, words in registers.items()} == rows


def test_an_unknown_part_gets_the_registers_of_all(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", {0x14CE: 1}, signature=0x000F_0FF0)
    done = dump("--root", root, "-c", "3", "-o", "dump.txt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    text = (tmp_path / "dump.txt").read_text()
    assert "record: none: the registers of all parts\n" in text
    assert "msr 0x000014ce IA32_LBR_CTL 0x0000000000000001\n" in text
    assert "msr 0x000001c9 MSR_LASTBRANCH_TOS unreadable EIO\n" in text


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    done = dump("--root", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}/dev/cpu/0/msr: cannot be opened: No such file".encode() in done.stderr
    assert b"modprobe msr" in done.stderr
    assert dump("--cpu", "x", cwd=tmp_path).returncode == 2
    root = tree(tmp_path / "root", {})
    full = dump("--root", root, "-c", "3", "-o", "/dev/full", cwd=tmp_path)
    assert full.returncode == 1
    assert b"/dev/full: cannot be written: No space left on device" in full.stderr
