#!/usr/bin/env python3
"""Joins the data sheets' rows with the tests that show them, and writes docs/hardware-rows.md.

    python3 tools/hardware_rows.py            writes the document
    python3 tools/hardware_rows.py --check    writes nothing; exit status 1 and one line per fault

data/rows/*.csv has one line per rule of the data sheets; a comment `// Rows: id, id` (`#` in Python and
assembly) above a test names those that it shows. data/sheet_rows.csv says which of them stand for which row
of the sheets' tables; where the sheets are (LASTBRANCH_SHARED, or `shared` beside the checkout), every row of
theirs must be in it.
"""

import argparse
import csv
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = "docs/hardware-rows.md"
COVERAGE = "data/sheet_rows.csv"
COLUMNS = ["id", "sheet", "section", "mark", "row", "observable", "option"]
SHEETS = {"lbr": "intel-lbr.md", "pmu": "intel-pmu.md"}
TITLES = {"lbr": "Last-branch records", "pmu": "Performance monitoring"}
# The sections whose every row must have rows of ours. tests/pmu/event_cells_test.cpp holds all event cells
# of section 8.5; section 9 is on metrics.
HARDWARE = {"lbr": re.compile(r"[1-9](\.|$)"), "pmu": re.compile(r"([1-7](\.|$)|8\.[234]$)")}
FIELDS_SOURCE = "models/cpu/uarch/uarch_fields.cpp"
OPTION_FOLDERS = ("sim/base", "models/pmu", "models/lbr")

ROWS = re.compile(r"(?://|#)(?:.*\s)?Rows:\s*(?P<ids>.*)$")
COMMENT = re.compile(r"^\s*(?://|#)\s?(?P<text>.*)$")
TEST = re.compile(r"^\s*TEST(?:_[FP])?\(\s*(?P<suite>\w+)\s*,\s*(?P<name>\w+)")
PYTHON_TEST = re.compile(r"^\s*def (?P<name>test_\w+)\(")
BRACKETS = re.compile(r"\[([^\]]*)\]")
MARK = re.compile(r"\b[VDM]\b")


@dataclass(frozen=True)
class Row:
    id: str
    sheet: str
    section: str
    mark: str
    rule: str
    observable: str
    option: str
    place: str  # file:line

    @property
    def options(self) -> list[str]:
        return re.findall(r"[^,\s]+", self.option)

    @property
    def reason(self) -> str:
        """Why no program can see it; empty if one can."""
        return self.observable.removeprefix("no:").strip() if self.observable != "yes" else ""


@dataclass(frozen=True)
class Shown:
    """A test that names a row."""

    row: str
    test: str
    file: str
    line: int


@dataclass(frozen=True)
class SheetRow:
    """A row of a table of a sheet, or a paragraph or list item beside its tables."""

    sheet: str
    section: str
    key: str
    marks: frozenset[str]

    @property
    def verified(self) -> bool:
        return not self.marks or "V" in self.marks


def read_csv(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells) of a file with exactly these columns."""
    with path.open(newline="") as file:
        reader = csv.reader(file)
        head = next(reader, [])
        if head != columns:
            raise ValueError(
                f"{path.name}:1: expected the columns {','.join(columns)}, found {','.join(head)}"
            )
        for cells in reader:
            if len(cells) != len(columns):
                raise ValueError(
                    f"{path.name}:{reader.line_num}: expected {len(columns)} cells, found {len(cells)}"
                )
            yield reader.line_num, dict(zip(columns, cells, strict=True))


def read_rows(root: Path) -> list[Row]:
    return [
        Row(
            cells["id"],
            cells["sheet"],
            cells["section"],
            cells["mark"],
            cells["row"],
            cells["observable"],
            cells["option"],
            f"{path.relative_to(root)}:{line}",
        )
        for path in sorted((root / "data/rows").glob("*.csv"))
        for line, cells in read_csv(path, COLUMNS)
    ]


def rows_named_in(text: str, file: str) -> Iterator[Shown]:
    """What the `Rows:` comments of one file name. An assembly file is one test, as a guest program is."""
    pending: list[tuple[str, int]] = []
    continued = False
    for number, line in enumerate(text.splitlines(), start=1):
        found = ROWS.search(line)
        comment = COMMENT.match(line)
        ids = found["ids"] if found else comment["text"] if continued and comment else None
        continued = ids is not None and ids.rstrip().endswith(",")
        for name in re.split(r"[,\s]+", ids or ""):
            if name.strip("."):
                pending.append((name.rstrip("."), number))
        test = PYTHON_TEST.match(line) if file.endswith(".py") else TEST.match(line)
        if test:
            name = test["name"] if file.endswith(".py") else f"{test['suite']}.{test['name']}"
            yield from (Shown(row, name, file, at) for row, at in pending)
            pending = []
    if file.endswith(".S"):
        yield from (Shown(row, Path(file).stem, file, at) for row, at in pending)
    else:
        yield from (Shown(row, "", file, at) for row, at in pending)


def read_tests(root: Path) -> list[Shown]:
    return [
        shown
        for path in sorted((root / "tests").rglob("*"))
        if path.suffix in {".cpp", ".h", ".py", ".S"} and path.name != "rows_test.py"
        for shown in rows_named_in(path.read_text(), path.relative_to(root).as_posix())
    ]


def known_options(root: Path) -> set[str]:
    """Fields that --set takes, and Struct::field of the models' option structs."""
    names = set(re.findall(r'"([a-z][a-z0-9_]+)"', (root / FIELDS_SOURCE).read_text()))
    for folder in OPTION_FOLDERS:
        for path in (root / folder).glob("*.h"):
            for struct in re.finditer(r"^struct (\w+) \{\n(.*?)^\};", path.read_text(), re.M | re.S):
                fields = re.findall(r"^\s+[\w:<>]+ (\w+)(?: = [^;]+)?;", struct[2], re.M)
                names.update(f"{struct[1]}::{field}" for field in fields)
    return names


