"""An independent view of a program's code: objdump's instructions, where perf says they were mapped."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.support import compile_c, lastbranch, succeed, tool

PREFIXES = {"bnd", "notrack", "rep", "repz", "repnz", "data16", "addr32", "cs", "ds", "es", "ss", "lock"}
LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S.*)$")
LOAD = re.compile(r"^\s*LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)")
MMAP = re.compile(r"PERF_RECORD_MMAP2? .*: \[(0x\w+)\((0x\w+)\) @ (\w+) .*\]: \S*x\S* (\S+)$")


@dataclass(frozen=True)
class Instruction:
    length: int
    kind: str  # "cond", "jmp", "call", "ret", "syscall" or "" for what is no branch
    target: int | None  # of a direct branch, an address of the file

    @property
    def unconditional(self) -> bool:
        return self.kind in {"jmp", "call", "ret"}


def parse(length: int, text: str) -> Instruction:
    words = text.split("#")[0].split()
    while len(words) > 1 and words[0] in PREFIXES:
        words = words[1:]
    mnemonic = words[0].split(",")[0]  # "jne,pn"
    if mnemonic == "jmp":
        kind = "jmp"
    elif mnemonic.startswith(("j", "loop")):
        kind = "cond"
    elif mnemonic in {"call", "ret", "syscall"}:
        kind = mnemonic
    else:
        return Instruction(length, "", None)
    direct = len(words) > 1 and re.fullmatch(r"(0x)?[0-9a-f]+", words[1]) is not None and kind != "ret"
    return Instruction(length, kind, int(words[1], 16) if direct else None)


# The only file of [vdso] is in the memory of every process.
PRINT_VDSO = r"""
#include <sys/auxv.h>
#include <unistd.h>
int main(void) {
  char* image = (char*)getauxval(AT_SYSINFO_EHDR);
  return image == NULL || write(1, image, 4096) != 4096;
}
"""


class File:
    """One ELF file."""

    def __init__(self, path: str | Path) -> None:
        self.instructions: dict[int, Instruction] = {}
        for line in succeed(tool("objdump"), "-d", "-w", path).decode().splitlines():
            found = LINE.match(line)
            if found:
                length = len(found[2].split())
                self.instructions[int(found[1], 16)] = parse(length, found[3])
        headers = succeed(tool("readelf"), "-lW", path).decode()
        self.loads = [
            (int(m[1], 16), int(m[2], 16), int(m[3], 16)) for m in map(LOAD.match, headers.splitlines()) if m
        ]

    def address_of(self, offset: int) -> int:
        for start, address, size in self.loads:
            if start <= offset < start + size:
                return address + offset - start
        raise AssertionError(f"no segment holds offset {offset:#x}")


@cache
def disassemble(path: str) -> File:
    if path != "[vdso]":
        return File(path)
    with TemporaryDirectory() as folder:
        program = compile_c(PRINT_VDSO, Path(folder) / "print_vdso")
        image = lastbranch("run", "--", program)
        assert image.returncode == 0
        file = Path(folder) / "vdso.so"
        file.write_bytes(image.stdout)
        return File(file)


class Process:
    """The code of a recorded process, by run-time address."""

    def __init__(self, perf_script: str) -> None:
        """From the MMAP2 records in the text of `perf script --show-mmap-events`."""
        self.ranges = [
            (int(m[1], 16), int(m[2], 16), int(m[3], 0), m[4])
            for m in map(MMAP.search, perf_script.splitlines())
            if m
        ]

    def at(self, address: int) -> tuple[Instruction, int]:
        """The instruction that begins at `address`, and what to add to the file's addresses."""
        for start, length, offset, path in self.ranges:
            if start <= address < start + length:
                file = disassemble(path)
                linked = file.address_of(address - start + offset)
                assert linked in file.instructions, f"{address:#x}: no instruction of {path} begins there"
                return file.instructions[linked], address - linked
        raise AssertionError(f"{address:#x}: no executable mapping")
