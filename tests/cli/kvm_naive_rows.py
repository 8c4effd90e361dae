"""Random rows of the sets of reference vectors, answered by the naive model."""

from collections.abc import Callable
from random import Random

from tests.cli.kvm_naive import (
    ALL,
    INTEL_FORMAT,
    PEBS_FORMAT,
    STATES,
    Guest,
    Host,
    Leaf,
    Pmu,
    Registers,
    filter_debugctl,
    is_61,
    is_73,
    is_late,
    is_lbr,
    legal_debugctl,
    rdpmc,
    refresh,
    reworked,
    supported,
    write_caps,
)

Row = dict[str, int | str]

CAPS = [0x32C5, 0x34C5, 0x74C5, 0x5, 0x2000, 0x2005, 0, 0x3F, 0x20C6, 0x17C7, 0x134C5, 0x37FC5, 0x4145, ALL]
DEBUGCTL = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    0x40,
    0x800,
    0x801,
    0x803,
    0x805,
    0x1000,
    0x4000,
    0x4801,
    0x8000,
    0x8801,
    ALL,
]


def some_caps(r: Random) -> int:
    return r.choice([r.choice(CAPS), r.getrandbits(18), r.getrandbits(64)])


def some_debugctl(r: Random) -> int:
    return r.choice([r.choice(DEBUGCTL), r.choice(DEBUGCTL), 1 << r.randrange(64), r.getrandbits(16)])


def bit(r: Random) -> int:
    return r.randrange(2)


def mostly(r: Random) -> int:
    return int(r.random() < 0.75)


def side(r: Random) -> str:
    return r.choice(["guest", "host"])


def supported_row(r: Random, state: str) -> Row:
    row: Row = {"enable_pmu": mostly(r), "host_pmu_version": r.randrange(6), "perf_facade_built": mostly(r)}
    row |= {"host_pdcm": mostly(r), "host_perf_cap": some_caps(r), "lbr_nr": r.choice([0, 4, 8, 16, 32])}
    row |= {"lbr_has_callstack": mostly(r), "host_arch_lbr": bit(r)}
    row |= {"host_pebs_feature": mostly(r), "host_pebs_ept": mostly(r)}
    value = supported(
        state,
        Host(
            caps=int(row["host_perf_cap"]) if row["host_pdcm"] else 0,
            pmu=bool(row["enable_pmu"] and row["host_pmu_version"]),
            records=int(row["lbr_nr"]) if row["perf_facade_built"] else 0,
            callstack=bool(row["lbr_has_callstack"]),
            arch_lbr=bool(row["host_arch_lbr"]),
            pebs=bool(row["host_pebs_feature"] and row["host_pebs_ept"]),
        ),
    )
    row |= {"supported_perf_cap": value, "feature_msr_ret": 0}
    return row | {"feature_msr_val": value, "vcpu_initial_perf_cap": value}


