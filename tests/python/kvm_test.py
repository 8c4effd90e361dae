"""lastbranch.kvm: what its objects take, give and refuse; the series patch by patch."""

import doctest
import errno
import sys
from collections.abc import Callable
from typing import Any

import lastbranch
import pytest
from lastbranch import kvm
from lastbranch.kvm import Cpuid, Host, Perf, Vcpu

SERIES = [f"v5-series:{k}" for k in range(9)]
KERNELS = [k.name for k in kvm.kernels()]
WITH_PATCH_4 = [k for k in KERNELS if k not in SERIES[:4]]


def full_vcpu(host: Host, **changes: int | bool) -> Vcpu:
    """A vCPU with what KVM supports as its CPUID, but for `changes`."""
    return host.create_vm().create_vcpu(Cpuid(host.supported_cpuid, **changes))


def read(vcpu: Vcpu, msr: str | int) -> int:
    (value,) = vcpu.get_msrs([msr])
    return value


# --- the interface -----------------------------------------------------------------------------------------


def test_docstrings_hold() -> None:
    modules = {
        sys.modules[getattr(kvm, name).__module__] for name in ("Answer", "Host", "Vcpu", "Vm", "rules")
    }
    results = [doctest.testmod(module) for module in modules]
    assert sum(r.failed for r in results) == 0
    assert sum(r.attempted for r in results) > 10


def test_everything_is_documented() -> None:
    for name in kvm.__all__:
        public = getattr(kvm, name)
        if not isinstance(public, type):
            continue
        assert public.__doc__, name
        for member, value in vars(public).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                assert value.__doc__, f"{name}.{member}"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Host("z80"), "microarchitecture 'z80': expected one of merom"),
        (lambda: Host(kernel="5.15"), r"expected one of v5-series:0 \(s0\).*7.3-rc7.*found '5.15'"),
        (lambda: kvm.rules("5.15"), "v5-series:0"),
        (lambda: Host(changes={"nonsense": 1}), "expected one of arch_lbr, .*found 'nonsense'"),
        (lambda: Host(changes={"num_gp": -1}), "num_gp: .*found -1"),
        (lambda: Host(overrides={"nonsense": 1}), "nonsense"),
        (lambda: Host(perf=Perf(lbr_nr=33)), "0 to 32 records, found 33"),
        (lambda: Host(perf=Perf(lbr_user="me")), "none, task, pinned, found 'me'"),  # type: ignore[arg-type]
        (lambda: Host(perf=Perf(lbr_registers="odd")), "work, stuck or absent"),  # type: ignore[arg-type]
        (lambda: Cpuid(nonsense=1), "expected one of bus_lock_detect, .*found 'nonsense'"),
        (lambda: full_vcpu(Host()).guest_wrmsr("IA32_NONSENSE", 1), "lbr_tos, .*found 'IA32_NONSENSE'"),
        (lambda: full_vcpu(Host()).guest_rdmsr(1 << 32), "32 bits"),
        (lambda: full_vcpu(Host()).guest_wrmsr("debugctl", -1), "MSR debugctl: .*64 bits, found -1"),
        (lambda: full_vcpu(Host()).set_msrs({"debugctl": 1 << 64}), "64 bits"),
        (lambda: full_vcpu(Host()).rdpmc(-1), "32 bits"),
        (lambda: full_vcpu(Host()).count(256, 0, 1), "8 bits"),
        (lambda: Host().create_vm().set_event_filter("some"), "allow, deny"),  # type: ignore[arg-type]
        (lambda: Host().create_vm().set_event_filter(-1), "action: .*32 bits, found -1"),
        (lambda: Host().create_vm().set_event_filter("deny", flags=1 << 32), "flags: .*32 bits"),
        (lambda: Host(perf=Perf(lbr_errno=-5)), "lbr_errno: .*found -5"),
        (
            lambda: full_vcpu(Host()).get_msrs("debugctl"),
            "expected a list of them, found the name 'debugctl'",
        ),
        (lambda: Host().get_msrs("perf_capabilities"), "the name 'perf_capabilities' alone"),
        (lambda: full_vcpu(Host()).set_msrs(["debugctl"]), "expected pairs"),  # type: ignore[list-item]
        (lambda: full_vcpu(Host()).run(b"\xf4", base=-1), "base: .*found -1"),
        (lambda: full_vcpu(Host()).run(b"\xf4", slice=-1), "slice: .*found -1"),
        (lambda: full_vcpu(Host()).run(b"\xf4", max_instructions=-1), "max_instructions: .*found -1"),
        (lambda: full_vcpu(Host()).run(b"\xf4", max_exits=-1), "max_exits: .*found -1"),
    ],
)
def test_wrong_use_is_named(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(lastbranch.Error, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Host(perf="none"), "perf: expected a Perf, found 'none'"),  # type: ignore[arg-type]
        (lambda: full_vcpu(Host()).guest_wrmsr("debugctl", 1.5), "MSR debugctl: .*found 1.5"),  # type: ignore[arg-type]
        (lambda: full_vcpu(Host()).set_msrs({"debugctl": "1"}), "whole number, found '1'"),  # type: ignore[arg-type]
        (lambda: full_vcpu(Host()).guest_rdmsr(None), "MSR: .*found None"),  # type: ignore[arg-type]
        (lambda: full_vcpu(Host()).run(5), "bytes-like"),  # type: ignore[arg-type]
        (lambda: full_vcpu(Host()).run(b"\xf4", max_instructions=1e6), "1000000.0"),  # type: ignore[arg-type]
    ],
)
def test_arguments_of_a_wrong_type_are_named(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call()


def test_kernels_go_by_name_tag_and_release() -> None:
    assert KERNELS[:9] == SERIES
    for kernel in kvm.kernels():
        assert Host(kernel=kernel.alias).kernel == kernel.name
    assert Host(kernel="6.2").kernel == "v5-series:8"


def test_rules_of_a_kernel_are_those_that_hold_for_it() -> None:
    everything = kvm.rules()
    assert len({r.row.id for r in everything}) == len(everything) > 150
    for kernel in KERNELS:
        mine = {r.row.id for r in kvm.rules(kernel)}
        assert {r.row.id for r in everything if r.row.kernels == "all"} < mine


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("IA32_DEBUGCTL", 0x1D9),
        ("debugctl", 0x1D9),
        ("ia32_perf_capabilities", 0x345),
        ("IA32_PMC7", 0xC8),
        ("IA32_A_PMC1", 0x4C2),
        ("IA32_PERFEVTSEL3", 0x189),
        ("IA32_FIXED_CTR2", 0x30B),
        ("MSR_LASTBRANCH_TOS", 0x1C9),
        ("lbr_tos", 0x1C9),
        ("MSR_LASTBRANCH_31_FROM_IP", 0x69F),
        ("lbr_0_to", 0x6C0),
        ("MSR_LBR_INFO_1", 0xDC1),
    ],
)
def test_registers_go_by_name(name: str, number: int) -> None:
    host = Host("skylake")
    assert host.msr(name) == number
    assert host.msr(host.msr_name(number)) == number
    assert full_vcpu(host).guest_rdmsr(name) == full_vcpu(host).guest_rdmsr(number)