def faults(rows: list[Row], tests: list[Shown], options: set[str]) -> Iterator[str]:
    """What contradicts in the rows and in what tests say about them."""
    times = Counter(row.id for row in rows)
    shown = {test.row for test in tests}
    for row in rows:
        if times[row.id] > 1:
            yield f"{row.place}: {row.id}: there is more than one row with this id"
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", row.id):
            yield f"{row.place}: '{row.id}': expected an id of a-z, 0-9, '.' and '-'"
        if row.sheet not in SHEETS:
            yield f"{row.place}: {row.id}: sheet '{row.sheet}', expected {' or '.join(SHEETS)}"
        elif not re.fullmatch(r"[1-9](\.[1-9])?", row.section):
            yield f"{row.place}: {row.id}: section '{row.section}', expected one from 1 to 9"
        if row.mark not in {"V", "D", "M"}:
            yield f"{row.place}: {row.id}: mark '{row.mark}', expected V, D or M"
        if not row.rule:
            yield f"{row.place}: {row.id}: says nothing"
        if not re.fullmatch(r"yes|no: \S.*", row.observable):
            yield f"{row.place}: {row.id}: observable '{row.observable}', expected yes or 'no: reason'"
        for option in row.options:
            if option not in options:
                yield f"{row.place}: {row.id}: there is no option '{option}'"
        if row.mark == "V" and row.observable == "yes" and row.id not in shown:
            yield f"{row.place}: {row.id}: no test names it"
    for test in tests:
        if test.row not in times:
            yield f"{test.file}:{test.line}: there is no row '{test.row}'"
        if not test.test:
            yield f"{test.file}:{test.line}: no test follows that shows '{test.row}'"


def sheet_rows(sheet: str, text: str) -> Iterator[SheetRow]:
    """The rows of the sections on hardware; equal keys of a section are told apart by `#2` and on."""
    section = ""
    lines = text.splitlines()
    times: Counter[tuple[str, str]] = Counter()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        heading = re.match(r"#+ (\d+(?:\.\d+)?)?", line)
        if heading:
            section = heading[1] or section
        is_separator = re.fullmatch(r"[|:\s-]*", line) is not None
        is_head = re.fullmatch(r"\|[|:\s-]+", following) is not None
        if heading or is_separator or is_head or not HARDWARE[sheet].match(section):
            continue
        if line.startswith("|"):
            key = line.strip("|").split("|")[0]
        else:
            key = " ".join(re.sub(r"^(- |\d+\. )", "", line).split()[:4])
        key = re.sub(r"[*`]", "", key).strip() or "(as above)"
        times[section, key] += 1
        count = times[section, key]
        key = key if count == 1 else f"{key} #{count}"
        yield SheetRow(sheet, section, key, frozenset(MARK.findall(" ".join(BRACKETS.findall(line)))))


