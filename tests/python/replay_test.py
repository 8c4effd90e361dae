"""Captures from Python: held against the models, and side by side."""

from pathlib import Path

import lastbranch
import numpy as np
import pytest

# Of the recording and of the run that is held against it: a program's loops depend on it.
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory, busybox: str) -> Path:
    path = tmp_path_factory.mktemp("replay") / "perf.data"
    lastbranch.record(
        [busybox, "true"],
        period=97,
        event="br_inst_retired.near_taken:u",
        output=path,
        uarch="skylake",
        env=ENVIRONMENT,
    )
    return path


def test_our_own_recording_agrees_at_all_three_levels(capture: Path, busybox: str) -> None:
    report = lastbranch.replay(capture, binary=busybox, command=[busybox, "true"], env=ENVIRONMENT)
    assert report["agrees"], report["verdict"]
    assert report["samples"]["with_stacks"] > 10
    held = {check["check"]: check["held"] for check in report["checks"]}
    for check in ("ring", "FROM is a branch", "straight line", "window"):
        assert held[check] > 10, check
    assert not any("unexplained" in check["causes"] for check in report["checks"])
    assert report["examples"].dtype.names == ("check", "cause", "sample", "entry", "from", "to", "words")


def test_a_shallower_ring_gives_the_newest_entries(capture: Path) -> None:
    report = lastbranch.replay(capture, depth=16)
    assert report["agrees"], report["verdict"]


def test_bad_options_are_errors(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(lastbranch.Error, match="absent"):
        lastbranch.replay(tmp_path / "absent")
    with pytest.raises(lastbranch.Error, match="depth"):
        lastbranch.replay(capture, depth=33)
    with pytest.raises(lastbranch.Error, match="nosuchpart"):
        lastbranch.replay(capture, uarch="nosuchpart")
    with pytest.raises(lastbranch.Error, match="seed: expected a command to run with it"):
        lastbranch.replay(capture, seed=7)
    with pytest.raises(lastbranch.Error, match="env: expected a command to run with it"):
        lastbranch.replay(capture, env={})


def test_a_capture_overlaps_itself_whole(capture: Path) -> None:
    result = lastbranch.compare(capture, capture)
    assert result["overlap"][0] == pytest.approx(1)
    edges = result["edges"]
    assert edges["taken"].shape == (len(edges), 2)
    assert edges["share"].shape == (len(edges), 2, 3)
    np.testing.assert_allclose(edges["share"][:, 0, 0].sum(), 1)
    assert (edges["share"][:, 0, 1] <= edges["share"][:, 0, 0]).all()
    assert result["sides"][0]["branches"] == int(edges["taken"][:, 0].sum())
    assert (result["branches"]["targets"][:, 0] >= 1).all()
    assert any(path.endswith("busybox") for path in result["files"])


def test_bad_captures_are_errors(tmp_path: Path, capture: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    with pytest.raises(lastbranch.Error, match="empty"):
        lastbranch.compare(capture, empty)