def test_short_names_are_those_of_the_command_line() -> None:
    host = Host("skylake")
    assert host.msr("evtsel0") == host.msr("IA32_PERFEVTSEL0")
    assert host.msr("perf_global_ctrl") == host.msr("IA32_PERF_GLOBAL_CTRL")
    with pytest.raises(lastbranch.Error, match="found 'fixed_ctr7'"):
        host.msr("fixed_ctr7")


@pytest.mark.parametrize(
    ("owner", "name", "most"),
    [
        ("pmu", "nr_gp", 32),
        ("pmu", "nr_fixed", 3),
        ("lbr", "nr", 32),
        ("perf", "nr", 32),
        ("perf", "format", 63),
        ("host", "num_gp", 32),
        ("host", "num_fixed", 31),
        ("host", "pmu_version", 255),
        ("host", "gp_width", 255),
        ("host", "fixed_width", 255),
        ("host", "num_events", 255),
    ],
)
def test_counts_fit_what_holds_them(owner: str, name: str, most: int) -> None:
    host = Host("skylake")
    state = full_vcpu(host).state
    target = {"pmu": state.pmu, "lbr": state.lbr, "perf": host.state.perf, "host": host.state}[owner]
    setattr(target, name, most)
    for value in (most + 1, 1 << 32):
        with pytest.raises(lastbranch.Error, match=f"{name}: expected 0 to {most}, found {value}"):
            setattr(target, name, value)
    assert getattr(target, name) == most


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 256}, "version: expected 0 to 255, found 256"),
        ({"gp": 256}, "gp: expected 0 to 255, found 256"),
        ({"fixed": 32}, "fixed: expected 0 to 31, found 32"),
        ({"width": 256}, "width: expected 0 to 255, found 256"),
        ({"events": 256}, "events: expected 0 to 255, found 256"),
    ],
)
def test_leaf_0a_refuses_what_its_fields_cannot_hold(changes: dict[str, int], words: str) -> None:
    cpuid = Cpuid(Host("skylake").supported_cpuid)
    before = cpuid.leaf0a_eax, cpuid.leaf0a_edx
    with pytest.raises(lastbranch.Error, match=words):
        cpuid.set_pmu(**({"version": 2, "gp": 4, "fixed": 3} | changes))
    assert (cpuid.leaf0a_eax, cpuid.leaf0a_edx) == before


