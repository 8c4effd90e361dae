// The vPMU's refresh: on KVM_SET_CPUID2, on a write of PERF_CAPABILITIES, and at the creation of a vCPU.
#include <algorithm>

#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

/// Kernels whose refresh leaves the LBR record alone when the guest has no PMU.
constexpr KernelSet kKeepsRecord = k61;

bool always(const Op&) {
  return true;
}
int nothing(Op&) {
  return kOk;
}

constexpr u64 first_bits(unsigned n) {
  return n >= 64 ? ~u64{0} : (u64{1} << n) - 1;
}
constexpr unsigned leaf_version(const GuestCpuid& cpuid) {
  return cpuid.leaf0a_eax & 0xff;
}

constexpr Rule kPmuRules[] = {
    {"refresh-no-leaf", "the guest's CPUID has no leaf 0AH: no vPMU", "3", kAllKernels,
     [](const Op& op) { return !op.vcpu.cpuid.has_leaf_0a; }, nothing},
    {"refresh-vm-disabled", "the VM's PMU is disabled, or enable_pmu is off: no vPMU", "3, 6.1", kAllKernels,
     [](const Op& op) { return !op.vm.pmu_enabled || !op.module.enable_pmu; }, nothing},
    {"refresh-version-0", "leaf 0AH gives version 0: no vPMU", "3", kAllKernels,
     [](const Op& op) { return leaf_version(op.vcpu.cpuid) == 0; }, nothing},
    {"refresh-pmu",
     "version as the guest's CPUID has it; counters, widths and events are the lesser of the guest's "
     "and KVM's",
     "6.1", kAllKernels, always,
     [](Op& op) -> int {
       const GuestCpuid& cpuid = op.vcpu.cpuid;
       VpmuState& pmu = op.vcpu.pmu;
       pmu.version = leaf_version(cpuid);
       pmu.nr_gp = std::min({(cpuid.leaf0a_eax >> 8) & 0xff, op.module.num_gp, kMaxGp});
       const unsigned width = std::min((cpuid.leaf0a_eax >> 16) & 0xff, op.module.gp_width);
       pmu.gp_bitmask = first_bits(width);
       const unsigned events = std::min(cpuid.leaf0a_eax >> 24, op.module.num_events);
       pmu.available_event_types = ~u64{cpuid.leaf0a_ebx} & first_bits(events);
       return kOk;
     }},
};
constexpr RuleTable kPmu{"the refresh's vPMU", false, kPmuRules};

constexpr Rule kFixedRules[] = {
    {"refresh-no-fixed", "version 0 or 1: no fixed counters", "6.1", kAllKernels,
     [](const Op& op) { return op.vcpu.pmu.version < 2; }, nothing},
    {"refresh-fixed", "fixed counters: the least of 3, the guest's and KVM's", "6.1", kAllKernels, always,
     [](Op& op) -> int {
       const u32 edx = op.vcpu.cpuid.leaf0a_edx;
       op.vcpu.pmu.nr_fixed = std::min({edx & 0x1f, op.module.num_fixed, kMaxFixed});
       const unsigned width = std::min((edx >> 5) & 0xff, op.module.fixed_width);
       op.vcpu.pmu.fixed_bitmask = first_bits(width);
       return kOk;
     }},
};
constexpr RuleTable kFixed{"the refresh's fixed counters", false, kFixedRules};

int no_record(Op& op) {
  op.vcpu.lbr.nr = 0;
  return kOk;
}