def coverage_faults(root: Path, rows: list[Row], specs: Path | None) -> Iterator[str]:
    """Rows of the sheets that no row of ours stands for; without the sheets, what can be said then."""
    marks = {row.id: row.mark for row in rows}
    covered: dict[tuple[str, str, str], list[str]] = {}
    for line, cells in read_csv(root / COVERAGE, ["sheet", "section", "key", "rows", "none_because"]):
        place = f"{COVERAGE}:{line}"
        names = covered[cells["sheet"], cells["section"], cells["key"]] = cells["rows"].split()
        if bool(names) == bool(cells["none_because"]):
            yield f"{place}: expected either rows or why there are none"
        for name in names:
            if name not in marks:
                yield f"{place}: there is no row '{name}'"
    if specs is None:
        return
    there: set[tuple[str, str, str]] = set()
    for sheet, file in SHEETS.items():
        for row in sheet_rows(sheet, (specs / file).read_text()):
            place = f"{file}: section {row.section}, '{row.key}'"
            key = (row.sheet, row.section, row.key)
            there.add(key)
            if row.verified and key not in covered:
                yield f"{place}: not in {COVERAGE}"
            names = covered.get(key, [])
            if row.marks == {"V"} and names and not any(marks.get(name) == "V" for name in names):
                yield f"{place}: verified, but of {' '.join(names)} none is marked V"
    for sheet, section, key_there in sorted(covered.keys() - there):
        yield f"{COVERAGE}: {SHEETS.get(sheet, sheet)}: section {section} has no '{key_there}'"


def specs_folder() -> Path | None:
    folder = Path(os.environ.get("LASTBRANCH_SHARED", ROOT.parent / "shared")) / "specs"
    return folder if folder.is_dir() else None


def section_key(section: str) -> list[int]:
    return [int(part) for part in section.split(".")]


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def render(rows: list[Row], tests: list[Shown]) -> str:
    by_row: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for test in tests:
        by_row[test.row].setdefault(test.test, test.file)
    seen = sum(row.observable == "yes" for row in rows)
    verified = [row for row in rows if row.mark == "V"]
    lines = [
        "# What Intel's cores do, row by row",
        "",
        "Generated by `tools/hardware_rows.py` from `data/rows/*.csv` and the `Rows:` comments of the tests.",
        "Each row is one rule of the data sheets on last-branch records and on performance monitoring, with",
        "their sections' numbers. Marks: V verified in a public source, D derived from verified facts, M not",
        "verified and therefore a choice. *Shown by* names the tests; the last column names what changes the",
        "behaviour (`--set NAME=VALUE` or a field in C++) or says why no program can see it.",
        "",
        f"{len(rows)} rows, {len(verified)} of them verified; programs can see {seen}, of which "
        f"{sum(row.observable == 'yes' and row.id in by_row for row in rows)} have tests.",
        "The events of section 8.5 are held cell by cell by `tests/pmu/event_cells_test.cpp`.",
    ]
    for sheet, title in TITLES.items():
        of_sheet = [row for row in rows if row.sheet == sheet]
        for section in sorted({row.section for row in of_sheet}, key=section_key):
            lines += [
                "",
                f"## {title}, section {section}",
                "",
                "| row | mark | rule | shown by | option, or why not visible |",
                "|---|---|---|---|---|",
            ]
            for row in of_sheet:
                if row.section != section:
                    continue
                shown = "<br>".join(f"[{test}](../{file})" for test, file in by_row[row.id].items())
                notes = [f"`{option}`" for option in row.options]
                if row.reason:
                    notes.append(f"not visible: {row.reason}")
                lines.append(
                    f"| {row.id} | {row.mark} | {cell(row.rule)} | {shown} | {cell('; '.join(notes))} |"
                )
    return "\n".join(lines) + "\n"


def check(root: Path, specs: Path | None) -> list[str]:
    try:
        rows = read_rows(root)
        tests = read_tests(root)
        found = [*faults(rows, tests, known_options(root)), *coverage_faults(root, rows, specs)]
        document = root / DOCUMENT
        if not document.is_file() or document.read_text() != render(rows, tests):
            found.append(f"{DOCUMENT}: stale; run tools/hardware_rows.py")
        return found
    except ValueError as error:
        return [str(error)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Joins the data sheets' rows with the tests.")
    parser.add_argument("--check", action="store_true", help="write nothing, list what is wrong")
    arguments = parser.parse_args()
    if not arguments.check:
        (ROOT / DOCUMENT).write_text(render(read_rows(ROOT), read_tests(ROOT)))
        return 0
    found = check(ROOT, specs_folder())
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