def test_names_of_records_are_where_the_part_has_them() -> None:
    assert Host("core2").msr("MSR_LASTBRANCH_3_FROM_IP") == 0x43
    with pytest.raises(lastbranch.Error):
        Host("haswell").msr("MSR_LBR_INFO_0")


def test_answers_say_what_they_are() -> None:
    vcpu = full_vcpu(Host())
    taken, fault, value = (
        vcpu.guest_wrmsr("debugctl", 1),
        vcpu.guest_wrmsr("debugctl", 0x40),
        vcpu.guest_rdmsr("debugctl"),
    )
    assert (str(taken), str(fault), str(value)) == ("ok", "#GP", "ok, 0x1")
    assert taken.ok and not taken.gp and taken and taken.value is None
    assert fault.gp and not fault and fault.value is None and fault.code == 1
    assert value.value == 1
    assert vcpu.guest_rdmsr(0x12345).code == 2


def test_trace_of_a_list_has_the_rows_of_each_entry() -> None:
    vcpu = full_vcpu(Host())
    assert (
        vcpu.set_msrs([("debugctl", 0x801), ("perf_capabilities", 0x2005), (0x12345, 1), ("debugctl", 0)])
        == 2
    )
    ids = vcpu.trace.ids
    assert ids.index("debugctl-store") < ids.index("perfcap-store") < ids.index("verdict-unsupported")
    assert ids.count("msr-debugctl") == 1
    assert vcpu.get_msrs(["debugctl", "perf_capabilities", 0x12345, "debugctl"]) == [0x801, 0x2005]
    assert vcpu.set_msrs({}) == 0 == len(vcpu.get_msrs([]))
    assert vcpu.set_msrs([("debugctl", 0)] * 255) == 255
    for call in (lambda: vcpu.set_msrs([("debugctl", 0)] * 256), lambda: vcpu.get_msrs(["debugctl"] * 256)):
        with pytest.raises(OSError, match="256 entries") as caught:
            call()
        assert caught.value.errno == errno.E2BIG


def test_objects_live_as_long_as_they_are_needed() -> None:
    vcpu = Host(kernel="6.2").create_vm().create_vcpu(Host(kernel="6.2").supported_cpuid)
    state = vcpu.state
    del vcpu
    assert state.perf_capabilities == 0x2005


# --- hosts -------------------------------------------------------------------------------------------------

# PERF_CAPABILITIES is composed in the records; what KVM makes of it is the rules'.
PARTS = {
    "core2": (0x2001, 4, 2, 2),
    "nehalem": (0x2003, 16, 3, 4),
    "haswell": (0x2004, 16, 3, 4),
    "skylake": (0x2005, 32, 4, 4),
    "goldmont": (0x2006, 32, 4, 4),
    "icx": (0x64C5, 32, 5, 8),
    "sapphirerapids": (0x203F, 32, 5, 8),
}


@pytest.mark.parametrize("part", PARTS)
def test_the_part_is_the_host(part: str) -> None:
    caps, records, version, counters = PARTS[part]
    host = Host(part, kernel="6.2")
    assert host.supported_perf_capabilities == caps
    assert (host.state.perf.nr, host.state.pmu_version, host.state.num_gp) == (records, version, counters)
    vcpu = full_vcpu(host)
    assert vcpu.state.lbr.nr == records
    assert read(vcpu, "perf_capabilities") == caps
    assert vcpu.cpuid == host.supported_cpuid


def test_every_part_makes_a_host() -> None:
    for part in lastbranch.uarchs():
        values = {p.name: p.value for p in lastbranch.parameters(uarch=part.name)}
        state = Host(part.name).state
        assert state.perf.nr == part.lbr_depth
        family, model, stepping = (int(x) for x in part.cpuid.split(",")[1:])
        assert state.leaf1_eax == (model >> 4) << 16 | family << 8 | (model & 15) << 4 | stepping
        assert state.pmu_version == int(values["pmu_version"])
        assert state.pdcm == (state.perf_capabilities != 0)


