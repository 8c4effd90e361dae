// The LBR registers of a vCPU while they are intercepted, and the perf event behind them.
#include <algorithm>
#include <bit>

#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr u64 kVlbrBit = u64{1} << kVlbrIndex;

bool in(u32 index, u32 base, unsigned count) {
  return index >= base && index - base < count;
}

constexpr int kValid = 1;
int valid(Op&) {
  return kValid;
}
int invalid(Op&) {
  return 0;
}

constexpr Rule kValidRules[] = {
    {"lbr-off", "the vCPU has no LBRs: none of their registers", "5", kAllKernels,
     [](const Op& op) { return !vlbr_enabled(op); }, invalid},
    {"lbr-select-tos", "LBR_SELECT and LBR_TOS", "5", kAllKernels,
     [](const Op& op) { return op.msr == msr::kLbrSelect || op.msr == msr::kLbrTos; }, valid},
    {"lbr-from", "a FROM of the record", "5", kAllKernels,
     [](const Op& op) { return in(op.msr, op.vcpu.lbr.from, op.vcpu.lbr.nr); }, valid},
    {"lbr-to", "a TO of the record", "5", kAllKernels,
     [](const Op& op) { return in(op.msr, op.vcpu.lbr.to, op.vcpu.lbr.nr); }, valid},
    {"lbr-info", "an INFO of the record, which has some", "5", kAllKernels,
     [](const Op& op) { return op.vcpu.lbr.info != 0 && in(op.msr, op.vcpu.lbr.info, op.vcpu.lbr.nr); },
     valid},
    {"lbr-other", "any other register, architectural LBRs included", "5", kAllKernels,
     [](const Op&) { return true; }, invalid},
};
constexpr RuleTable kValidTable{"LBR registers", false, kValidRules};

constexpr Rule kCreateRules[] = {
    {"event-exists", "there is an event already", "5", kAllKernels,
     [](const Op& op) { return op.vcpu.lbr_event; }, [](Op&) -> int { return kOk; }},
    {"event-refused", "perf refuses the event", "5", kAllKernels,
     [](const Op& op) { return op.vcpu.event_create_errno != 0; },
     [](Op& op) -> int { return op.vcpu.event_create_errno; }},
    {"event-created", "a pinned event that excludes the host is made; the LBRs are in use", "5", kAllKernels,
     [](const Op&) { return true; },
     [](Op& op) -> int {
       op.vcpu.lbr_event = true;
       ++op.vcpu.pmu.event_count;
       op.vcpu.pmu.in_use |= kVlbrBit;
       ++op.did.events_created;
       return kOk;
     }},
};
constexpr RuleTable kCreate{"creation of the LBR event", false, kCreateRules};

bool active(const Op& op) {
  return op.vcpu.event_state == EventState::kActive;
}
int write_hardware(Op& op) {
  op.vcpu.pmu.in_use |= kVlbrBit;
  ++op.did.hardware_writes;
  return op.hardware.write(op.msr, op.data) ? kOk : kInvalid;
}

constexpr Rule kAccessRules[] = {
    {"lbr-no-event", "no event, and none can be made: reads 0, a write is dropped", "5", kAllKernels,
     [](const Op& op) { return !op.vcpu.lbr_event; },
     [](Op& op) -> int {
       op.value = 0;
       return kOk;
     }},
    {"lbr-hardware-read", "the event is active: the CPU's register", "5", kAllKernels,
     [](const Op& op) { return active(op) && !op.write; },
     [](Op& op) -> int {
       op.vcpu.pmu.in_use |= kVlbrBit;
       op.value = op.hardware.read(op.msr).value_or(0);
       return kOk;
     }},
    {"lbr-hardware-write", "the event is active: the CPU's register is written; a fault only warns the host",
     "5", ~k73, [](const Op& op) { return active(op); },
     [](Op& op) -> int {
       write_hardware(op);
       return kOk;
     }},
    {"lbr-hardware-write-safe",
     "the event is active: the CPU's register is written; a fault fails the access", "5", k73,
     [](const Op& op) { return active(op); }, write_hardware},
    {"lbr-event-idle", "the event is not active: reads 0, a write is dropped, the LBRs count as not in use",
     "5", kAllKernels, [](const Op&) { return true; },
     [](Op& op) -> int {
       op.vcpu.pmu.in_use &= ~kVlbrBit;
       op.value = 0;
       return kOk;
     }},
};
constexpr RuleTable kAccess{"intercepted LBR registers", false, kAccessRules};

/// The state may be set field by field, so its count need not be that of its events.
void give_back(VpmuState& pmu, unsigned events) {
  pmu.event_count -= std::min(events, pmu.event_count);
}

}  // namespace

bool is_lbr_msr(const Op& op) {
  Op call = op;
  return decide(kValidTable, call) == kValid;
}

int create_lbr_event(Op& op) {
  return decide(kCreate, op);
}

int access_lbr_msr(Op& op) {
  create_lbr_event(op);
  return decide(kAccess, op);
}

void release_lbr_event(Op& op) {
  if (!op.vcpu.lbr_event) return;
  op.vcpu.lbr_event = false;
  give_back(op.vcpu.pmu, 1);
}

void release_counter_events(VpmuState& pmu, u64 counters) {
  const u64 released = pmu.events & counters;
  pmu.events &= ~released;
  give_back(pmu, static_cast<unsigned>(std::popcount(released)));
}

RuleTables lbr_msr_tables() {
  static constexpr const RuleTable* kTables[] = {&kValidTable, &kCreate, &kAccess};
  return kTables;
}

}  // namespace lastbranch::kvm