def perfcap_row(r: Random, state: str) -> Row:
    row: Row = {"enable_pmu": mostly(r), "vm_pmu_enabled": mostly(r), "host_perf_cap": some_caps(r)}
    row |= {"lbr_nr": r.choice([0, 8, 32, 32]), "host_arch_lbr": int(r.random() < 0.2), "pebs_ok": bit(r)}
    row |= {"has_cpuid_0a": mostly(r), "guest_pmu_version": r.choice([0, 1, 2, 2, 3, 5])}
    row |= {"guest_pdcm": mostly(r), "guest_ds": mostly(r), "guest_dtes64": mostly(r)}
    row |= {"model_matches_host": mostly(r), "vcpu_has_run": int(r.random() < 0.3), "initiator": side(r)}
    host = Host(int(row["host_perf_cap"]), bool(row["enable_pmu"]), int(row["lbr_nr"]))
    host.arch_lbr, host.pebs = bool(row["host_arch_lbr"]), bool(row["pebs_ok"])
    value = supported(state, host)
    near = [
        value,
        value & ~INTEL_FORMAT,
        value & INTEL_FORMAT,
        value & ~PEBS_FORMAT,
        value & r.getrandbits(18),
    ]
    data = r.choice([*near, value ^ (1 << r.randrange(64)), 1 << r.randrange(64), r.getrandbits(18), 0])
    has_pmu = row["has_cpuid_0a"] and row["vm_pmu_enabled"] and row["enable_pmu"]
    version = int(row["guest_pmu_version"]) if has_pmu else 0
    guest = Guest(version, bool(row["model_matches_host"]), bool(row["guest_pdcm"]), bool(row["guest_ds"]))
    guest.dtes64, guest.has_run = bool(row["guest_dtes64"]), bool(row["vcpu_has_run"])
    answer = write_caps(state, row["initiator"] == "host", data, value, value, guest)
    hidden = is_73(state) and not guest.pdcm
    stored = data if answer == 0 and not hidden else value
    seen = stored if guest.pdcm else 0
    records = int(row["lbr_nr"]) if version and guest.model and seen & INTEL_FORMAT else 0
    row |= {"data": data, "ret": answer, "log_lines": 0, "perf_cap_after": stored, "lbr_nr_after": records}
    row |= {"lbr_enabled_after": int(records != 0), "msr_4c1_valid": int(version != 0 and seen & 0x2000 != 0)}
    row |= {"msr_3f1_valid": int(seen & PEBS_FORMAT != 0), "host_read_ret": 0}
    row["host_read_val"] = 0 if hidden else stored
    row["guest_read_ret"] = 0 if guest.pdcm else (2 if is_73(state) else 1)
    return row | {"guest_read_val": seen}


def debugctl_row(r: Random, state: str) -> Row:
    row: Row = {"enable_pmu": mostly(r), "vm_pmu_enabled": mostly(r), "host_buslock": bit(r)}
    row |= {"guest_buslock": bit(r), "host_rtm": bit(r), "guest_rtm": bit(r), "host_perf_cap": some_caps(r)}
    row |= {"lbr_nr": r.choice([0, 8, 32]), "has_cpuid_0a": mostly(r), "guest_pmu_version": r.randrange(6)}
    row |= {"guest_pdcm": mostly(r), "vcpu_perf_cap": r.choice([0, 5, 0x2000, 0x2005])}
    row |= {"lbr_enabled": bit(r) if row["lbr_nr"] else 0, "report_ignored_msrs": mostly(r)}
    row |= {
        "nested_mode": r.randrange(3),
        "event_create_errno": r.choice([0, 0, -2]),
        "event_preexists": bit(r),
    }
    row |= {
        "prior_debugctl": r.choice([0, 1, 4, 0x800, 0x801]),
        "host_debugctl": r.choice([0, 1, 0x4000, 0x4801]),
    }
    row |= {"initiator": side(r), "data": some_debugctl(r)}
    host = Host(int(row["host_perf_cap"]), bool(row["enable_pmu"]), int(row["lbr_nr"]))
    guest = Guest(bus_lock=bool(row["guest_buslock"]), rtm=bool(row["guest_rtm"]))
    records, data = bool(row["lbr_enabled"]), int(row["data"])
    mask = legal_debugctl(
        state, row["initiator"] == "host", supported(state, host), records, bool(row["host_buslock"]),
        bool(row["host_rtm"]), guest,
    )  # fmt: skip
    answer, logged, value = filter_debugctl(state, mask, data)
    freeze = int(row["host_debugctl"]) & 0x4000
    vmcs, vmcs12, made = int(row["prior_debugctl"]) | (freeze if is_late(state) else 0), 0xBAD0, 0
    if answer == 0:
        vmcs = value | (freeze if reworked(state) else 0)
        vmcs12 = value if row["nested_mode"] == 1 else vmcs12
        made = int(records and not row["event_preexists"] and value & 1 and row["event_create_errno"] == 0)
    seen = vmcs & ~0x4000 if reworked(state) else vmcs
    row |= {
        "ret": answer,
        "log_lines": int(logged and row["report_ignored_msrs"] == 1),
        "vmcs_debugctl": vmcs,
    }
    row |= {"vmcs12_debugctl": vmcs12, "events_created": made}
    row |= {"event_present": int(made or row["event_preexists"]), "host_read_ret": 0, "host_read_val": seen}
    return row | {"guest_read_ret": 0, "guest_read_val": seen}