def test_later_kernels_offer_no_lbrs_on_hosts_with_architectural_ones() -> None:
    supported = {k: Host("sapphirerapids", kernel=k).supported_perf_capabilities & 0x3F for k in KERNELS}
    assert {k for k, fmt in supported.items() if fmt == 0} == {"6.1.192", "6.12.8", "6.12.117", "7.3-rc7"}


def test_hybrid_hosts_have_no_vpmu_in_later_kernels() -> None:
    offered = {k: Host("alderlake-p", kernel=k).module.enable_pmu for k in KERNELS}
    assert offered["v5-series:8"] and not offered["6.12.8"]


def test_overrides_change_the_part() -> None:
    assert full_vcpu(Host("skylake", overrides={"lbr_depth": 16})).state.lbr.nr == 16


@pytest.mark.parametrize(
    ("hypervisor", "registers", "records"),
    [
        (False, "absent", 32),
        (True, "work", 32),
        (True, "stuck", 0),
        (True, "absent", 0),
    ],
)
def test_perf_probes_the_records_when_the_host_is_a_guest(
    hypervisor: bool, registers: Any, records: int
) -> None:
    host = Host(hypervisor=hypervisor, perf=Perf(lbr_registers=registers))
    assert host.state.perf.nr == records
    assert host.supported_perf_capabilities == (0x2005 if records else 0x2000)
    assert host.trace is not None


def test_parameters_of_the_modules() -> None:
    assert Host(enable_pmu=False).supported_perf_capabilities == 0
    assert not Host(enable_pmu=False).supported_cpuid.pdcm
    assert full_vcpu(Host()).guest_rdmsr(0x12345).gp
    for report in (False, True):
        vcpu = full_vcpu(Host(ignore_msrs=True, report_ignored_msrs=report))
        assert str(vcpu.guest_rdmsr(0x12345)) == "ok, 0x0"
        assert vcpu.log_lines == report
        assert vcpu.guest_wrmsr("debugctl", 0x2) and vcpu.log_lines == report
    assert Host(kernel="7.3-rc7", mediated_pmu=True).supported_perf_capabilities == 0x2000
    host = Host()
    host.module.ignore_msrs = True
    assert full_vcpu(host).guest_wrmsr(0x12345, 1)


def test_feature_msrs_and_lists() -> None:
    host = Host(kernel="6.2")
    assert host.get_msrs(["perf_capabilities", "debugctl", "perf_capabilities"]) == [0x2005]
    assert "feature-perf-caps-common" in host.trace.ids
    assert host.feature_msr_index_list == [0x345]
    assert 0x345 in host.msr_index_list and 0x1D9 not in host.msr_index_list
    assert 0x1D9 in Host(kernel="7.3-rc7").msr_index_list
    with pytest.raises(OSError, match="E2BIG"):
        host.get_msrs([0x345] * 256)


# --- the series --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", SERIES)
def test_a_format_needs_records_from_patch_2_on(kernel: str) -> None:
    late = kernel not in SERIES[:2]
    for perf in (Perf(lbr_nr=0), Perf(built=False)):
        host = Host(kernel=kernel, perf=perf)
        assert host.supported_perf_capabilities == (0x2000 if late else 0x2005)
        vcpu = full_vcpu(host)
        assert vcpu.set_msrs([("perf_capabilities", 0x2005)]) == (0 if late else 1)
        assert vcpu.state.lbr.nr == 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_user_space_may_restore_debugctl_before_cpuid_from_patch_4_on(kernel: str) -> None:
    host = Host(kernel=kernel, changes={"bus_lock_detect": True})
    vcpu = host.create_vm().create_vcpu()
    free = kernel in WITH_PATCH_4
    assert vcpu.set_msrs([("debugctl", 0x801)]) == free
    assert vcpu.set_msrs([("debugctl", 0x4)]) == free
    assert vcpu.set_msrs([("debugctl", 0x40)]) == 0
    assert vcpu.guest_wrmsr("debugctl", 0x800).gp


