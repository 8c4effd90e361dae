"""lastbranch.kvm against the reference vectors, and beside `lastbranch kvm explain`."""

import csv
import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lastbranch.kvm import Cpuid, Host, Perf, Vcpu

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LASTBRANCH_BIN", ROOT / "build" / "lastbranch"))


def full_vcpu(host: Host, **changes: int | bool) -> Vcpu:
    """A vCPU with what KVM supports as its CPUID, but for `changes`."""
    return host.create_vm().create_vcpu(Cpuid(host.supported_cpuid, **changes))


def vectors(name: str) -> Iterator[dict[str, str]]:
    folder = Path(os.environ.get("LASTBRANCH_SHARED", ROOT.parent / "shared"))
    path = folder / "vectors" / "kvm" / f"dev-{name}.csv.gz"
    if not path.is_file():
        pytest.skip(f"no reference vectors at {path}")
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


# The environment behind the vectors, where the part has something else.
ENVIRONMENT = {"num_gp": 8, "pmu_version": 5, "rtm": False, "hle": False}


def reads(vcpu: Vcpu, msr: int) -> dict[str, str]:
    """The four columns of two reads."""
    host = vcpu.get_msrs([msr])
    guest = vcpu.guest_rdmsr(msr)
    return {
        "host_read_ret": "0" if host else "?",
        "host_read_val": f"{host[0]:#x}" if host else "0x0",
        "guest_read_ret": str(guest.code),
        "guest_read_val": f"{guest.value or 0:#x}",
    }


def answered(row: dict[str, str], mine: dict[str, str]) -> None:
    theirs = {name: row[name] for name in mine}
    assert mine == theirs, row


def test_vectors_supported() -> None:
    rows = 0
    for row in vectors("supported"):
        changes = {
            **ENVIRONMENT,
            "pmu_version": int(row["host_pmu_version"]),
            "pdcm": row["host_pdcm"] == "1",
            "perf_capabilities": int(row["host_perf_cap"], 0),
            "arch_lbr": row["host_arch_lbr"] == "1",
            "pebs_feature": row["host_pebs_feature"] == "1",
            "pebs_ept": row["host_pebs_ept"] == "1",
        }
        perf = Perf(
            built=row["perf_facade_built"] == "1",
            lbr_nr=int(row["lbr_nr"]),
            callstack=row["lbr_has_callstack"] == "1",
        )
        host = Host("skylake", row["state"], perf, enable_pmu=row["enable_pmu"] == "1", changes=changes)
        mine = {"supported_perf_cap": f"{host.supported_perf_capabilities:#x}"}
        (feature,) = host.get_msrs([0x345])
        mine["feature_msr_val"] = f"{feature:#x}"
        (initial,) = full_vcpu(host, pdcm=True).get_msrs([0x345])
        mine["vcpu_initial_perf_cap"] = f"{initial:#x}"
        answered(row, mine)
        rows += 1
    assert rows > 500


def guest_of(host: Host, row: dict[str, str]) -> Cpuid:
    """The CPUID of sets `perfcap` and `debugctl`, which have these columns in common."""
    cpuid = Cpuid(leaf1_eax=host.state.leaf1_eax, pdcm=row["guest_pdcm"] == "1")
    if row["has_cpuid_0a"] == "1":
        cpuid.set_pmu(int(row["guest_pmu_version"]), 8, 3)
    return cpuid


def test_vectors_perfcap() -> None:
    rows = 0
    for row in vectors("perfcap"):
        pebs = row["pebs_ok"] == "1"
        changes = {
            **ENVIRONMENT,
            "perf_capabilities": int(row["host_perf_cap"], 0),
            "arch_lbr": row["host_arch_lbr"] == "1",
            "pebs_feature": pebs,
            "pebs_ept": pebs,
        }
        perf = Perf(lbr_nr=int(row["lbr_nr"]))
        host = Host("skylake", row["state"], perf, enable_pmu=row["enable_pmu"] == "1", changes=changes)
        cpuid = guest_of(host, row)
        cpuid.ds, cpuid.dtes64 = row["guest_ds"] == "1", row["guest_dtes64"] == "1"
        if row["model_matches_host"] == "0":
            cpuid.leaf1_eax ^= 0x10
        vm = host.create_vm()
        vm.state.pmu_enabled = row["vm_pmu_enabled"] == "1"
        vcpu = vm.create_vcpu(cpuid)
        vcpu.state.has_run = row["vcpu_has_run"] == "1"
        data = int(row["data"], 0)
        if row["initiator"] == "host":
            taken = vcpu.set_msrs([(0x345, data)]) == 1
        else:
            taken = vcpu.guest_wrmsr(0x345, data).ok
        assert taken == (row["ret"] == "0"), row
        mine = {
            "log_lines": str(vcpu.log_lines),
            "perf_cap_after": f"{vcpu.state.perf_capabilities:#x}",
            "lbr_nr_after": str(vcpu.state.lbr.nr),
        }
        answered(row, mine | reads(vcpu, 0x345))
        rows += 1
    assert rows > 1000


