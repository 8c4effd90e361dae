#include "models/vmx/kvm/event_filter.h"

#include <algorithm>

#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr u32 kMaskedFlag = 1;
constexpr KernelSet kKnowsMasked = kFrom612;
/// A masked entry: event 7:0 and 35:32, match 15:8, exclude 55, mask 63:56.
constexpr u64 kMaskedBits = 0xff | u64{0xf} << 32 | 0xff00 | u64{1} << 55 | u64{0xff} << 56;
/// An entry without the flag: event and umask, and the upper event bits that Intel ignores.
constexpr u64 kEventBits = 0xffff;
constexpr u64 kEnable = u64{1} << 22, kInterrupt = u64{1} << 20, kOs = u64{1} << 17, kUsr = u64{1} << 16;

bool always(const Op&) {
  return true;
}
int einval(Op&) {
  return -kEinval;
}

constexpr Rule kSetRules[] = {
    {"filter-action", "an action other than allow and deny", "10", kAllKernels,
     [](const Op& op) { return op.filter->action > EventFilter::kDeny; }, einval},
    {"filter-flags-old", "flags, of which this kernel knows none", "10", ~kKnowsMasked,
     [](const Op& op) { return op.filter->flags != 0; }, einval},
    {"filter-flags", "flags other than masked events", "10", kKnowsMasked,
     [](const Op& op) { return (op.filter->flags & ~kMaskedFlag) != 0; }, einval},
    {"filter-many", "more than 300 events: E2BIG", "10", kAllKernels,
     [](const Op& op) { return op.filter->events.size() > kMaxFilterEvents; },
     [](Op&) -> int { return -kE2big; }},
    {"filter-masked-bits", "a masked event with bits that mean nothing", "10", kKnowsMasked,
     [](const Op& op) {
       return op.filter->flags == kMaskedFlag &&
              std::ranges::any_of(op.filter->events, [](u64 e) { return (e & ~kMaskedBits) != 0; });
     },
     einval},
    {"filter-set", "the filter holds from now on", "10", kAllKernels, always,
     [](Op& op) -> int {
       op.vm.filter = *op.filter;
       return kOk;
     }},
};
constexpr RuleTable kSet{"KVM_SET_PMU_EVENT_FILTER", false, kSetRules};

struct ArchEvent {
  u8 event, umask;
};
/// Bit i of CPUID.0AH:EBX says that event i is not there.
constexpr ArchEvent kArchEvents[] = {{0x3c, 0},    {0xc0, 0}, {0x3c, 1}, {0x2e, 0x4f},
                                     {0x2e, 0x41}, {0xc4, 0}, {0xc5, 0}};
/// What the fixed counters count.
constexpr ArchEvent kFixedEvents[kMaxFixed] = {{0xc0, 0}, {0x3c, 0}, {0x00, 3}};

bool is_fixed_index(unsigned index) {
  return index >= 32;
}
u64 code_of(const Op& op) {
  if (!is_fixed_index(op.index)) return op.vcpu.pmu.gp[op.index].select & kEventBits;
  const ArchEvent& e = kFixedEvents[op.index - 32];
  return e.event | u64{e.umask} << 8;
}

bool masked_matches(u64 entry, u64 code) {
  const u64 event_bits = 0xff;
  const u64 umask = (code >> 8) & 0xff;
  return (entry >> 32 & 0xf) == 0 && (entry & event_bits) == (code & event_bits) &&
         (umask & entry >> 56) == ((entry >> 8) & 0xff);
}
bool in_list(const EventFilter& filter, u64 code) {
  if ((filter.flags & kMaskedFlag) == 0)
    return std::ranges::any_of(filter.events, [&](u64 e) { return e == code; });
  bool included = false;
  for (const u64 entry : filter.events) {
    if (!masked_matches(entry, code)) continue;
    if ((entry >> 55 & 1) != 0) return false;
    included = true;
  }
  return included;
}
bool locally_enabled(const Op& op) {
  const VpmuState& pmu = op.vcpu.pmu;
  if (!is_fixed_index(op.index)) return (pmu.gp[op.index].select & kEnable) != 0;
  return ((pmu.fixed_ctr_ctrl >> 4 * (op.index - 32)) & 3) != 0;
}
/// perf's exclude_user and exclude_kernel, which KVM takes from the counter's control.
bool at_privilege(const Op& op) {
  const VpmuState& pmu = op.vcpu.pmu;
  const bool user = op.vcpu.cpl != 0;
  if (is_fixed_index(op.index)) return ((pmu.fixed_ctr_ctrl >> 4 * (op.index - 32)) & (user ? 2 : 1)) != 0;
  return (pmu.gp[op.index].select & (user ? kUsr : kOs)) != 0;
}
bool unavailable(const Op& op) {
  const u64 code = code_of(op);
  for (unsigned i = 0; i < std::size(kArchEvents); ++i)
    if (code == (kArchEvents[i].event | u64{kArchEvents[i].umask} << 8))
      return ((op.vcpu.pmu.available_event_types >> i) & 1) == 0;
  return false;
}

constexpr int kCounts = 1;
int counts(Op&) {
  return kCounts;
}
int does_not(Op&) {
  return 0;
}

constexpr Rule kCountRules[] = {
    {"count-absent", "the vPMU has no such counter", "6.3", kAllKernels,
     [](const Op& op) {
       const VpmuState& pmu = op.vcpu.pmu;
       return is_fixed_index(op.index) ? op.index - 32 >= pmu.fixed_count() : op.index >= pmu.gp_count();
     },
     does_not},
    {"count-disabled", "the counter's own enable is off", "6.3", kAllKernels,
     [](const Op& op) { return !locally_enabled(op); }, does_not},
    {"count-privilege", "its control does not name the privilege that the guest has: USR or OS", "6.3",
     kAllKernels, [](const Op& op) { return !at_privilege(op); }, does_not},
    {"count-global", "its bit in GLOBAL_CTRL is off, and the PMU has one (version 2 and newer)", "6.3",
     kAllKernels,
     [](const Op& op) { return op.vcpu.pmu.version > 1 && ((op.vcpu.pmu.global_ctrl >> op.index) & 1) == 0; },
     does_not},
    {"count-unavailable", "the guest's CPUID.0AH:EBX says that the architectural event is not there", "6.3",
     k61, [](const Op& op) { return !is_fixed_index(op.index) && unavailable(op); }, does_not},
    {"count-unfiltered", "the VM has no event filter", "6.3", kAllKernels,
     [](const Op& op) { return !op.vm.filter.has_value(); }, counts},
    {"count-fixed-bitmap", "a fixed counter: the filter's bitmap decides, whatever its events are", "10",
     kAllKernels, [](const Op& op) { return is_fixed_index(op.index); },
     [](Op& op) -> int {
       const bool listed = ((op.vm.filter->fixed_counter_bitmap >> (op.index - 32)) & 1) != 0;
       return listed == (op.vm.filter->action == EventFilter::kAllow) ? kCounts : 0;
     }},
    {"count-listed", "the filter lists the event: its action decides", "10", kAllKernels,
     [](const Op& op) { return in_list(*op.vm.filter, code_of(op)); },
     [](Op& op) -> int { return op.vm.filter->action == EventFilter::kAllow ? kCounts : 0; }},
    {"count-unlisted", "the filter does not list the event: the opposite of its action", "10", kAllKernels,
     always, [](Op& op) -> int { return op.vm.filter->action == EventFilter::kDeny ? kCounts : 0; }},
};
constexpr RuleTable kCount{"whether a counter counts", false, kCountRules};

constexpr Rule kOverflowRules[] = {
    {"overflow-pebs-again", "PEBS overflow while GLOBAL_STATUS[62] is set: nothing more", "6.3", kAllKernels,
     [](const Op& op) {
       return ((op.vcpu.pmu.pebs_enable >> op.index) & 1) != 0 && (op.vcpu.pmu.global_status >> 62 & 1) != 0;
     },
     [](Op&) -> int { return kOk; }},
    {"overflow-pebs", "PEBS overflow: GLOBAL_STATUS[62], and a PMI", "6.3", kAllKernels,
     [](const Op& op) { return ((op.vcpu.pmu.pebs_enable >> op.index) & 1) != 0; },
     [](Op& op) -> int {
       op.vcpu.pmu.global_status |= u64{1} << 62;
       deliver_pmi(op);
       return kOk;
     }},
    {"overflow", "the counter's bit in GLOBAL_STATUS, and a PMI if it asks for one", "6.3", kAllKernels,
     always,
     [](Op& op) -> int {
       VpmuState& pmu = op.vcpu.pmu;
       pmu.global_status |= u64{1} << op.index;
       const bool interrupt = is_fixed_index(op.index)
                                  ? (pmu.fixed_ctr_ctrl >> (4 * (op.index - 32) + 3) & 1) != 0
                                  : (pmu.gp[op.index].select & kInterrupt) != 0;
       if (interrupt) deliver_pmi(op);
       return kOk;
     }},
};
constexpr RuleTable kOverflow{"overflow of a counter", false, kOverflowRules};

Counter& counter(VpmuState& pmu, unsigned index) {
  return is_fixed_index(index) ? pmu.fixed[index - 32] : pmu.gp[index];
}
u64 width_mask(const VpmuState& pmu, unsigned index) {
  return is_fixed_index(index) ? pmu.fixed_bitmask : pmu.gp_bitmask;
}

}  // namespace

int set_event_filter(Op& op, const EventFilter& filter) {
  op.filter = &filter;
  return decide(kSet, op);
}

bool counter_counts(Op& op, unsigned index) {
  op.index = index;
  return decide(kCount, op) == kCounts;
}

u64 sample_period(const VpmuState& pmu, unsigned index) {
  const u64 mask = width_mask(pmu, index);
  const u64 value = is_fixed_index(index) ? pmu.fixed[index - 32].value : pmu.gp[index].value;
  const u64 period = (~value + 1) & mask;
  return period != 0 ? period : mask + 1;
}

void count_event(Op& op, u8 event, u8 umask, u64 n) {
  VpmuState& pmu = op.vcpu.pmu;
  const u64 code = event | u64{umask} << 8;
  const auto step = [&](unsigned index) {
    op.index = index;
    if (code_of(op) != code || !counter_counts(op, index)) return;
    if ((pmu.events >> index & 1) == 0) {
      pmu.events |= u64{1} << index;
      ++pmu.event_count;
    }
    const u64 period = sample_period(pmu, index);
    Counter& c = counter(pmu, index);
    c.value = (c.value + n) & width_mask(pmu, index);
    if (n >= period) decide(kOverflow, op);
  };
  for (unsigned i = 0; i < pmu.gp_count(); ++i) step(i);
  for (unsigned i = 0; i < pmu.fixed_count(); ++i) step(32 + i);
}

RuleTables event_filter_tables() {
  static constexpr const RuleTable* kTables[] = {&kSet, &kCount, &kOverflow};
  return kTables;
}

}  // namespace lastbranch::kvm
