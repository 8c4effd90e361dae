"""The rules of KVM carry over to inputs that no reference vector has: random rows and a naive model."""

import csv
import gzip
from pathlib import Path

import pytest

from tests.cli.kvm_naive_rows import SETS, vectors
from tests.cli.kvm_naive_sequence import play, sequences
from tests.cli.support import ROOT, lastbranch

ROWS = 4200


@pytest.mark.parametrize("name", SETS)
def test_random_rows_are_answered_as_the_naive_model_does(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.csv"
    file.write_text(vectors(name, ROWS, seed=1))
    done = lastbranch("kvm", "check", file)
    assert done.returncode == 0, done.stdout.decode()
    assert f"set {name}: {ROWS} of {ROWS} rows match" in done.stdout.decode()


@pytest.mark.parametrize("name", SETS)
def test_rows_are_not_those_of_the_reference(name: str) -> None:
    with gzip.open(ROOT / "tests" / "data" / "kvm" / f"dev-{name}.csv.gz", "rt") as reference:
        header = next(csv.reader(line for line in reference if not line.startswith("#")))
    made = [line.split(",") for line in vectors(name, ROWS, seed=1).splitlines()[1:]]
    assert sorted(made[0]) == sorted(header)
    assert all(len(row) == len(header) for row in made)


def test_random_sequences_are_answered_as_the_naive_model_does(tmp_path: Path) -> None:
    file = tmp_path / "sequence.csv"
    file.write_text(sequences(1400, seed=1))
    done = lastbranch("kvm", "check", file)
    assert done.returncode == 0, done.stdout.decode()
    assert "set sequence: 1400 of 1400 rows match" in done.stdout.decode()


def test_naive_sequences_are_those_of_the_kernels() -> None:
    with gzip.open(ROOT / "tests" / "data" / "kvm" / "dev-sequence.csv.gz", "rt") as reference:
        rows = list(csv.DictReader(line for line in reference if not line.startswith("#")))
    for row in rows:
        host = (
            row["host_buslock"] == "1",
            int(row["host_perf_cap"], 16),
            int(row["lbr_nr"]),
            row["pebs_ok"] == "1",
        )
        assert play(row["state"], host, row["ops"]) == row["results"], row
