// Before an entry the LBR registers are passed through or intercepted; at the end of a time slice an event
// that is not used is given back.
#include "models/vmx/kvm/subjects.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm {
namespace {

constexpr u64 kVlbrBit = u64{1} << kVlbrIndex;

bool always(const Op&) {
  return true;
}
int nothing(Op&) {
  return kOk;
}

void intercept(Op& op, bool on) {
  if (op.vcpu.lbr_passthrough != on) return;
  op.vcpu.lbr_passthrough = !on;
  const LbrRecordSet& lbr = op.vcpu.lbr;
  op.did.intercept_updates += (lbr.info != 0 ? 3 : 2) * lbr.nr + 2;
  op.did.last_intercept = on ? 1 : 0;
}
bool guest_lbr(const Op& op) {
  return (op.vcpu.vmcs_debugctl & debugctl::kLbr) != 0;
}

/// Whether the running value lacks the host's FREEZE_WHILE_SMM, or keeps it from an earlier entry.
bool host_bit_changed(const Op& op) {
  return (op.vcpu.vmcs_debugctl & debugctl::kFreezeWhileSmm) != host_owned_debugctl(op);
}

constexpr Rule kHostBitRules[] = {
    {"entry-host-bit", "the host's FREEZE_WHILE_SMM has changed: the VMCS field gets it again", "4.4",
     kDebugctlRework, host_bit_changed,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = (op.vcpu.vmcs_debugctl & ~debugctl::kFreezeWhileSmm) | host_owned_debugctl(op);
       return kOk;
     }},
};
constexpr RuleTable kHostBit{"DEBUGCTL before an entry", true, kHostBitRules};

constexpr Rule kEntryRules[] = {
    {"entry-no-lbr", "the vCPU has no LBRs: nothing to prepare", "5", kAllKernels,
     [](const Op& op) { return !vlbr_enabled(op); }, nothing},
    {"entry-no-event-warn",
     "no event, yet the guest's LBR bit is set or its LBRs are in use: intercepted, warned", "5", kAllKernels,
     [](const Op& op) {
       return !op.vcpu.lbr_event && (guest_lbr(op) || (op.vcpu.pmu.in_use & kVlbrBit) != 0);
     },
     [](Op& op) -> int {
       intercept(op, true);
       ++op.did.warnings;
       return kOk;
     }},
    {"entry-no-event", "no event: intercepted", "5", kAllKernels,
     [](const Op& op) { return !op.vcpu.lbr_event; },
     [](Op& op) -> int {
       intercept(op, true);
       return kOk;
     }},
    {"entry-event-idle", "the event is not active: intercepted, no longer in use, warned", "5", kAllKernels,
     [](const Op& op) { return op.vcpu.event_state < EventState::kActive; },
     [](Op& op) -> int {
       intercept(op, true);
       op.vcpu.pmu.in_use &= ~kVlbrBit;
       ++op.did.warnings;
       return kOk;
     }},
    {"entry-pass-through", "the event is active: the LBR registers are passed through", "5", kAllKernels,
     always,
     [](Op& op) -> int {
       intercept(op, false);
       return kOk;
     }},
};
constexpr RuleTable kEntry{"LBRs before an entry", false, kEntryRules};

constexpr Rule kSchedRules[] = {
    {"slice-idle", "no PMU, or no events: no cleanup", "5", kAllKernels,
     [](const Op& op) { return op.vcpu.pmu.version == 0 || op.vcpu.pmu.event_count == 0; }, nothing},
    {"slice-mark", "the vCPU's events are due for a cleanup", "5", kAllKernels, always,
     [](Op& op) -> int {
       op.vcpu.pmu.need_cleanup = true;
       return kOk;
     }},
};
constexpr RuleTable kSched{"scheduling in", false, kSchedRules};

bool counter_enabled(const VpmuState& pmu, unsigned index) {
  constexpr u64 kEnable = u64{1} << 22;
  if (index < kMaxGp) return (pmu.gp[index].select & kEnable) != 0;
  return ((pmu.fixed_ctr_ctrl >> 4 * (index - 32)) & 3) != 0;
}

/// Counters that have an event, were not touched in the slice and are not enabled.
u64 idle_counters(const VpmuState& pmu) {
  u64 idle = pmu.events & ~pmu.in_use & pmu.valid_pmc_bitmap & ~kVlbrBit;
  for (unsigned i = 0; i < 32 + kMaxFixed; ++i)
    if (((idle >> i) & 1) != 0 && counter_enabled(pmu, i)) idle &= ~(u64{1} << i);
  return idle;
}

constexpr Rule kCleanupRules[] = {
    {"slice-counters", "events of counters that were not used and are not enabled are given back", "5",
     kAllKernels, [](const Op& op) { return op.vcpu.pmu.need_cleanup && idle_counters(op.vcpu.pmu) != 0; },
     [](Op& op) -> int {
       release_counter_events(op.vcpu.pmu, idle_counters(op.vcpu.pmu));
       return kOk;
     }},
    {"slice-lbr", "the guest's LBR bit is clear: the LBR event is given back, even if it was in use", "5",
     kAllKernels,
     [](const Op& op) { return op.vcpu.pmu.need_cleanup && op.vcpu.lbr_event && !guest_lbr(op); },
     [](Op& op) -> int {
       release_lbr_event(op);
       return kOk;
     }},
    {"slice-in-use", "nothing counts as in use for the next slice", "5", kAllKernels,
     [](const Op& op) { return op.vcpu.pmu.need_cleanup; },
     [](Op& op) -> int {
       op.vcpu.pmu.in_use = 0;
       op.vcpu.pmu.need_cleanup = false;
       return kOk;
     }},
};
constexpr RuleTable kCleanup{"cleanup of a slice", true, kCleanupRules};

}  // namespace

void prepare_entry(Op& op) {
  decide(kHostBit, op);
  decide(kEntry, op);
}

void sched_in(Op& op) {
  decide(kSched, op);
}

void slice_cleanup(Op& op) {
  decide(kCleanup, op);
}

RuleTables lbr_event_tables() {
  static constexpr const RuleTable* kTables[] = {&kHostBit, &kEntry, &kSched, &kCleanup};
  return kTables;
}

}  // namespace lastbranch::kvm
