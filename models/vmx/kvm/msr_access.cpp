// Any MSR: whose it is, what there is for registers that are not, and what user space's rules make of that.
#include <algorithm>

#include "models/vmx/kvm/msr_lists.h"
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

bool always(const Op&) {
  return true;
}
int unsupported(Op&) {
  return kUnsupported;
}
int zero(Op& op) {
  op.value = 0;
  return kOk;
}

bool in(u32 index, u32 base, unsigned count) {
  return index >= base && index - base < count;
}
bool legacy_counter(u32 index) {
  return in(index, msr::kPmc0, 2) || in(index, msr::kAmdEvtsel0 + 4, 4);
}
bool legacy_select(u32 index) {
  return in(index, msr::kEvtsel0, 2) || in(index, msr::kAmdEvtsel0, 4);
}
bool legacy(const Op& op) {
  return legacy_counter(op.msr) || legacy_select(op.msr);
}
/// Registers that 6.1 lets user space save and restore as 0 where the guest has none.
bool saved_as_zero(const Op& op) {
  return op.msr == msr::kPebsEnable || op.msr == msr::kPebsDataCfg || op.msr == msr::kDsArea ||
         in(op.msr, msr::kAmdCtl0, 12);
}

int ignore_and_log(Op& op) {
  ++op.did.log_lines;
  return zero(op);
}

constexpr Rule kOwnerRules[] = {
    {"msr-perf-capabilities", "PERF_CAPABILITIES", "3", kAllKernels,
     [](const Op& op) { return op.msr == msr::kPerfCapabilities; },
     [](Op& op) -> int { return op.write ? write_perf_capabilities(op) : read_perf_capabilities(op); }},
    {"msr-debugctl", "DEBUGCTL", "4", kAllKernels, [](const Op& op) { return op.msr == msr::kDebugctl; },
     [](Op& op) -> int { return op.write ? write_debugctl(op) : read_debugctl(op); }},
    {"msr-lbr", "an LBR register of the vCPU", "5", kAllKernels, is_lbr_msr, access_lbr_msr},
    {"msr-vpmu", "a register of the vCPU's PMU", "6.3", kAllKernels, is_vpmu_msr, access_vpmu_msr},
    {"msr-last-branch-read", "LASTBRANCH and LASTINT registers read 0", "4.3", kAllKernels,
     [](const Op& op) { return !op.write && in(op.msr, msr::kLastBranchFrom, 4); }, zero},
    {"msr-legacy-read", "two counters and selects of old, Intel's and AMD's, read 0 where there are none",
     "6.3", kAllKernels, [](const Op& op) { return !op.write && legacy(op); }, zero},
    {"msr-legacy-counter-write", "writes of such counters are ignored and logged", "6.3", ~kLate,
     [](const Op& op) { return legacy_counter(op.msr); }, ignore_and_log},
    {"msr-legacy-write", "writes of such registers of a value other than 0 are ignored and logged", "6.3",
     kAllKernels, [](const Op& op) { return legacy(op) && op.data != 0; }, ignore_and_log},
    {"msr-legacy-write-zero", "writes of 0 to such registers are ignored", "6.3", kAllKernels, legacy, zero},
    {"msr-saved-read", "user space reads 0 from PEBS and DS registers that the guest has not", "6.3, 7",
     ~kLate, [](const Op& op) { return saved_as_zero(op) && !op.guest() && !op.write; }, zero},
    {"msr-saved-write", "user space writes 0 to PEBS and DS registers that the guest has not", "6.3, 7",
     ~kLate, [](const Op& op) { return saved_as_zero(op) && !op.guest() && op.write && op.data == 0; }, zero},
    {"msr-saved-fail", "PEBS and DS registers that the guest has not", "6.3, 7", ~kLate, saved_as_zero,
     [](Op&) -> int { return kInvalid; }},
    {"msr-unknown", "no register that KVM knows for this vCPU", "7", kAllKernels, always, unsupported},
};
constexpr RuleTable kOwner{"MSRs", false, kOwnerRules};

bool is_unsupported(const Op& op) {
  return op.index == kUnsupported;
}

constexpr Rule kVerdictRules[] = {
    {"verdict-owner", "what the register's owner answers", "7", kAllKernels,
     [](const Op& op) { return !is_unsupported(op); },
     [](Op& op) -> int { return static_cast<int>(op.index); }},
    {"verdict-advertised", "unsupported, yet advertised: user space reads 0 and may write 0", "7", kLate,
     [](const Op& op) { return !op.guest() && (!op.write || op.data == 0) && is_advertised(op, op.msr); },
     zero},
    {"verdict-ignore", "ignore_msrs: an unknown register reads 0 and drops writes", "7", kAllKernels,
     [](const Op& op) { return op.module.params.ignore_msrs; },
     [](Op& op) -> int {
       if (op.module.params.report_ignored_msrs) ++op.did.log_lines;
       return zero(op);
     }},
    {"verdict-unsupported", "unsupported: #GP for the guest; user space's loop ends here", "7", kAllKernels,
     always, unsupported},
};
constexpr RuleTable kVerdict{"unsupported MSRs", false, kVerdictRules};

}  // namespace

int access_msr(Op& op) {
  const u64 asked = op.data;
  const int code = decide(kOwner, op);
  if (code < 0) return code;
  if (op.write) op.data = asked;
  op.index = static_cast<unsigned>(code);
  const int verdict = decide(kVerdict, op);
  if (verdict != kOk && !op.write) op.value = 0;
  return verdict;
}

RuleTables msr_access_tables() {
  static constexpr const RuleTable* kTables[] = {&kOwner, &kVerdict};
  return kTables;
}

}  // namespace lastbranch::kvm
