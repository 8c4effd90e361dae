"""The PMU's event tables are what the generator makes of Intel's lists."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared() -> Path:
    return Path(os.environ.get("LASTBRANCH_SHARED", ROOT.parent / "shared"))


def test_generating_again_gives_the_same_bytes(tmp_path: Path) -> None:
    lists = shared() / "perfmon"
    if not lists.is_dir():
        pytest.skip(f"no perfmon lists at {lists}")
    done = subprocess.run(
        [sys.executable, ROOT / "tools/gen_events.py", lists, tmp_path],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Skylake: " in done.stdout
    for name in ("event_rows.inc", "event_codes.inc"):
        assert (tmp_path / "models/pmu" / name).read_bytes() == (ROOT / "models/pmu" / name).read_bytes()


def test_the_tables_carry_the_lists_licence() -> None:
    head = (ROOT / "models/pmu/event_rows.inc").read_text()[:3000]
    assert "Copyright (c) 2021, Intel Corporation" in head
    assert "Redistributions in binary form must reproduce" in head


def test_cells_of_the_data_sheet_are_transcribed() -> None:
    sheet = shared() / "specs/intel-pmu.md"
    if not sheet.is_file():
        pytest.skip(f"no data sheet at {sheet}")
    script = ROOT / "tests/data/event_cells.py"
    done = subprocess.run([sys.executable, script, sheet], check=True, capture_output=True)
    assert done.stdout == (ROOT / "tests/data/event_cells.csv").read_bytes()
