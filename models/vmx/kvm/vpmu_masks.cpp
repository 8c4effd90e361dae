// The vPMU's reserved bits. Each row takes bits out of a mask (or puts them back); all rows that apply act.
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr u64 kInTx = u64{1} << 32, kInTxCheckpointed = u64{1} << 33, kAdaptive = u64{1} << 34;
/// CPUID.7:EBX bits that the kernel's feature numbers for HLE and RTM make when they are used as a mask.
constexpr u32 kTsxQuirkMask = 0x12f;

bool tsx(const Op& op) {
  return (op.host.hle || op.host.rtm) && (op.vcpu.cpuid.leaf7_ebx & kTsxQuirkMask) != 0;
}
bool baseline(const Op& op) {
  return (effective_caps(op) & perfcap::kPebsBaseline) != 0;
}
bool pebs(const Op& op) {
  return (effective_caps(op) & perfcap::kPebsFormat) != 0;
}
/// 7.3 leaves before these masks for a PMU of version 1.
bool full_pmu(const Op& op) {
  return !op.is(k73) || op.vcpu.pmu.version > 1;
}
u64 counters(const VpmuState& pmu) {
  return ((u64{1} << pmu.gp_count()) - 1) | ((u64{1} << pmu.fixed_count()) - 1) << 32;
}

constexpr Rule kMaskRules[] = {
    {"mask-tsx",
     "event selects may set IN_TX, and raw events carry it and its checkpoint bit: the host has TSX and "
     "the guest's leaf 7 EBX has any of bits 0, 1, 2, 3, 5, 8 (feature numbers used as a mask)",
     "6.2", kAllKernels, tsx,
     [](Op& op) -> int {
       op.vcpu.pmu.eventsel_rsvd ^= kInTx;
       op.vcpu.pmu.raw_event_mask |= kInTx | kInTxCheckpointed;
       return kOk;
     }},
    {"mask-fixed", "FIXED_CTR_CTRL: enables and PMI of each fixed counter; AnyThread is reserved", "6.2",
     kAllKernels, [](const Op& op) { return op.vcpu.pmu.fixed_count() != 0; },
     [](Op& op) -> int {
       for (unsigned i = 0; i < op.vcpu.pmu.fixed_count(); ++i)
         op.vcpu.pmu.fixed_ctr_ctrl_rsvd &= ~(u64{0xb} << 4 * i);
       return kOk;
     }},
    {"mask-global-ctrl", "GLOBAL_CTRL: a bit per counter", "6.2", kAllKernels, full_pmu,
     [](Op& op) -> int {
       op.vcpu.pmu.global_ctrl_rsvd = ~counters(op.vcpu.pmu);
       return kOk;
     }},
    {"mask-global-status", "GLOBAL_STATUS and its reset: as GLOBAL_CTRL, and bits 62 and 63", "6.2",
     kAllKernels, full_pmu,
     [](Op& op) -> int {
       op.vcpu.pmu.global_status_rsvd = op.vcpu.pmu.global_ctrl_rsvd & ~(u64{3} << 62);
       return kOk;
     }},
    {"mask-global-status-pt", "GLOBAL_STATUS: bit 55 too with PT in host-guest mode", "6.2", kAllKernels,
     [](const Op& op) { return full_pmu(op) && op.host.pt_host_guest; },
     [](Op& op) -> int {
       op.vcpu.pmu.global_status_rsvd &= ~(u64{1} << 55);
       return kOk;
     }},
    {"mask-pebs-gp", "PEBS_ENABLE: general counters, as there is a PEBS format without baseline", "6.2",
     kAllKernels, [](const Op& op) { return full_pmu(op) && pebs(op) && !baseline(op); },
     [](Op& op) -> int {
       op.vcpu.pmu.pebs_enable_rsvd = ~((u64{1} << op.vcpu.pmu.gp_count()) - 1);
       return kOk;
     }},
    {"mask-pebs-baseline",
     "PEBS baseline: PEBS_ENABLE for all counters, PEBS_DATA_CFG, the adaptive bits of selects "
     "and FIXED_CTR_CTRL",
     "6.2", kAllKernels, [](const Op& op) { return full_pmu(op) && pebs(op) && baseline(op); },
     [](Op& op) -> int {
       VpmuState& pmu = op.vcpu.pmu;
       pmu.pebs_enable_rsvd = pmu.global_ctrl_rsvd;
       pmu.eventsel_rsvd &= ~kAdaptive;
       for (unsigned i = 0; i < pmu.fixed_count(); ++i) pmu.fixed_ctr_ctrl_rsvd &= ~(u64{1} << (32 + 4 * i));
       pmu.pebs_data_cfg_rsvd = ~u64{0xff00000f};
       return kOk;
     }},
};
constexpr RuleTable kMasks{"reserved masks", true, kMaskRules};

}  // namespace

void refresh_masks(Op& op) {
  decide(kMasks, op);
}

RuleTables vpmu_mask_tables() {
  static constexpr const RuleTable* kTables[] = {&kMasks};
  return kTables;
}

}  // namespace lastbranch::kvm
