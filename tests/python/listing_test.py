"""What there is to choose from, and the package's own documentation."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import lastbranch
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_every_microarchitecture_makes_a_machine(busybox: str) -> None:
    for part in lastbranch.uarchs():
        result = lastbranch.run([busybox, "true"], uarch=part.name, events=["instructions", "branches"])

        assert result.exit_code == 0
        assert result.counts["instructions"] > 1000


def test_every_supported_event_counts(busybox: str) -> None:
    events = [e for e in lastbranch.events() if e.supported]

    result = lastbranch.run([busybox, "true"], events=[e.name for e in events])

    assert {e.name for e in events} == result.counts.keys()
    for event in events:
        if event.alias_of is not None:
            assert result.counts[event.name] == result.counts[event.alias_of]


def test_events_say_what_they_wait_for() -> None:
    events = {e.name: e for e in lastbranch.events(uarch="skylake")}

    assert events["br_inst_retired.near_taken"].state == "supplied"
    assert events["br_inst_retired.near_taken"].precise
    assert events["br_misp_retired.all_branches"].state == "waits for mispredicted"
    assert all(e.supported == (e.state == "supplied") for e in events.values())


def test_unknown_part_is_refused() -> None:
    for listing in (lastbranch.events, lastbranch.parameters):
        with pytest.raises(lastbranch.Error, match="z80"):
            listing(uarch="z80")


def test_changeable_parameters_can_be_overridden(busybox: str) -> None:
    parameters = {p.name: p for p in lastbranch.parameters()}
    assert parameters["lbr_depth"].changeable

    result = lastbranch.run([busybox, "true"], overrides={"lbr_depth": 16})

    assert result.configuration["lbr_depth"] == "16"
    for parameter in parameters.values():
        if not parameter.changeable:
            with pytest.raises(lastbranch.Error, match=parameter.name):
                lastbranch.run([busybox, "true"], overrides={parameter.name: 1})


def test_docstrings_hold(busybox: str) -> None:
    modules = [lastbranch] + [
        importlib.import_module(f"lastbranch.{info.name}")
        for info in pkgutil.iter_modules(lastbranch.__path__)
        if info.name != "_core"
    ]

    results = [doctest.testmod(module) for module in modules]

    assert sum(r.failed for r in results) == 0
    assert sum(r.attempted for r in results) > 10


def test_everything_public_is_documented() -> None:
    for name in lastbranch.__all__:
        public = getattr(lastbranch, name)
        if isinstance(public, type) or callable(public):
            assert public.__doc__, name
            for member, value in vars(public).items():
                if not member.startswith("_") and callable(value) and isinstance(public, type):
                    assert value.__doc__, f"{name}.{member}"


@pytest.mark.parametrize("page", ["docs/python.md", "README.md"])
def test_code_in_documents_runs(busybox: str, page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "README.md").write_text("some text\n")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True
    )

    assert blocks
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=[e.stem for e in EXAMPLES])
def test_examples_run(busybox: str, example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout
