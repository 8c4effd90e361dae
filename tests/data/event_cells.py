#!/usr/bin/env python3
"""Transcribes the event tables of the PMU data sheet: tests/data/event_cells.py SHEET > event_cells.csv.

A line per event: group, priority, event and its cell on each part, empty where the part's list has no such
event. A cell is EVENT/UMASK in hexadecimal, then cN cmask, i inv, e edge, any, Fk fixed counter as the list
numbers it, p precise, dep deprecated, msrN=V.
"""

import re
import sys
from pathlib import Path


def main() -> int:
    group = priority = ""
    parts: list[str] = []
    for line in Path(sys.argv[1]).read_text().splitlines():
        heading = re.match(r"#### (.*?) — (P[123]) ", line)
        if heading:
            group, priority = heading[1].replace(",", ""), heading[2]
        elif line.startswith("#"):
            group = ""
        if not group or not line.startswith("| "):
            continue
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if name != "event":
            print(",".join([group, priority, name, *("" if cell == "\u2013" else cell for cell in cells)]))
        elif not parts:
            parts = cells
            print(",".join(["group", "priority", "event", *parts]))
        else:
            assert cells == parts, f"{group}: {cells}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
