#!/usr/bin/env python3
"""Writes the PMU's event table from Intel's event lists and our formulas.

    tools/gen_events.py LISTS [FOLDER]

LISTS is a folder with core event files of github.com/intel/perfmon, plain or gzipped. Writes
models/pmu/event_rows.inc and models/pmu/event_codes.inc below FOLDER (this checkout). With --check, nothing
is written: exit status 1 says that a file would change.
"""

import argparse
import csv
import gzip
import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "github.com/intel/perfmon, commit 6dadedf3aa48"
FILES = {
    "Bonnell": "bonnell",
    "Nehalem": "NehalemEP",
    "Westmere": "WestmereEP-DP",
    "SandyBridge": "sandybridge",
    "IvyBridge": "ivybridge",
    "Silvermont": "Silvermont",
    "Haswell": "haswell",
    "Broadwell": "broadwell",
    "Skylake": "skylake",
    "SkylakeX": "skylakex",
    "Goldmont": "goldmont",
    "GoldmontPlus": "goldmontplus",
    "CascadeLakeX": "cascadelakex",
    "IceLake": "icelake",
    "IceLakeX": "icelakex",
    "GoldenCove": "alderlake_goldencove",
    "Gracemont": "alderlake_gracemont",
    "SapphireRapids": "sapphirerapids",
}
# CPUID leaf 0AH's events, which have a name on every part: code, name, meaning, formula.
ARCHITECTURAL = (
    (0x0100, "inst_retired.any", "Instructions retired (fixed counter)", "instructions"),
    (0x00C0, "inst_retired.any_p", "Instructions retired", "instructions"),
    (0x0200, "cpu_clk_unhalted.thread", "Core clocks while not halted (fixed counter)", "cycles"),
    (0x003C, "cpu_clk_unhalted.thread_p", "Core clocks while not halted", "cycles"),
    (0x0300, "cpu_clk_unhalted.ref_tsc", "TSC clocks while not halted (fixed counter)", "cycles"),
    (0x013C, "cpu_clk_unhalted.ref_p", "Bus clocks while not halted", "crystal_cycles"),
    (0x4F2E, "longest_lat_cache.reference", "Requests to the last-level cache", "llc_references"),
    (0x412E, "longest_lat_cache.miss", "Requests that missed the last-level cache", "llc_misses"),
    (0x00C4, "br_inst_retired.all_branches", "Branches retired", "branches"),
    (0x00C5, "br_misp_retired.all_branches", "Mispredicted branches retired", "mispredicted"),
)
EDGE, ANY, INV = 1 << 18, 1 << 21, 1 << 23
MODIFIERS = EDGE | INV | 0xFF << 24
FIXED = re.compile(r"Fixed counter (\d)", re.I)
MAX_TERMS = 8

Formula = tuple[tuple[str, bool, int], ...]  # fact, subtracted, times


@dataclass
class Entry:
    """An event of one list."""

    name: str
    code: int
    description: str
    precise: bool = False
    deprecated: bool = False
    counters: int = 0  # the only general counters that have it; 0: all have
    msr: int = 0
    msr_value: int = 0
    formula: Formula = ()
    per_cycle: bool = False


@dataclass
class Row:
    """What lists share."""

    entry: Entry
    lists: int = 0
    precise: int = 0
    deprecated: int = 0
    order: int = 0
    key: tuple[Any, ...] = field(default=())


def number(text: str) -> int:
    text = text.strip().split(",")[0].strip()
    return 0 if text in {"", "null", "NA"} else int(text, 0)


def camel(fact: str) -> str:
    return "k" + "".join(word.capitalize() for word in fact.split("_"))


def read_facts() -> set[str]:
    """The facts' names, checked against the enumerators of Ev."""
    text = (ROOT / "sim/base/facts.h").read_text()
    names = re.findall(r'"(\w+)"', text[text.index("kEvNames =") :])
    enumerators = re.findall(r"^  (k\w+),", text[text.index("enum class Ev") : text.index("  kCount,")], re.M)
    assert len(names) == len(enumerators), f"{len(names)} names, {len(enumerators)} facts"
    for name, enumerator in zip(names, enumerators, strict=True):
        assert camel(name) == enumerator, f"facts.h: {enumerator} is named {name}"
    return set(names)


def read_lists() -> list[str]:
    text = (ROOT / "sim/base/pmu_params.h").read_text()
    body = text[text.index("enum class EventList") : text.index("  kCount,")]
    return re.findall(r"^  k(\w+),", body, re.M)