def nested_row(r: Random, state: str) -> Row:
    row: Row = {"vlbr_enabled": bit(r), "buslock_host_and_guest": bit(r), "rtm_host_and_guest": bit(r)}
    row |= {"entry_loads_debug_controls": mostly(r), "nested_run_pending": mostly(r)}
    row |= {"quirk_allow_freeze_in_smm": bit(r), "dr7_valid": mostly(r), "host_freeze_in_smm": bit(r)}
    row |= {"l1_vmcs_debugctl": r.choice([0, 1, 0x801, 0x4000, 0x4801]), "vmcs12_debugctl": some_debugctl(r)}
    bus_lock, rtm = bool(row["buslock_host_and_guest"]), bool(row["rtm_host_and_guest"])
    mask = legal_debugctl(
        state, False, 0x2005, bool(row["vlbr_enabled"]), bus_lock, rtm, Guest(bus_lock=bus_lock, rtm=rtm)
    )
    loads, wanted = row["entry_loads_debug_controls"] == 1, int(row["vmcs12_debugctl"])
    answer, logged, kept, value = 0, False, 0, 0
    if loads and not row["dr7_valid"]:
        answer = -22
    elif loads and reworked(state):
        tolerated = 0x4000 if row["quirk_allow_freeze_in_smm"] and state != "v6.1.192" else 0
        refused, logged, _ = filter_debugctl(state, mask, wanted & ~tolerated)
        answer = -22 if refused else 0
    if answer == 0:
        owned = 0x4000 if row["host_freeze_in_smm"] and reworked(state) else 0
        l1 = int(row["l1_vmcs_debugctl"])
        fresh = loads and row["nested_run_pending"] == 1
        kept = 0x7777 if fresh else (l1 & ~0x4000 if reworked(state) else l1)
        value = (wanted & mask | owned if reworked(state) else wanted) if fresh else kept | owned
    row |= {"consistency_check_ret": answer, "log_lines": int(logged)}
    return row | {"saved_pre_vmenter_debugctl": kept, "vmcs02_debugctl": value}


def lbrmsr_row(r: Random, state: str) -> Row:
    start, to = r.choice([(0x40, 0x60), (0x680, 0x6C0)])
    row: Row = {"lbr_nr": r.choice([4, 8, 16, 32]), "lbr_from": start, "lbr_to": to}
    row |= {
        "lbr_info_perf": r.choice([0, 0xDC0, 0xDC0]),
        "lbr_fmt": r.randrange(8),
        "vlbr_enabled": mostly(r),
    }
    row |= {"event_preexists": bit(r), "event_state": r.choice([1, 1, 0, -1, -2])}
    row |= {"create_fails": 1 - mostly(r), "hw_wrmsr_faults": bit(r), "rw": r.choice(["read", "write"])}
    banks = [start, to, 0xDC0, 0x1200]
    msr = r.choice([r.choice(banks) + r.randrange(-1, 41), r.choice([0x1C7, 0x1C8, 0x1C9, 0x1CA, 0x14CE])])
    msr = r.choice([msr, msr, msr, 0x1DA + r.randrange(6)])
    row |= {"initiator": side(r), "msr": msr}
    records, info, lbr_format = int(row["lbr_nr"]), int(row["lbr_info_perf"]), int(row["lbr_fmt"])
    writes, made, present = row["rw"] == "write", 0, int(row["event_preexists"])
    answer, value, written, in_use = 2, 0, 0, 0
    if row["vlbr_enabled"] and is_lbr(state, msr, records, start, to, info, lbr_format):
        answer = 0
        made = int(not present and not row["create_fails"])
        present |= made
        in_use = int(present == 1 and row["event_state"] == 1)
        if in_use and writes:
            written, answer = 1, int(is_73(state) and row["hw_wrmsr_faults"] == 1)
        elif in_use:
            value = 0xA5A500000000 | msr
    elif 0x1DB <= msr <= 0x1DE and not writes:
        answer = 0
    row |= {"ret": answer, "read_val": value, "hw_written": written, "events_created": made}
    return row | {"event_present": present, "in_use_bit": in_use}


