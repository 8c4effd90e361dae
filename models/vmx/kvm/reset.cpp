// RESET and INIT of a vCPU.
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

bool always(const Op&) {
  return true;
}

constexpr Rule kResetRules[] = {
    {"reset-pmu", "RESET stops the vPMU: counters, selects and controls are 0, all its events are given back",
     "4.4, 5", k61, always,
     [](Op& op) -> int {
       VpmuState& pmu = op.vcpu.pmu;
       pmu.gp.fill({});
       pmu.fixed.fill({});
       pmu.fixed_ctr_ctrl = pmu.global_ctrl = pmu.global_status = 0;
       release_counter_events(pmu, pmu.events);
       release_lbr_event(op);
       return kOk;
     }},
    {"reset-debugctl", "RESET: DEBUGCTL is 0", "4.4", ~kDebugctlRework, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = 0;
       return kOk;
     }},
    {"reset-debugctl-host-bit", "RESET: DEBUGCTL is 0, but for the host's FREEZE_WHILE_SMM", "4.4",
     kDebugctlRework, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = host_owned_debugctl(op);
       return kOk;
     }},
};
constexpr RuleTable kReset{"RESET", true, kResetRules};

constexpr Rule kKindRules[] = {
    {"init-keeps", "INIT leaves DEBUGCTL, the vPMU and the LBR event as they are", "4.4, 5", kAllKernels,
     [](const Op& op) { return op.index != 0; }, [](Op&) -> int { return kOk; }},
    {"reset-full", "a full reset", "4.4", kAllKernels, always,
     [](Op& op) -> int { return decide(kReset, op); }},
};
constexpr RuleTable kKind{"RESET or INIT", false, kKindRules};

}  // namespace

void reset_vcpu(Op& op, bool init) {
  op.index = init ? 1 : 0;
  decide(kKind, op);
}

RuleTables reset_tables() {
  static constexpr const RuleTable* kTables[] = {&kKind, &kReset};
  return kTables;
}

}  // namespace lastbranch::kvm
