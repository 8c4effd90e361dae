"""Every verified rule of the data sheets that a program can see has a test that names it, and the document
that lists them is up to date."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import hardware_rows
from tools.hardware_rows import Row, Shown

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LASTBRANCH_BIN", ROOT / "build" / "lastbranch"))


def test_rows_and_tests_agree() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/hardware_rows.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, "\n" + done.stderr


def test_every_row_of_the_sheets_is_read() -> None:
    specs = hardware_rows.specs_folder()
    if specs is None:
        pytest.skip("the data sheets are not there (LASTBRANCH_SHARED names their folder)")
    for sheet, file in hardware_rows.SHEETS.items():
        found = list(hardware_rows.sheet_rows(sheet, (specs / file).read_text()))
        assert len(found) > 150
        assert len({(row.section, row.key) for row in found}) == len(found)
        assert sum(row.verified for row in found) > 120


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
def test_options_of_rows_are_fields_that_can_be_set() -> None:
    done = subprocess.run(
        [BINARY, "list", "params", "--json"], capture_output=True, text=True, check=True
    ).stdout
    fields = {field["field"] for field in json.loads(done) if field["can be set"] == "yes"}
    fields |= {name for name in hardware_rows.known_options(ROOT) if "::" in name}

    rows = hardware_rows.read_rows(ROOT)
    wrong = [f"{row.id}: {option}" for row in rows for option in row.options if option not in fields]

    assert not wrong, "\n" + "\n".join(wrong)


def row(name: str = "lbr-3-bits", **changed: str) -> Row:
    cells = {"sheet": "lbr", "section": "3", "mark": "V", "rule": "x", "observable": "yes", "option": ""}
    return Row(name, **{**cells, **changed}, place="data/rows/lbr.csv:2")


SHOWN = Shown("lbr-3-bits", "Lbr.bits", "tests/lbr/x.cpp", 7)


@pytest.mark.parametrize(
    ("rows", "tests", "fault"),
    [
        ([row()], [], "no test names it"),
        ([row(), row()], [SHOWN], "more than one row"),
        ([row()], [SHOWN, Shown("lbr-3-bit", "Lbr.bits", "x.cpp", 1)], "there is no row 'lbr-3-bit'"),
        ([row()], [SHOWN, Shown("lbr-3-bits", "", "x.cpp", 1)], "no test follows"),
        ([row(mark="X")], [SHOWN], "mark 'X'"),
        ([row(sheet="vmx")], [SHOWN], "sheet 'vmx'"),
        ([row(section="10")], [SHOWN], "section '10'"),
        ([row(observable="no")], [SHOWN], "observable 'no'"),
        ([row(observable="no: ")], [SHOWN], "observable 'no: '"),
        ([row(option="lbr_speed")], [SHOWN], "there is no option 'lbr_speed'"),
        ([row(option="lbr_depth, PmuOptions::speed")], [SHOWN], "no option 'PmuOptions::speed'"),
        ([row(rule="")], [SHOWN], "says nothing"),
        ([row("Lbr Bits")], [Shown("Lbr Bits", "t", "x.cpp", 1)], "expected an id"),
    ],
)
def test_fault_is_found(rows: list[Row], tests: list[Shown], fault: str) -> None:
    found = list(hardware_rows.faults(rows, tests, hardware_rows.known_options(ROOT)))

    assert found
    assert all(fault in text for text in found)


@pytest.mark.parametrize(
    "good",
    [
        row(),
        row(option="lbr_depth, PmuOptions::skid_cycles, PebsOptions::arm_cycles, LbrQuirks::no_freeze"),
        row(section="2.3"),
    ],
)
def test_row_without_fault_passes(good: Row) -> None:
    assert list(hardware_rows.faults([good], [SHOWN], hardware_rows.known_options(ROOT))) == []


@pytest.mark.parametrize("changed", [{"mark": "M"}, {"mark": "D"}, {"observable": "no: not modelled"}])
def test_only_visible_verified_rows_need_a_test(changed: dict[str, str]) -> None:
    assert list(hardware_rows.faults([row(**changed)], [], set())) == []


@pytest.mark.parametrize(
    ("file", "text", "shown"),
    [
        ("a.cpp", "// Rows: r-1, r-2\nTEST(Lbr, bits) {\n", [("r-1", "Lbr.bits"), ("r-2", "Lbr.bits")]),
        ("a.cpp", "// Rows: r-1\n// Rows: r-2\nTEST(L, b) {\n", [("r-1", "L.b"), ("r-2", "L.b")]),
        ("a.cpp", "// Rows: r-1,\n//       r-2\nTEST_P(L, b) {\n", [("r-1", "L.b"), ("r-2", "L.b")]),
        ("a.cpp", "// Why. Rows: r-1\n// more\nTEST_F(L, b) {\nTEST(L, c) {\n", [("r-1", "L.b")]),
        ("a.cpp", "// Rows: r-1\n", [("r-1", "")]),
        ("a.py", "# Rows: r-1\ndef test_x() -> None:\n", [("r-1", "test_x")]),
        ("a.py", "# Rows: r-1\n@marked\ndef test_x(\n", [("r-1", "test_x")]),
        ("lbr_far.S", "# Rows: r-1\nstart:\n", [("r-1", "lbr_far")]),
        ("lbr_far.S", "// Rows: r-1\nstart:\n", [("r-1", "lbr_far")]),
    ],
)
def test_rows_comment_belongs_to_the_test_below(file: str, text: str, shown: list[tuple[str, str]]) -> None:
    found = [(test.row, test.test) for test in hardware_rows.rows_named_in(text, file)]

    assert found == shown


def test_sheet_is_read_row_by_row() -> None:
    sheet = (
        "## 0. Legend\n\n| a | b |\n|---|---|\n| not hardware | [V] |\n\n## 3. TOS\n\n"
        "| topic | what |\n|---|---|\n| **bits** | 4 [V] |\n| bits | 5 [M] |\n| | more [V] |\n\n"
        "- One two three four five [D].\n\n#### Sub\n\nplain words here [V x]\n\n## 10. Words\n\ntext [V]\n"
    )
    found = [(row.section, row.key, row.verified) for row in hardware_rows.sheet_rows("lbr", sheet)]

    assert found == [
        ("3", "bits", True),
        ("3", "bits #2", False),
        ("3", "(as above)", True),
        ("3", "One two three four", False),
        ("3", "plain words here [V", True),
    ]


def test_document_names_rows_tests_options_and_reasons() -> None:
    text = hardware_rows.render(
        [row(option="lbr_depth"), row("lbr-3-pt", rule="a|b", observable="no: no trace")], [SHOWN]
    )

    assert "| lbr-3-bits | V | x | [Lbr.bits](../tests/lbr/x.cpp) | `lbr_depth` |" in text
    assert "| lbr-3-pt | V | a\\|b |  | not visible: no trace |" in text
    assert "2 rows, 2 of them verified; programs can see 1, of which 1 have tests." in text