def passthrough_row(r: Random, state: str) -> Row:
    row: Row = {"vlbr_enabled": mostly(r), "lbr_nr": r.choice([4, 8, 16, 32]), "lbr_has_info": bit(r)}
    row |= {"event_present": bit(r), "debugctl": r.choice([0, 1, 4, 0x800, 0x801])}
    row |= {"event_state": r.choice([1, 1, 0, -1, -2]), "in_use_before": bit(r), "passthrough_before": bit(r)}
    on, event, debugctl = row["vlbr_enabled"] == 1, row["event_present"] == 1, int(row["debugctl"])
    passes, in_use, warned = int(row["passthrough_before"]), int(row["in_use_before"]), 0
    if on and not event:
        passes, warned = 0, int(debugctl & 1 or in_use)
    elif on and int(row["event_state"]) < 1:
        passes, in_use, warned = 0, 0, 1
    elif on:
        passes = 1
    toggled = passes != row["passthrough_before"]
    banks = 3 if row["lbr_has_info"] or not is_61(state) else 2
    row |= {
        "passthrough_after": passes,
        "intercept_updates": banks * int(row["lbr_nr"]) + 2 if toggled else 0,
    }
    row |= {"last_update_intercepts": 1 - passes if toggled else -1, "warned": warned, "in_use_after": in_use}
    return row | {"event_present_after_slice_cleanup": int(event and debugctl & 1)}


def pmi_row(r: Random, state: str) -> Row:
    row: Row = {"vlbr_perf_cap": bit(r), "guest_pmu_version": r.randrange(7), "in_kernel_apic": mostly(r)}
    debugctl = r.choice([0, 1, 5, 0x800, 0x801, 0x805, 0x8801])
    freezes = row["vlbr_perf_cap"] and row["guest_pmu_version"] in (2, 3) and debugctl & 0x800
    after = debugctl & ~1 if row["in_kernel_apic"] and freezes else debugctl
    return row | {"debugctl": debugctl, "debugctl_after": after, "lvtpc_deliveries": row["in_kernel_apic"]}


def rdpmc_row(r: Random, state: str) -> Row:
    leaf = Leaf(
        r.choice([0, 1, 2, 2, 3, 5]), r.choice([1, 4, 6, 8, 9]), r.randrange(5), r.choice([32, 40, 48])
    )
    row: Row = {"guest_pmu_version": leaf.version, "guest_nr_gp": leaf.gp, "guest_nr_fixed": leaf.fixed}
    row |= {"guest_gp_width": leaf.gp_width, "cpl": r.randrange(4), "cr4_pce": bit(r), "cr0_pe": mostly(r)}
    high = r.choice([0, 0, 0x40000000, 0x40000000, 0x80000000, 0xC0000000, 0x20000000, 0x10000, 0x40010000])
    ecx = r.choice([high | r.randrange(10), 0xFFFFFFFF, r.getrandbits(32)])
    pmu = refresh(state, leaf, 0, 8, 3, False)
    found = rdpmc(state, pmu, ecx, bool(row["cr4_pce"] or row["cpl"] == 0 or not row["cr0_pe"]))
    if found is None:
        return row | {"ecx": ecx, "ret": 0, "value": 0x7777 if ecx == 0x10000 else 0x5555}
    answer, fixed, index, fast = found
    value = (0xF123900000000 + index) & pmu.fixed_bits if fixed else (0xABCD100000000 + index) & pmu.gp_bits
    value = value & 0xFFFFFFFF if fast else value
    return row | {"ecx": ecx, "ret": answer, "value": 0 if answer else value}


