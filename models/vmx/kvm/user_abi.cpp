#include "models/vmx/kvm/user_abi.h"

#include <algorithm>

#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

bool always(const Op&) {
  return true;
}
int ok(Op&) {
  return kOk;
}
int einval(Op&) {
  return -kEinval;
}

/// op.index: 1 if the new table is the one the vCPU has.
constexpr Rule kCpuidRules[] = {
    {"cpuid-run-same", "the vCPU has run and gets the table it has: accepted, nothing happens", "7",
     kAllKernels, [](const Op& op) { return op.vcpu.has_run && op.index != 0; }, ok},
    {"cpuid-run", "the vCPU has run: its CPUID may not change any more", "7", kAllKernels,
     [](const Op& op) { return op.vcpu.has_run; }, einval},
    {"cpuid-set", "the table is stored, and the vPMU refreshed", "7", kAllKernels, always,
     [](Op&) -> int { return 1; }},
};
constexpr RuleTable kCpuid{"KVM_SET_CPUID2", false, kCpuidRules};

constexpr Rule kCapRules[] = {
    {"pmu-cap-off", "enable_pmu is off", "6.1", kAllKernels,
     [](const Op& op) { return !op.module.enable_pmu; }, einval},
    {"pmu-cap-bits", "a bit other than KVM_PMU_CAP_DISABLE", "6.1", kAllKernels,
     [](const Op& op) { return (op.data & ~kPmuCapDisable) != 0; }, einval},
    {"pmu-cap-vcpu", "the VM has a vCPU already", "6.1", kAllKernels,
     [](const Op& op) { return op.vm.has_vcpu; }, einval},
    {"pmu-cap", "the VM's PMU is there, or not, as asked", "6.1", kAllKernels, always,
     [](Op& op) -> int {
       op.vm.pmu_enabled = (op.data & kPmuCapDisable) == 0;
       return kOk;
     }},
};
constexpr RuleTable kCap{"KVM_CAP_PMU_CAPABILITY", false, kCapRules};

constexpr Rule kCountRules[] = {
    {"msrs-too-many", "256 entries or more: E2BIG", "7", kAllKernels,
     [](const Op& op) { return op.data >= kMaxMsrs; }, [](Op&) -> int { return -kE2big; }},
    {"msrs", "entry after entry, up to the first that fails; the number processed is returned", "7",
     kAllKernels, always, ok},
};
constexpr RuleTable kCount{"lists of MSRs", false, kCountRules};

constexpr unsigned kGpArray = 8, kFixedArray = 3, kOfferedVersion = 2;

constexpr Rule kClampRules[] = {
    {"clamp-none", "enable_pmu is off: KVM offers no PMU at all", "6.1", kAllKernels,
     [](const Op& op) { return !op.module.enable_pmu; }, ok},
    {"clamp-host-gp", "as many general counters as the host has, even above the array's 8", "6.1", k61,
     always,
     [](Op& op) -> int {
       op.loading->num_gp = op.host.num_gp;
       return 1;
     }},
    {"clamp-gp", "at most 8 general counters", "6.1", kFrom612, always,
     [](Op& op) -> int {
       op.loading->num_gp = std::min(op.host.num_gp, kGpArray);
       return 1;
     }},
};
constexpr RuleTable kClamp{"the PMU KVM offers", false, kClampRules};

}  // namespace

void module_init(Op& op, ModuleState& module) {
  const ModuleParams params = module.params;
  module = {};
  module.params = params;
  op.loading = &module;
  module.enable_pmu = effective_enable_pmu(op);
  if (decide(kClamp, op) != 0) {
    module.version = std::min(op.host.pmu_version, kOfferedVersion);
    module.num_fixed = std::min(op.host.num_fixed, kFixedArray);
    module.gp_width = op.host.gp_width;
    module.fixed_width = op.host.fixed_width;
    module.num_events = op.host.num_events;
    module.unavailable_events = op.host.unavailable_events;
  }
  x86_perf_get_lbr(op, module.lbr);
  module.supported_perf_cap = compute_supported_caps(op);
}

void create_vcpu(Op& op) {
  op.vm.has_vcpu = true;
  op.vcpu.perf_capabilities = initial_caps(op);
  op.vcpu.vmcs_debugctl = host_owned_debugctl(op);
  if (op.is(k61)) refresh_vpmu(op);
}

int set_cpuid(Op& op, const GuestCpuid& cpuid) {
  op.index = cpuid == op.vcpu.cpuid ? 1 : 0;
  const int code = decide(kCpuid, op);
  if (code <= 0) return code;
  op.vcpu.cpuid = cpuid;
  refresh_vpmu(op);
  return kOk;
}

int enable_pmu_cap(Op& op, u64 flags) {
  op.data = flags;
  return decide(kCap, op);
}

u64 check_pmu_cap(const ModuleState& module) {
  return module.enable_pmu ? kPmuCapDisable : 0;
}

int check_msr_count(Op& op, std::size_t count) {
  op.data = count;
  return decide(kCount, op);
}

GuestCpuid supported_cpuid(Op& op) {
  GuestCpuid cpuid;
  cpuid.present = true;
  cpuid.leaf1_eax = op.host.leaf1_eax;
  const bool pebs = (supported_caps(op) & perfcap::kPebsFormat) != 0;
  cpuid.set_pdcm(op.host.pdcm && op.module.enable_pmu);
  cpuid.set_ds(pebs);
  cpuid.set_dtes64(pebs);
  cpuid.set_bus_lock_detect(op.host.bus_lock_detect);
  cpuid.leaf7_ebx = 1 | (u32{op.host.hle} << 4) | (u32{op.host.rtm} << 11);
  cpuid.has_leaf_0a = true;
  const ModuleState& m = op.module;
  if (m.version == 0) return cpuid;
  cpuid.leaf0a_eax = m.version | m.num_gp << 8 | m.gp_width << 16 | m.num_events << 24;
  cpuid.leaf0a_ebx = m.unavailable_events;
  cpuid.leaf0a_edx = m.num_fixed | m.fixed_width << 5 | 1u << 15;
  return cpuid;
}

void GuestCpuid::set_pmu(unsigned version, unsigned gp, unsigned fixed, unsigned width, unsigned events) {
  has_leaf_0a = true;
  leaf0a_eax = version | gp << 8 | width << 16 | events << 24;
  leaf0a_edx = fixed | width << 5;
}

RuleTables user_abi_tables() {
  static constexpr const RuleTable* kTables[] = {&kCpuid, &kCap, &kCount, &kClamp};
  return kTables;
}

}  // namespace lastbranch::kvm
