// DEBUGCTL of nested guests: the check at VM entry, what L2 starts with, and what L1 has after the exit.
#include "models/vmx/kvm/subjects.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm {
namespace {

constexpr KernelSet kFilters = kDebugctlRework;
constexpr KernelSet kSmmQuirk = Kernel::k6_12_117 | KernelSet(Kernel::k7_3);

bool always(const Op&) {
  return true;
}
int nothing(Op&) {
  return kOk;
}
int entry_fails(Op&) {
  return kEinvalCode;
}
/// The running VMCS's value as a guest would read it.
u64 guest_value(const Op& op) {
  return op.is(kDebugctlRework) ? op.vcpu.vmcs_debugctl & ~debugctl::kFreezeWhileSmm : op.vcpu.vmcs_debugctl;
}
int check_value(Op& op, u64 value) {
  op.who = Who::kGuest;
  op.data = value;
  return filter_debugctl(op) == kOk ? kOk : entry_fails(op);
}

constexpr Rule kCheckRules[] = {
    {"nested-check-none", "the entry does not load debug controls: nothing to check", "4.5", kAllKernels,
     [](const Op& op) { return !op.loads_debugctl; }, nothing},
    {"nested-check-dr7", "vmcs12's DR7 has high bits: the entry fails", "4.5", kAllKernels,
     [](const Op& op) { return !op.dr7_valid; }, entry_fails},
    {"nested-check-dr7-only", "DEBUGCTL is not checked", "4.5", ~kFilters, always, nothing},
    {"nested-check-freeze-quirk",
     "vmcs12's DEBUGCTL must be what the guest may write; FREEZE_WHILE_SMM is tolerated, "
     "as quirk VMCS12_ALLOW_FREEZE_IN_SMM is on",
     "4.5", kSmmQuirk, [](const Op& op) { return op.vm.allow_freeze_in_smm; },
     [](Op& op) -> int { return check_value(op, op.vcpu.vmcs12_debugctl & ~debugctl::kFreezeWhileSmm); }},
    {"nested-check-debugctl", "vmcs12's DEBUGCTL must be what the guest may write", "4.5", kFilters, always,
     [](Op& op) -> int { return check_value(op, op.vcpu.vmcs12_debugctl); }},
};
constexpr RuleTable kCheck{"nested entry's check", false, kCheckRules};

constexpr Rule kSaveRules[] = {
    {"nested-save",
     "not a fresh entry, or one that loads no debug controls: the running value is kept for L2", "4.5",
     kAllKernels, [](const Op& op) { return !op.run_pending || !op.loads_debugctl; },
     [](Op& op) -> int {
       op.l1_debugctl = guest_value(op);
       op.l1_saved = true;
       return kOk;
     }},
};
constexpr RuleTable kSave{"value before a nested entry", true, kSaveRules};

constexpr Rule kLoadRules[] = {
    {"nested-load", "a fresh entry that loads debug controls: vmcs12's value, unfiltered", "4.5", ~kFilters,
     [](const Op& op) { return op.run_pending && op.loads_debugctl; },
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = op.vcpu.vmcs12_debugctl;
       return kOk;
     }},
    {"nested-load-masked",
     "a fresh entry that loads debug controls: vmcs12's bits that the guest may set, and the "
     "host's",
     "4.5", kFilters, [](const Op& op) { return op.run_pending && op.loads_debugctl; },
     [](Op& op) -> int {
       op.who = Who::kGuest;
       op.vcpu.vmcs_debugctl = (op.vcpu.vmcs12_debugctl & supported_debugctl(op)) | host_owned_debugctl(op);
       return kOk;
     }},
    {"nested-inherit", "otherwise L2 starts with the value from before the entry", "4.5", kAllKernels, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = op.l1_debugctl | host_owned_debugctl(op);
       return kOk;
     }},
};
constexpr RuleTable kLoad{"L2's DEBUGCTL", false, kLoadRules};

constexpr Rule kExitRules[] = {
    {"nested-exit", "L1 has DEBUGCTL 0 after the exit", "4.5", ~kDebugctlRework, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = 0;
       return kOk;
     }},
    {"nested-exit-host-bit", "L1 has DEBUGCTL 0 after the exit, but for the host's bit", "4.5",
     kDebugctlRework, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = host_owned_debugctl(op);
       return kOk;
     }},
};
constexpr RuleTable kExit{"L1's DEBUGCTL after a nested exit", false, kExitRules};

}  // namespace

int nested_check(Op& op) {
  return decide(kCheck, op);
}

void nested_load(Op& op) {
  decide(kSave, op);
  decide(kLoad, op);
}

void nested_exit(Op& op) {
  decide(kExit, op);
}

RuleTables nested_tables() {
  static constexpr const RuleTable* kTables[] = {&kCheck, &kSave, &kLoad, &kExit};
  return kTables;
}

}  // namespace lastbranch::kvm