def test_vectors_debugctl() -> None:
    rows = 0
    for row in vectors("debugctl"):
        changes = {
            **ENVIRONMENT,
            "bus_lock_detect": row["host_buslock"] == "1",
            "rtm": row["host_rtm"] == "1",
            "perf_capabilities": int(row["host_perf_cap"], 0),
            "debugctl": int(row["host_debugctl"], 0),
        }
        host = Host(
            "skylake",
            row["state"],
            Perf(lbr_nr=int(row["lbr_nr"])),
            enable_pmu=row["enable_pmu"] == "1",
            report_ignored_msrs=row["report_ignored_msrs"] == "1",
            changes=changes,
        )
        cpuid = guest_of(host, row)
        cpuid.rtm = row["guest_rtm"] == "1"
        cpuid.bus_lock_detect = row["guest_buslock"] == "1"
        vm = host.create_vm()
        vm.state.pmu_enabled = row["vm_pmu_enabled"] == "1"
        vcpu = vm.create_vcpu(cpuid)
        state = vcpu.state
        # The sets give KVM's state directly, whatever would have led to it.
        state.lbr.nr = int(row["lbr_nr"]) if row["lbr_enabled"] == "1" else 0
        state.perf_capabilities = int(row["vcpu_perf_cap"], 0)
        state.event_create_errno = int(row["event_create_errno"])
        state.lbr_event = row["event_preexists"] == "1"
        state.in_l2 = row["nested_mode"] != "0"
        state.vmcs12_saves_debugctl = row["nested_mode"] == "1"
        state.vmcs12_debugctl = 0xBAD0
        late = row["state"] in ("v6.1.192", "v6.12.8", "v6.12.117", "v7.3rc7")
        state.vmcs_debugctl = int(row["prior_debugctl"], 0) | (changes["debugctl"] & 1 << 14 if late else 0)
        data = int(row["data"], 0)
        if row["initiator"] == "host":
            taken = vcpu.set_msrs([(0x1D9, data)]) == 1
        else:
            taken = vcpu.guest_wrmsr(0x1D9, data).ok
        assert taken == (row["ret"] == "0"), row
        mine = {
            "log_lines": str(vcpu.log_lines),
            "vmcs_debugctl": f"{state.vmcs_debugctl:#x}",
            "vmcs12_debugctl": f"{state.vmcs12_debugctl:#x}",
            "events_created": str(vcpu.events_created),
            "event_present": str(int(state.lbr_event)),
        }
        answered(row, mine | reads(vcpu, 0x1D9))
        rows += 1
    assert rows > 1000


# --- the command line ---------------------------------------------------------------------------------------

QUESTIONS: list[tuple[str, int, str, dict[str, int]]] = [
    ("debugctl", 0x801, "guest", {}),
    ("debugctl", 0x803, "guest", {}),
    ("debugctl", 0x801, "host", {"pdcm": 0}),
    ("debugctl", 0x4, "host", {"bus_lock": 0}),
    ("perf_capabilities", 0x2005, "host", {"same_model": 0}),
    ("perf_capabilities", 0x2000, "guest", {}),
    ("global_ctrl", 0xFF, "guest", {}),
    ("pebs_enable", 0, "host", {}),
]


@pytest.mark.parametrize("kernel", ["v5-series:0", "v5-series:4", "6.1.192", "6.12.117", "7.3-rc7"])
@pytest.mark.parametrize("part", ["skylake", "icx", "sapphirerapids"])
def test_explain_says_the_same(part: str, kernel: str) -> None:
    if not BINARY.is_file():
        pytest.skip(f"no lastbranch at {BINARY}")
    host = Host(part, kernel=kernel)
    for msr, value, who, guest in QUESTIONS:
        changes: dict[str, dict[str, int | bool]] = {
            "pdcm": {"pdcm": False},
            "bus_lock": {"bus_lock_detect": False},
            "same_model": {"leaf1_eax": host.supported_cpuid.leaf1_eax ^ 0x10},
        }
        vcpu = full_vcpu(host, **{k: v for key in guest for k, v in changes[key].items()})
        words = [f"--guest={key}={value}" for key, value in guest.items()]
        words += ["--uarch", part, "--kernel", kernel, "--who", who, "--write", f"{msr}={value:#x}"]
        done = subprocess.run([BINARY, "kvm", "explain", *words], capture_output=True, text=True, check=True)
        if who == "guest":
            outcome = str(vcpu.guest_wrmsr(msr, value))
        else:
            outcome = "ok" if vcpu.set_msrs([(msr, value)]) else "fails"
        # What stands behind "not taken:" says more of single bits.
        first, state, *rules = done.stdout.partition("not taken:")[0].rstrip().splitlines()
        assert first.split(": ")[2].split(" (")[0] == outcome
        assert state.startswith(f"after it: debugctl {vcpu.state.vmcs_debugctl:#x}, ")
        assert f"log lines {vcpu.log_lines}" in state
        assert [line.strip() for line in rules] == [str(row) for row in vcpu.trace]
