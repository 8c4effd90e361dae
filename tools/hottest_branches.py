"""Sums up `script -F ip,brstack` on standard input: which branches were taken most, and how predictably.

With --program, a static program that is not position-independent, each branch is shown as objdump
disassembles it.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections import Counter

ENTRY = re.compile(r"0x([0-9a-f]+)/0x([0-9a-f]+)/([PMN-])/")


def instruction_at(program: str, address: int) -> str:
    """The instruction at an address of the program, or nothing where there is none."""
    window = [f"--start-address={address}", f"--stop-address={address + 15}"]
    done = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", *window, program], capture_output=True, text=True
    )
    line = re.search(rf"^\s*{address:x}:\s+(.+)$", done.stdout, re.MULTILINE)
    return " ".join(line.group(1).split()) if line else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", help="file to disassemble the branches from")
    parser.add_argument("--rows", type=int, default=15, help="how many branches to print")
    arguments = parser.parse_args()

    taken: Counter[tuple[int, int]] = Counter()
    missed: Counter[tuple[int, int]] = Counter()
    samples = 0
    for line in sys.stdin:
        samples += 1
        for source, target, prediction in ENTRY.findall(line):
            edge = (int(source, 16), int(target, 16))
            taken[edge] += 1
            missed[edge] += prediction == "M"
    total = taken.total()
    if not total:
        print("no branches recorded", file=sys.stderr)
        return 1

    disassemble = arguments.program and shutil.which("objdump")
    print(f"{total} branches in {samples} samples, {len(taken)} different")
    print(f"{'share':>7} {'missed':>7}  {'from':>14}    {'to':<14} instruction")
    for (source, target), count in taken.most_common(arguments.rows):
        instruction = instruction_at(arguments.program, source) if disassemble else ""
        print(
            f"{count / total:7.2%} {missed[source, target] / count:7.2%}"
            f"  {source:#14x} -> {target:<#14x} {instruction}".rstrip()
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