def parse_formula(text: str, facts: set[str]) -> Formula:
    terms: list[tuple[str, bool, int]] = []
    minus = False
    for word in text.split():
        if word in {"+", "-"}:
            minus = word == "-"
            continue
        times, _, fact = word.rpartition("*")
        assert fact in facts, f"formula '{text}': expected a fact, found '{fact}'"
        terms.append((fact, minus, int(times or 1)))
        minus = False
    assert 0 < len(terms) <= MAX_TERMS, f"formula '{text}': expected 1 to {MAX_TERMS} facts"
    return tuple(terms)


class Formulas:
    """data/event_formulas.csv."""

    def __init__(self, facts: set[str]) -> None:
        self.named: dict[tuple[str, str], Formula] = {}
        self.coded: dict[tuple[str, int], Formula] = {}
        self.used: set[tuple[str, str] | tuple[str, int]] = set()
        lines = (ROOT / "data/event_formulas.csv").read_text().splitlines()
        rows = csv.DictReader(line for line in lines if line and not line.startswith("#"))
        for row in rows:
            formula = parse_formula(row["formula"], facts)
            for part in row["lists"].split() or FILES:
                assert part in FILES, f"event_formulas.csv: no list {part}"
                code = re.fullmatch(r"([0-9A-F]+)/([0-9A-F]+)", row["event"])
                if code:
                    self.coded[part, int(code[1], 16) | int(code[2], 16) << 8] = formula
                else:
                    assert (row["event"], part) not in self.named, f"{row['event']} twice for {part}"
                    self.named[row["event"], part] = formula

    def apply(self, part: str, entries: list[Entry]) -> None:
        coded = {code: f for (name, code), f in self.coded.items() if name == part}
        for e in entries:
            e.formula = self.named.get((e.name, part), ())
            if e.formula:
                self.used.add((e.name, part))
                if e.msr == 0 and e.code & ANY == 0:
                    coded.setdefault(e.code, e.formula)
        for e in entries:
            code = e.code & ~ANY
            if e.formula or e.msr != 0:
                continue
            if code in coded:
                e.formula = coded[code]
            elif code & MODIFIERS and code & 0xFFFF in coded:
                e.formula = coded[code & 0xFFFF]
                e.per_cycle = True

    def check(self) -> None:
        names = {str(key[0]) for key in self.used}
        unused = sorted({name for name, _ in self.named} - names)
        assert not unused, f"event_formulas.csv: no list has {', '.join(unused)}"


def meaning(item: dict[str, str]) -> str:
    text = " ".join(item["BriefDescription"].split())
    if item.get("Deprecated") == "1":
        other = re.search(r"(?:new event|alias to) ([A-Z][\w.]+\w)", text)
        return f"Old name of {other[1].lower()}" if other else "Deprecated"
    text = re.sub(r"\s*\((Precise Event|Must be precise|Fixed event)[^)]*\)", "", text, flags=re.I)
    text = re.split(r"(?<=[a-z)])[.;] (?=[A-Z])|\s*\[This event", text)[0]
    return text.strip(" .").replace('"', "'")


def counters_of(item: dict[str, str]) -> set[int]:
    text = item.get("CounterHTOff") or item["Counter"]
    return set() if "ixed" in text else {int(n) for n in text.split(",")}


def read_list(folder: Path, part: str) -> list[Entry]:
    path = folder / f"{FILES[part]}_core.json"
    data = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    items = json.loads(data)["Events"]
    everywhere = set().union(*map(counters_of, items))
    # The older lists number fixed counters from 1.
    first_fixed = min(int(found[1]) for item in items if (found := FIXED.match(item["Counter"])))
    entries = []
    for item in items:
        # Off-core response events choose by MSR among thousands of combinations.
        if item.get("Offcore", "0") == "1" or "," in item["EventCode"]:
            continue
        code = number(item["EventCode"]) | number(item["UMask"]) << 8
        code |= EDGE * number(item.get("EdgeDetect", "0")) | INV * number(item.get("Invert", "0"))
        code |= ANY * number(item.get("AnyThread", "0")) | number(item.get("CounterMask", "0")) << 24
        fixed = FIXED.match(item["Counter"])
        if fixed:
            # The older lists give these events no code.
            code = (code & ~0xFFFF) | (int(fixed[1]) + 1 - first_fixed) << 8
        allowed = counters_of(item)
        msr = number(item.get("MSRIndex", "0"))
        entries.append(
            Entry(
                name=item["EventName"],
                code=code,
                description=meaning(item),
                precise=item.get("PEBS", "0") != "0" or item.get("Precise", "0") == "1",
                deprecated=item.get("Deprecated") == "1",
                counters=0 if allowed in (everywhere, set()) else sum(1 << n for n in allowed),
                msr=msr,
                msr_value=number(item.get("MSRValue", "0")) if msr else 0,
            )
        )
    return entries