@pytest.mark.parametrize("kernel", SERIES)
def test_capabilities_are_computed_once_from_patch_5_on(kernel: str) -> None:
    host = Host(kernel=kernel)
    host.state.perf.nr = 0
    once, new = 0x2005, 0x2000 if kernel not in SERIES[:2] else 0x2005
    assert host.supported_perf_capabilities == (once if kernel in SERIES[5:] else new)
    host.reload()
    assert host.supported_perf_capabilities == new


# --- VMs and vCPUs -----------------------------------------------------------------------------------------


def test_vms_without_a_pmu() -> None:
    host = Host()
    vm = host.create_vm()
    assert vm.pmu_capability == kvm.PMU_CAP_DISABLE
    vm.enable_pmu_capability()
    assert vm.trace.ids == ["pmu-cap"]
    vcpu = vm.create_vcpu(host.supported_cpuid)
    assert vcpu.state.pmu.version == 0
    assert vcpu.guest_rdmsr("global_ctrl").gp and vcpu.rdpmc(0).gp
    for other, flags in ((vm, 1), (host.create_vm(), 2), (Host(enable_pmu=False).create_vm(), 1)):
        with pytest.raises(OSError, match="KVM_ENABLE_CAP") as caught:
            other.enable_pmu_capability(flags)
        assert caught.value.errno == errno.EINVAL
    assert Host(enable_pmu=False).create_vm().pmu_capability == 0


def test_cpuid_is_fixed_by_the_first_run() -> None:
    host = Host()
    vcpu = full_vcpu(host)
    vcpu.enter()
    vcpu.set_cpuid(host.supported_cpuid)
    with pytest.raises(OSError, match="KVM_SET_CPUID2: the vCPU has run") as caught:
        vcpu.set_cpuid(Cpuid(host.supported_cpuid, pdcm=False))
    assert caught.value.errno == errno.EINVAL
    assert vcpu.cpuid == host.supported_cpuid != Cpuid(host.supported_cpuid, pdcm=False)


def test_cpuid_decides_on_the_vpmu() -> None:
    host = Host("icx")
    cpuid = host.supported_cpuid
    cpuid.set_pmu(version=1, gp=2, fixed=3)
    vcpu = host.create_vm().create_vcpu(cpuid)
    assert (vcpu.state.pmu.version, vcpu.state.pmu.nr_gp, vcpu.state.pmu.nr_fixed) == (1, 2, 0)
    assert vcpu.guest_wrmsr("IA32_PMC1", 5) and vcpu.guest_rdmsr("IA32_PMC2").gp
    assert full_vcpu(host, pdcm=False).guest_rdmsr("perf_capabilities").gp
    assert full_vcpu(host, leaf1_eax=host.supported_cpuid.leaf1_eax ^ 0x10).state.lbr.nr == 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_records_pass_through_while_the_event_is_active(kernel: str) -> None:
    vcpu = full_vcpu(Host(kernel=kernel))
    assert vcpu.guest_wrmsr("debugctl", 1)
    assert vcpu.events_created == 1
    assert not vcpu.passes_through("lbr_0_from")
    vcpu.enter()
    assert vcpu.passes_through("lbr_0_from") and not vcpu.passes_through("debugctl")
    assert vcpu.intercept_updates == 3 * 32 + 2
    vcpu.state.event_state = "error"
    vcpu.enter()
    assert not vcpu.passes_through("lbr_0_from") and vcpu.warnings == 1
    vcpu.guest_wrmsr("debugctl", 0)
    vcpu.next_slice()
    assert not vcpu.state.lbr_event


def test_a_pinned_user_on_the_host_keeps_the_records() -> None:
    vcpu = full_vcpu(Host(perf=Perf(lbr_user="pinned")))
    vcpu.guest_wrmsr("debugctl", 1)
    vcpu.enter()
    assert vcpu.warnings == 1 and not vcpu.passes_through("lbr_tos")
    refused = full_vcpu(Host(perf=Perf(lbr_errno=errno.EBUSY)))
    assert refused.guest_wrmsr("debugctl", 1) and not refused.state.lbr_event
    assert "event-refused" in refused.trace.ids


@pytest.mark.parametrize("kernel", ["6.2", "6.12.8"])
def test_reset_and_init(kernel: str) -> None:
    vcpu = full_vcpu(Host(kernel=kernel))
    vcpu.guest_wrmsr("debugctl", 0x801)
    vcpu.init()
    assert vcpu.trace.ids == ["init-keeps"]
    assert read(vcpu, "debugctl") == 0x801
    vcpu.reset()
    assert read(vcpu, "debugctl") == 0
    assert vcpu.state.lbr_event == (kernel == "6.12.8")


