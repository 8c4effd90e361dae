// Delivery of a PMI to the guest, with legacy freezing of its LBRs.
#include "models/vmx/kvm/subjects.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm {
namespace {

bool apic(const Op& op) {
  return op.vm.in_kernel_apic;
}

constexpr Rule kPmiRules[] = {
    {"pmi-freeze",
     "the vCPU has LBRs, PMU version 2 or 3, and FREEZE_LBRS_ON_PMI is set: the LBR bit is cleared", "5",
     kAllKernels,
     [](const Op& op) {
       return apic(op) && vlbr_enabled(op) && (op.vcpu.pmu.version == 2 || op.vcpu.pmu.version == 3) &&
              (op.vcpu.vmcs_debugctl & debugctl::kFreezeLbrsOnPmi) != 0;
     },
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl &= ~debugctl::kLbr;
       return kOk;
     }},
    {"pmi-lvtpc", "the in-kernel local APIC delivers what its LVTPC says", "5", kAllKernels, apic,
     [](Op& op) -> int {
       ++op.did.lvtpc;
       return kOk;
     }},
};
constexpr RuleTable kPmi{"PMI delivery", true, kPmiRules};

}  // namespace

void deliver_pmi(Op& op) {
  decide(kPmi, op);
}

RuleTables pmi_tables() {
  static constexpr const RuleTable* kTables[] = {&kPmi};
  return kTables;
}

}  // namespace lastbranch::kvm
