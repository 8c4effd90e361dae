// The vPMU's registers: which exist for a vCPU, what a write does, what a read gives.
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr u64 kInTxCheckpointed = u64{1} << 33;

bool always(const Op&) {
  return true;
}
int ok(Op&) {
  return kOk;
}
int fail(Op&) {
  return kInvalid;
}

bool in(u32 index, u32 base, unsigned count) {
  return index >= base && index - base < count;
}
bool is_pmc(const Op& op) {
  return in(op.msr, msr::kPmc0, op.vcpu.pmu.gp_count());
}
bool is_full_pmc(const Op& op) {
  return in(op.msr, msr::kFullPmc0, op.vcpu.pmu.gp_count());
}
bool is_evtsel(const Op& op) {
  return in(op.msr, msr::kEvtsel0, op.vcpu.pmu.gp_count());
}
bool is_fixed(const Op& op) {
  return in(op.msr, msr::kFixed0, op.vcpu.pmu.fixed_count());
}
bool is_global(const Op& op) {
  return in(op.msr, msr::kFixedCtrCtrl, 4);
}

constexpr int kExists = 1;
int exists_if(bool yes) {
  return yes ? kExists : 0;
}

constexpr Rule kExistRules[] = {
    {"vpmu-global", "FIXED_CTR_CTRL and the GLOBAL registers: PMU version 2 and newer", "6.3", kAllKernels,
     is_global, [](Op& op) -> int { return exists_if(op.vcpu.pmu.version > 1); }},
    {"vpmu-pebs-enable", "PEBS_ENABLE: the capabilities the guest can see have a PEBS format", "6.3",
     kAllKernels, [](const Op& op) { return op.msr == msr::kPebsEnable; },
     [](Op& op) -> int { return exists_if((effective_caps(op) & perfcap::kPebsFormat) != 0); }},
    {"vpmu-pebs-data-cfg", "PEBS_DATA_CFG: PEBS_BASELINE and a format above 3, of the field in place: not 0",
     "6.3", kAllKernels, [](const Op& op) { return op.msr == msr::kPebsDataCfg; },
     [](Op& op) -> int {
       const u64 caps = effective_caps(op);
       return exists_if((caps & perfcap::kPebsBaseline) != 0 && (caps & perfcap::kPebsFormat) > 3);
     }},
    {"vpmu-ds-area", "DS_AREA: the guest's CPUID has DS", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kDsArea; },
     [](Op& op) -> int { return exists_if(op.vcpu.cpuid.ds()); }},
    {"vpmu-full-width",
     "full-width aliases of general counters: the capabilities the guest can see have FW_WRITES", "6.3",
     kAllKernels, is_full_pmc,
     [](Op& op) -> int { return exists_if((effective_caps(op) & perfcap::kFwWrites) != 0); }},
    {"vpmu-counter", "a counter or select of those the vPMU has", "6.3", kAllKernels,
     [](const Op& op) { return is_pmc(op) || is_evtsel(op) || is_fixed(op); },
     [](Op&) -> int { return kExists; }},
    {"vpmu-none", "no register of this vPMU", "6.3", kAllKernels, always, [](Op&) -> int { return 0; }},
};
constexpr RuleTable kExist{"the vPMU's registers", false, kExistRules};

/// A control register: its value and its reserved bits; null for others.
struct Control {
  u64* value = nullptr;
  u64 reserved = 0;
};
Control control(const Op& op) {
  VpmuState& pmu = op.vcpu.pmu;
  switch (op.msr) {
    case msr::kFixedCtrCtrl:
      return {&pmu.fixed_ctr_ctrl, pmu.fixed_ctr_ctrl_rsvd};
    case msr::kGlobalCtrl:
      return {&pmu.global_ctrl, pmu.global_ctrl_rsvd};
    case msr::kPebsEnable:
      return {&pmu.pebs_enable, pmu.pebs_enable_rsvd};
    case msr::kPebsDataCfg:
      return {&pmu.pebs_data_cfg, pmu.pebs_data_cfg_rsvd};
    default:
      break;
  }
  if (!is_evtsel(op)) return {};
  u64 reserved = pmu.eventsel_rsvd;
  const u32 i = op.msr - msr::kEvtsel0;
  if (i == 2 && (pmu.raw_event_mask & kInTxCheckpointed) != 0) reserved ^= kInTxCheckpointed;
  return {&pmu.gp[i].select, reserved};
}