def refresh_row(r: Random, state: str) -> Row:
    leaf = Leaf(r.choice([0, 1, 2, 3, 4, 5, 6, 255]), r.choice([0, 1, 4, 6, 8, 9, 16, 255]), r.randrange(6))
    leaf.gp_width, leaf.fixed_width = r.choice([0, 32, 48, 64, 255]), r.choice([0, 40, 48, 64, 255])
    leaf.length, leaf.unavailable = r.choice([0, 3, 7, 8, 63]), r.choice([0, 0x7F, 0x55, r.getrandbits(32)])
    eax, ebx, edx = leaf.registers()
    row: Row = {
        "vm_pmu_enabled": mostly(r),
        "host_pmu_version": r.randrange(6),
        "host_num_gp": r.randrange(14),
    }
    row |= {"host_num_fixed": r.randrange(6), "has_cpuid_0a": mostly(r)}
    row |= {"cpuid_0a_eax": eax, "cpuid_0a_ebx": ebx, "cpuid_0a_edx": edx, "host_perf_cap": some_caps(r)}
    row |= {"pebs_ok": bit(r), "tsx": r.randrange(4), "vcpu_perf_cap": r.choice([*CAPS[:-1], 0x24C5, 0x64C5])}
    row |= {"guest_pdcm": mostly(r), "pt_host_guest": bit(r)}
    has_pmu = row["vm_pmu_enabled"] and row["has_cpuid_0a"] and row["host_pmu_version"] and row["host_num_gp"]
    caps = int(row["vcpu_perf_cap"]) if row["guest_pdcm"] else 0
    # FSGSBASE, which the guest always has, is enough for the guest's half of the test.
    tsx, pt = int(row["tsx"]) & 1 == 1, row["pt_host_guest"] == 1
    kvm_gp, kvm_fixed = int(row["host_num_gp"]), int(row["host_num_fixed"])
    pmu = refresh(state, leaf if has_pmu else None, caps, kvm_gp, kvm_fixed, tsx, pt)
    return row | refresh_answer(state, pmu, caps)


def refresh_answer(state: str, pmu: Pmu, caps: int) -> Row:
    records = 32 if pmu.version and caps & INTEL_FORMAT else 0
    counters = (1 << pmu.gp) - 1 | ((1 << pmu.fixed) - 1) << 32
    row: Row = {"version": pmu.version, "nr_gp": pmu.gp, "nr_fixed": pmu.fixed, "gp_bitmask": pmu.gp_bits}
    row |= {"fixed_bitmask": pmu.fixed_bits, "available_event_types": pmu.events}
    row |= {"global_ctrl_rsvd": pmu.global_ctrl, "ovf_ctrl_rsvd": pmu.status}
    row |= {"fixed_ctr_ctrl_rsvd": pmu.fixed_ctrl, "eventsel_rsvd": pmu.select, "raw_event_mask": pmu.raw}
    row |= {"pebs_enable_rsvd": pmu.pebs_enable, "pebs_data_cfg_rsvd": pmu.pebs_cfg, "lbr_nr": records}
    row["valid_pmc_bitmap"] = counters | (1 << 58 if records else 0)
    return row | {"global_ctrl_value": 0 if is_61(state) or pmu.version < 2 else (1 << pmu.gp) - 1}