def test_a_pmi_freezes_the_records_and_needs_kvms_apic() -> None:
    host = Host()
    vcpu = full_vcpu(host)
    vcpu.guest_wrmsr("debugctl", 0x801)
    vcpu.pmi()
    assert vcpu.pmis == 1 and read(vcpu, "debugctl") == 0x800
    apart = host.create_vm(in_kernel_apic=False).create_vcpu(host.supported_cpuid)
    apart.guest_wrmsr("debugctl", 0x801)
    apart.pmi()
    assert apart.pmis == 0 and read(apart, "debugctl") == 0x801


def test_counters_count_and_overflow() -> None:
    vcpu = full_vcpu(Host())
    for msr, value in (("IA32_PERFEVTSEL0", 0x5300C0), ("IA32_PMC0", 0xFFFFFFF0), ("global_ctrl", 1)):
        assert vcpu.guest_wrmsr(msr, value)
    vcpu.count(0xC0, 0, 15)
    assert vcpu.pmis == 0
    vcpu.count(0xC4, 0, 100)
    vcpu.count(0xC0, 0, 3)
    assert vcpu.pmis == 1
    assert read(vcpu, "global_status") == 1 and vcpu.rdpmc(0).value == 2
    assert vcpu.rdpmc(0x80000000).value == 2 and vcpu.rdpmc(4).gp
    vcpu.state.cpl = 3
    assert vcpu.rdpmc(0).gp
    vcpu.state.cr4_pce = True
    assert vcpu.rdpmc(0).ok


@pytest.mark.parametrize(
    ("action", "events", "counted"),
    [
        ("deny", [0xC4], 0),
        ("deny", [0xC0], 42),
        ("allow", [0xC4], 42),
        ("allow", [0xC0], 0),
        ("allow", [], 0),
    ],
)
def test_event_filter(action: Any, events: list[int], counted: int) -> None:
    host = Host()
    vm = host.create_vm()
    vm.set_event_filter(action, events)
    vcpu = vm.create_vcpu(host.supported_cpuid)
    vcpu.set_msrs({"IA32_PERFEVTSEL0": 0x4300C4, "global_ctrl": 1})
    vcpu.count(0xC4, 0, 42)
    assert vcpu.rdpmc(0).value == counted


@pytest.mark.parametrize(
    ("kernel", "arguments", "code"),
    [
        ("6.2", {"action": 2}, errno.EINVAL),
        ("6.2", {"action": "allow", "flags": kvm.MASKED_EVENTS}, errno.EINVAL),
        ("6.12.8", {"action": "allow", "flags": 2}, errno.EINVAL),
        ("6.12.8", {"action": "allow", "flags": kvm.MASKED_EVENTS, "events": [1 << 40]}, errno.EINVAL),
        ("6.2", {"action": "deny", "events": range(301)}, errno.E2BIG),
        ("6.12.8", {"action": "allow", "flags": kvm.MASKED_EVENTS}, 0),
        ("6.2", {"action": "deny", "events": range(300)}, 0),
    ],
)
def test_event_filters_that_are_refused(kernel: str, arguments: dict[str, Any], code: int) -> None:
    vm = Host(kernel=kernel).create_vm()
    if code == 0:
        vm.set_event_filter(**arguments)
        assert vm.trace.ids == ["filter-set"]
        return
    with pytest.raises(OSError, match="KVM_SET_PMU_EVENT_FILTER") as caught:
        vm.set_event_filter(**arguments)
    assert caught.value.errno == code


@pytest.mark.parametrize(
    ("kernel", "entered", "l2"),
    [("6.2", True, 0x40), ("6.1.192", False, 0), ("6.12.117", False, 0)],
)
def test_nested_entry(kernel: str, entered: bool, l2: int) -> None:
    vcpu = full_vcpu(Host(kernel=kernel))
    assert vcpu.nested_entry(0x40) == entered
    assert vcpu.state.vmcs_debugctl == l2 and vcpu.state.in_l2 == entered
    assert ("nested-check-dr7-only" in vcpu.trace.ids) == entered
    vcpu.nested_exit()
    assert vcpu.state.vmcs_debugctl == 0 and not vcpu.state.in_l2
    assert not vcpu.nested_entry(0, dr7_valid=False)
    assert vcpu.nested_entry(0x1, save=True)
    assert vcpu.guest_wrmsr("debugctl", 0x801) and vcpu.state.vmcs12_debugctl == 0x801