constexpr Rule kWriteRules[] = {
    {"vpmu-status-guest", "GLOBAL_STATUS is read-only for the guest", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kGlobalStatus && op.guest(); }, fail},
    {"vpmu-status-reserved", "GLOBAL_STATUS from user space: a reserved bit", "6.3", kFrom612,
     [](const Op& op) {
       return op.msr == msr::kGlobalStatus && (op.data & op.vcpu.pmu.global_status_rsvd) != 0;
     },
     fail},
    {"vpmu-status", "GLOBAL_STATUS from user space: stored", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kGlobalStatus; },
     [](Op& op) -> int {
       op.vcpu.pmu.global_status = op.data;
       return kOk;
     }},
    {"vpmu-ovf-reserved", "GLOBAL_OVF_CTRL: a reserved bit", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kOvfCtrl && (op.data & op.vcpu.pmu.global_status_rsvd) != 0; },
     fail},
    {"vpmu-ovf-guest", "GLOBAL_OVF_CTRL from the guest: clears those bits of GLOBAL_STATUS", "6.3",
     kAllKernels, [](const Op& op) { return op.msr == msr::kOvfCtrl && op.guest(); },
     [](Op& op) -> int {
       op.vcpu.pmu.global_status &= ~op.data;
       return kOk;
     }},
    {"vpmu-ovf-host", "GLOBAL_OVF_CTRL from user space: no effect", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kOvfCtrl; }, ok},
    {"vpmu-control-same", "a control or select gets the value it has: nothing is checked", "6.3", k61,
     [](const Op& op) { return control(op).value != nullptr && *control(op).value == op.data; }, ok},
    {"vpmu-control-reserved", "a control or select gets a reserved bit", "6.3", kAllKernels,
     [](const Op& op) { return control(op).value != nullptr && (op.data & control(op).reserved) != 0; },
     fail},
    {"vpmu-control", "a control or select is stored", "6.3", kAllKernels,
     [](const Op& op) { return control(op).value != nullptr; },
     [](Op& op) -> int {
       *control(op).value = op.data;
       return kOk;
     }},
    {"vpmu-ds-canonical", "DS_AREA gets an address that is not canonical", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kDsArea && !is_canonical(op.data); }, fail},
    {"vpmu-ds", "DS_AREA is stored", "6.3", kAllKernels, [](const Op& op) { return op.msr == msr::kDsArea; },
     [](Op& op) -> int {
       op.vcpu.pmu.ds_area = op.data;
       return kOk;
     }},
    {"vpmu-full-width-bits", "a full-width alias gets more bits than the counter has", "6.3", kAllKernels,
     [](const Op& op) { return is_full_pmc(op) && (op.data & ~op.vcpu.pmu.gp_bitmask) != 0; }, fail},
    {"vpmu-full-width-write", "a full-width alias sets the counter", "6.3", kAllKernels, is_full_pmc,
     [](Op& op) -> int {
       op.vcpu.pmu.gp[op.msr - msr::kFullPmc0].value = op.data;
       return kOk;
     }},
    {"vpmu-pmc-guest", "a counter from the guest: the low 32 bits, sign-extended", "6.3", kAllKernels,
     [](const Op& op) { return is_pmc(op) && op.guest(); },
     [](Op& op) -> int {
       op.vcpu.pmu.gp[op.msr - msr::kPmc0].value =
           static_cast<u64>(static_cast<i64>(static_cast<i32>(static_cast<u32>(op.data))));
       return kOk;
     }},
    {"vpmu-pmc-host", "a counter from user space: all bits", "6.3", kAllKernels, is_pmc,
     [](Op& op) -> int {
       op.vcpu.pmu.gp[op.msr - msr::kPmc0].value = op.data;
       return kOk;
     }},
    {"vpmu-fixed", "a fixed counter: all bits", "6.3", kAllKernels, is_fixed,
     [](Op& op) -> int {
       op.vcpu.pmu.fixed[op.msr - msr::kFixed0].value = op.data;
       return kOk;
     }},
};
constexpr RuleTable kWrite{"WRMSR of the vPMU", false, kWriteRules};

int give(Op& op, u64 value) {
  op.value = value;
  return kOk;
}

constexpr Rule kReadRules[] = {
    {"vpmu-read-status", "GLOBAL_STATUS", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kGlobalStatus; },
     [](Op& op) -> int { return give(op, op.vcpu.pmu.global_status); }},
    {"vpmu-read-ovf", "GLOBAL_OVF_CTRL reads 0", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kOvfCtrl; }, [](Op& op) -> int { return give(op, 0); }},
    {"vpmu-read-control", "a control or select as stored", "6.3", kAllKernels,
     [](const Op& op) { return control(op).value != nullptr; },
     [](Op& op) -> int { return give(op, *control(op).value); }},
    {"vpmu-read-ds", "DS_AREA as stored", "6.3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kDsArea; },
     [](Op& op) -> int { return give(op, op.vcpu.pmu.ds_area); }},
    {"vpmu-read-fixed", "a fixed counter, as wide as it is", "6.3", kAllKernels, is_fixed,
     [](Op& op) -> int {
       return give(op, op.vcpu.pmu.fixed[op.msr - msr::kFixed0].value & op.vcpu.pmu.fixed_bitmask);
     }},
    {"vpmu-read-counter", "a general counter, as wide as it is, by either address", "6.3", kAllKernels,
     always,
     [](Op& op) -> int {
       const u32 i = op.msr - (is_full_pmc(op) ? msr::kFullPmc0 : msr::kPmc0);
       return give(op, op.vcpu.pmu.gp[i].value & op.vcpu.pmu.gp_bitmask);
     }},
};
constexpr RuleTable kRead{"RDMSR of the vPMU", false, kReadRules};

}  // namespace

bool is_vpmu_msr(const Op& op) {
  Op call = op;
  return decide(kExist, call) == kExists;
}

int access_vpmu_msr(Op& op) {
  // A counter whose registers are touched in a time slice keeps its event for the next one.
  VpmuState& pmu = op.vcpu.pmu;
  if (is_pmc(op)) pmu.in_use |= u64{1} << (op.msr - msr::kPmc0);
  if (is_full_pmc(op)) pmu.in_use |= u64{1} << (op.msr - msr::kFullPmc0);
  if (is_evtsel(op)) pmu.in_use |= u64{1} << (op.msr - msr::kEvtsel0);
  if (is_fixed(op)) pmu.in_use |= u64{1} << (32 + op.msr - msr::kFixed0);
  return decide(op.write ? kWrite : kRead, op);
}

RuleTables vpmu_msr_tables() {
  static constexpr const RuleTable* kTables[] = {&kExist, &kWrite, &kRead};
  return kTables;
}

}  // namespace lastbranch::kvm