VPMU = [
    0x38D,
    0x38E,
    0x38F,
    0x390,
    0x391,
    0x3F1,
    0x3F2,
    0x600,
    0x309,
    0x30B,
    0x30C,
    0xC1,
    0xC2,
    0xC3,
    0xC8,
    0xC9,
]
VPMU += [
    0x186,
    0x187,
    0x188,
    0x18D,
    0x18E,
    0x4C1,
    0x4C8,
    0x4C9,
    0xC0010000,
    0xC0010003,
    0xC0010004,
    0xC0010007,
]
VPMU += [0xC0010008, 0xC0010200, 0xC001020B, 0xC001020C, 0x329, 0x1DB, 0x1DE, 0x12345, 0x14CE]
VALUES = [
    0,
    1,
    3,
    0xF,
    0x111,
    0x333,
    0xBBB,
    0x444,
    0x700000003,
    0x53003C,
    0x1005300C0,
    0x2005300C0,
    0x4005300C0,
]
VALUES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x800000000000, 0xFFFFFFFFFFFF, 0xFFFF800000000000, ALL]


def vpmu_row(r: Random, state: str) -> Row:
    leaf = Leaf(r.choice([0, 1, 2, 2, 3, 5]), r.choice([1, 4, 8, 8, 9]), r.randrange(5))
    row: Row = {"vm_pmu_enabled": mostly(r), "guest_pmu_version": leaf.version, "guest_nr_gp": leaf.gp}
    row |= {"guest_nr_fixed": leaf.fixed, "host_perf_cap": r.choice(CAPS), "pebs_ok": bit(r)}
    row |= {
        "tsx_host_and_guest": bit(r),
        "vcpu_perf_cap": r.choice([0, 5, 0x2000, 0x2005, 0x24C5, 0x64C5, 0x4100]),
    }
    row |= {"pre_msr": r.choice([0, 0, 0x38E, 0x38F, 0x186, 0x188, 0x3F1])}
    row |= {
        "pre_data": r.choice([1, 3, 0x700000003, 0x53003C]) if row["pre_msr"] else 0,
        "initiator": side(r),
    }
    data = r.choice([r.choice(VALUES), r.choice(VALUES), 1 << r.randrange(64), r.getrandbits(64)])
    row |= {"msr": r.choice(VPMU), "data": data}
    caps, kvm_gp = int(row["vcpu_perf_cap"]), 4 if leaf.gp == 4 else 8
    pmu = refresh(
        state, leaf if row["vm_pmu_enabled"] else None, caps, kvm_gp, 3, row["tsx_host_and_guest"] == 1
    )
    registers = Registers(state, pmu, caps, kvm_gp)
    if row["pre_msr"]:
        registers.write(True, int(row["pre_msr"]), int(row["pre_data"]))
    msr = int(row["msr"])
    answer, lines = registers.write(row["initiator"] == "host", msr, data)
    row |= {"ret": answer, "log_lines": lines}
    row["guest_read_ret"], row["guest_read_val"] = registers.read(False, msr)
    row["host_read_ret"], row["host_read_val"] = registers.read(True, msr)
    return row | {"global_status_after": registers.status}


SETS: dict[str, Callable[[Random, str], Row]] = {
    "supported": supported_row,
    "perfcap": perfcap_row,
    "debugctl": debugctl_row,
    "nested": nested_row,
    "lbrmsr": lbrmsr_row,
    "passthrough": passthrough_row,
    "pmi": pmi_row,
    "rdpmc": rdpmc_row,
    "refresh": refresh_row,
    "vpmu": vpmu_row,
}


def vectors(name: str, count: int, seed: int) -> str:
    """A file of `count` random rows of set `name`, over all states."""
    r = Random(f"{name} {seed}")
    rows: list[Row] = []
    for number in range(count):
        state = STATES[number % len(STATES)]
        row: Row = {"state": state}
        rows.append(row | SETS[name](r, state))
    lines = [f'# set "{name}"', ",".join(rows[0])]
    lines += [",".join(str(cell) for cell in row.values()) for row in rows]
    return "\n".join(lines) + "\n"
