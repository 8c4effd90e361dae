"""list: what is known, as columns and as JSON."""

import json

import pytest

from tests.cli.support import lastbranch, words


def rows(*arguments: str) -> list[dict[str, str]]:
    done = lastbranch("list", "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, b""), words(done)
    table: list[dict[str, str]] = json.loads(done.stdout)
    return table


@pytest.mark.parametrize(
    "topic", ["events", "metrics", "uarchs", "msrs", "params", "syscalls", "instructions"]
)
def test_columns_say_what_json_says(topic: str) -> None:
    table = rows(topic)
    done = lastbranch("list", topic)
    header, *lines = done.stdout.decode().splitlines()
    assert len(lines) == len(table) > 1
    assert header.split() == " ".join(table[0]).split()
    for line, row in zip(lines, table, strict=True):
        assert line.split() == " ".join(row.values()).split()


def test_events_are_the_parts() -> None:
    skylake = {row["name"]: row for row in rows("events")}
    nehalem = {row["name"]: row for row in rows("events", "--uarch", "nhm")}
    assert skylake["cycles"]["state"] == "supplied"
    assert skylake["branch-misses"]["state"] == "waits for mispredicted"
    assert skylake["br_inst_retired.near_taken"]["code"] == "r20c4"
    assert "br_inst_retired.near_taken" not in nehalem


def test_events_are_many_and_say_their_state() -> None:
    states = [row["state"] for row in rows("events", "--uarch", "skylake")]
    assert sum(state != "not modelled" for state in states) >= 150
    assert all(state in {"supplied", "not modelled"} or state.startswith("waits for ") for state in states)


def test_metrics_are_the_parts() -> None:
    skylake = {row["name"]: row for row in rows("metrics")}
    assert skylake["memory_bound"]["parent"] == "backend_bound"
    assert skylake["frontend_bound"]["state"] == "waits for slots_not_delivered"
    assert rows("metrics", "--uarch", "nehalem") == []


def test_uarchs_are_those_of_the_option() -> None:
    depths = {row["name"]: row["lbr_depth"] for row in rows("uarchs")}
    assert (depths["nehalem"], depths["skylake"]) == ("16", "32")
    for name in depths:
        assert {row["field"]: row["value"] for row in rows("params", "--uarch", name)}["uarch"] == name


def test_params_show_overrides() -> None:
    params = {
        row["field"]: row["value"]
        for row in rows("params", "--lbr-depth", "8", "--set", "frequency_hz=1000000000")
    }
    assert (params["lbr_depth"], params["frequency_hz"]) == ("8", "1000000000")


def test_msrs_follow_the_depth() -> None:
    names = {row["name"] for row in rows("msrs", "--lbr-depth", "8")}
    assert "MSR_LASTBRANCH_7_FROM_IP" in names
    assert "MSR_LASTBRANCH_8_FROM_IP" not in names


def test_msrs_are_all_of_the_parts_monitoring_registers() -> None:
    names = {row["name"] for row in rows("msrs")}
    assert {"IA32_DEBUGCTL", "IA32_PERFEVTSEL3", "IA32_FIXED_CTR2", "IA32_DS_AREA"} <= names
    assert {"IA32_PEBS_ENABLE", "IA32_PERF_CAPABILITIES"} <= names
    assert "IA32_PERFEVTSEL4" not in names
    architectural = {row["name"] for row in rows("msrs", "--uarch", "pantherlake-p")}
    assert {"IA32_LBR_CTL", "IA32_PERFEVTSEL9", "IA32_PEBS_BASE"} <= architectural


def test_syscalls_and_instructions() -> None:
    calls = {row["name"]: row["answer"] for row in rows("syscalls")}
    assert calls["write"] == "served"
    assert calls["fork"] == "ENOSYS"
    mnemonics = {row["mnemonic"] for row in rows("instructions")}
    assert {"add", "popcnt", "pcmpistri", "fsin", "cmpxchg16b"} <= mnemonics
    assert "vaddps" not in mnemonics