def build(folder: Path) -> list[Row]:
    facts = read_facts()
    lists = read_lists()
    assert set(lists) == {"Architectural", *FILES}, "EventList and the files differ"
    formulas = Formulas(facts)
    rows: dict[tuple[Any, ...], Row] = {}
    descriptions: dict[tuple[str, int], str] = {}

    def add(part: str, order: int, e: Entry) -> None:
        e.name = e.name.lower()
        if not e.deprecated or (e.name, e.code) not in descriptions:
            descriptions[e.name, e.code] = e.description  # the newest part's
        key = (e.name, e.code, e.msr, e.msr_value, e.formula, e.per_cycle, e.counters)
        row = rows.setdefault(key, Row(e, order=order, key=key))
        bit = 1 << lists.index(part)
        row.lists |= bit
        row.precise |= bit * e.precise
        row.deprecated |= bit * e.deprecated

    for order, (code, name, text, formula) in enumerate(ARCHITECTURAL):
        add("Architectural", order, Entry(name, code, text, formula=parse_formula(formula, facts)))
    for part in lists[1:]:
        entries = read_list(folder, part)
        formulas.apply(part, entries)
        for order, entry in enumerate(entries):
            add(part, order, entry)
    formulas.check()
    for row in rows.values():
        row.entry.description = descriptions[row.entry.name, row.entry.code]

    def rank(row: Row) -> tuple[Any, ...]:
        e = row.entry
        return (e.name, row.lists & -row.lists, e.code, e.msr_value)

    return sorted(rows.values(), key=rank)


def formula_text(formula: Formula) -> str:
    terms = []
    for fact, minus, times in formula:
        rest = f", {str(minus).lower()}, {times}" if times != 1 else ", true" if minus else ""
        terms.append(f"{{Ev::{camel(fact)}{rest}}}")
    return f"{{{', '.join(terms)}}}"


def header(folder: Path, what: str) -> str:
    licence = (folder / "LICENSE").read_text().split("\n", 1)[1].strip()
    notice = "\n".join(f"// {line}".rstrip() for line in licence.splitlines())
    return (
        f"// {what}\n// Generated by tools/gen_events.py from data/event_formulas.csv and event lists of\n"
        f"// {SOURCE}, which are under this licence:\n//\n{notice}\n"
    )


def row_text(row: Row) -> str:
    e = row.entry
    masks = f"{row.lists:#x}, {row.precise:#x}, {row.deprecated:#x}"
    formula = formula_text(e.formula)
    rest = f"{str(e.per_cycle).lower()}, {e.counters:#x}, {e.msr:#x}, {e.msr_value:#x}"
    return f'{{"{e.name}",\n "{e.description}",\n {e.code:#x}, {masks}, {formula}, {rest}}},\n'


def by_code(rows: list[Row]) -> list[int]:
    """Row numbers by code; of one code, the name to show first."""

    def rank(i: int) -> tuple[Any, ...]:
        row = rows[i]
        return (row.entry.code, not row.entry.formula, row.deprecated != 0, row.entry.msr != 0, row.order, i)

    return sorted(range(len(rows)), key=rank)


def codes_text(rows: list[Row]) -> str:
    numbers = [f"{i}," for i in by_code(rows)]
    lines = (" ".join(numbers[i : i + 16]) for i in range(0, len(numbers), 16))
    return "\n".join(lines) + "\n"


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("lists", type=Path, metavar="LISTS")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT, metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    rows = build(arguments.lists)
    files = {
        "event_rows.inc": header(arguments.lists, "Hardware events by name.") + "".join(map(row_text, rows)),
        "event_codes.inc": "// Generated by tools/gen_events.py: rows of event_rows.inc by code.\n"
        + codes_text(rows),
    }
    changed = False
    for name, text in files.items():
        path: Path = arguments.folder / "models/pmu" / name
        if path.exists() and path.read_text() == text:
            continue
        changed = True
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for bit, part in enumerate(read_lists()):
            if row.lists >> bit & 1:
                counts[part][0] += 1
                counts[part][1] += bool(row.entry.formula)
    for part, (events, with_formula) in counts.items():
        print(f"{part}: {events} events, {with_formula} with a formula")
    return 1 if arguments.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
