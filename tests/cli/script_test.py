"""lastbranch script: the text of a recording is as good a capture as the recording."""

import json
from pathlib import Path

import pytest

from tests.cli.support import compile_c, lastbranch, words

PROGRAM = """
static volatile int sum;
__attribute__((noinline)) static int f(int x) { if (x % 3) sum += x; else sum -= 1; return sum; }
int main(void) { int r = 0; for (int i = 0; i < 3000; i++) r += f(i); return r & 1; }
"""


@pytest.mark.parametrize("branches", ["any,u", "cond,u", "any_call,any_ret,u", "stack,u", "any,u,no_flags"])
def test_text_of_filtered_branches_is_not_taken_for_edited(branches: str, tmp_path: Path) -> None:
    program = compile_c(PROGRAM, tmp_path / "program", ("-O1", "-static"))
    data = tmp_path / "p.data"
    text = tmp_path / "p.txt"
    done = lastbranch(
        "record", "-q", "-j", branches, "-e", "branches", "-c", "997", "-o", data, "--", program
    )
    assert done.returncode in (0, 1), words(done)
    done = lastbranch("script", "-i", data, "--format", "perf-script", "-o", text)
    assert done.returncode == 0, words(done)
    reports = []
    for capture in (data, text):
        out = tmp_path / "report.json"
        done = lastbranch("replay", capture, "--binary", program, "--uarch", "skylake", "--json", out)
        assert done.returncode == 0, words(done)
        reports.append(json.loads(out.read_text()))
    of_data, of_text = reports
    assert of_text["agrees"] and not of_text["edited"]
    assert of_data["samples"]["with_stacks"] == of_text["samples"]["with_stacks"] > 0
    # What needs processes, which this text does not name, is checked in the recording alone.
    for name in ("ring", "FROM is a branch", "direct target"):
        held = [check["held"] for report in reports for check in report["checks"] if check["check"] == name]
        assert len(set(held)) == 1, (name, held)