constexpr Rule kLbrRules[] = {
    {"vlbr-early-return",
     "the guest has no PMU: the refresh ends before the LBR record, which stays as it was",
     "3, 6.1-series quirk", kKeepsRecord, [](const Op& op) { return op.vcpu.pmu.version == 0; }, nothing},
    {"vlbr-no-pmu", "the guest has no PMU: no LBRs", "3", kFrom612,
     [](const Op& op) { return op.vcpu.pmu.version == 0; }, no_record},
    {"vlbr-model", "the guest's model is not the host's: no LBRs", "3", kAllKernels,
     [](const Op& op) { return !model_matches(op); }, no_record},
    {"vlbr-no-format", "no LBR_FMT in the capabilities the guest can see: no LBRs", "3", kAllKernels,
     [](const Op& op) { return (effective_caps(op) & perfcap::kLbrFmt) == 0; }, no_record},
    {"vlbr-record", "the vCPU gets perf's record, of now", "3", k61, always,
     [](Op& op) -> int {
       x86_perf_get_lbr(op, op.vcpu.lbr);
       return kOk;
     }},
    {"vlbr-cached-record", "the vCPU gets perf's record, as of module init", "3", kFrom612, always,
     [](Op& op) -> int {
       op.vcpu.lbr = op.module.lbr;
       return kOk;
     }},
};
constexpr RuleTable kLbr{"vLBR enablement", false, kLbrRules};

constexpr Rule kValueRules[] = {
    {"refresh-keeps-values", "counters, selects and controls survive a refresh", "6.3", k61, always, nothing},
    {"refresh-zeroes-values", "the LBR event is released, counters, selects and controls are zeroed",
     "5, 6.3", kFrom612, always,
     [](Op& op) -> int {
       release_lbr_event(op);
       VpmuState& pmu = op.vcpu.pmu;
       pmu.gp.fill({});
       pmu.fixed.fill({});
       pmu.global_ctrl = pmu.global_status = pmu.fixed_ctr_ctrl = pmu.pebs_enable = pmu.pebs_data_cfg = 0;
       pmu.events = 0;
       pmu.event_count = 0;
       pmu.need_cleanup = false;
       return kOk;
     }},
};
constexpr RuleTable kValues{"what a refresh does to values", false, kValueRules};

constexpr Rule kGlobalRules[] = {
    {"refresh-global-ctrl", "GLOBAL_CTRL enables all general counters, as after RESET", "6.3", kFrom612,
     [](const Op& op) { return op.vcpu.pmu.version > 1 && op.vcpu.pmu.nr_gp != 0; },
     [](Op& op) -> int {
       op.vcpu.pmu.global_ctrl = (u64{1} << op.vcpu.pmu.nr_gp) - 1;
       return kOk;
     }},
};
constexpr RuleTable kGlobal{"GLOBAL_CTRL after a refresh", true, kGlobalRules};

void forget(VpmuState& pmu) {
  const VpmuState none;
  pmu.version = pmu.nr_gp = pmu.nr_fixed = 0;
  pmu.gp_bitmask = pmu.fixed_bitmask = pmu.available_event_types = pmu.valid_pmc_bitmap = 0;
  pmu.global_ctrl_rsvd = none.global_ctrl_rsvd;
  pmu.global_status_rsvd = none.global_status_rsvd;
  pmu.fixed_ctr_ctrl_rsvd = none.fixed_ctr_ctrl_rsvd;
  pmu.eventsel_rsvd = none.eventsel_rsvd;
  pmu.raw_event_mask = none.raw_event_mask;
  pmu.pebs_enable_rsvd = none.pebs_enable_rsvd;
  pmu.pebs_data_cfg_rsvd = none.pebs_data_cfg_rsvd;
}

}  // namespace

void refresh_vpmu(Op& op) {
  VpmuState& pmu = op.vcpu.pmu;
  decide(kValues, op);
  forget(pmu);
  decide(kPmu, op);
  decide(kFixed, op);
  decide(kLbr, op);
  if (pmu.version != 0) refresh_masks(op);
  if (pmu.version != 0)
    pmu.valid_pmc_bitmap = ((u64{1} << pmu.nr_gp) - 1) | ((u64{1} << pmu.nr_fixed) - 1) << 32 |
                           u64{vlbr_enabled(op)} << kVlbrIndex;
  decide(kGlobal, op);
}

RuleTables refresh_tables() {
  static constexpr const RuleTable* kTables[] = {&kPmu, &kFixed, &kLbr, &kValues, &kGlobal};
  return kTables;
}

}  // namespace lastbranch::kvm
