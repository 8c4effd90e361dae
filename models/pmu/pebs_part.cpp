#include "models/pmu/pebs_part.h"

#include "models/pmu/pebs_bits.h"

namespace lastbranch::pmu {
namespace {

using Select = Field<7, 0>;
using Code = Field<15, 0>;
using Cmask = Field<31, 24>;
constexpr u64 kEdge = bit(18);
constexpr u64 kAny = bit(21);
constexpr u64 kInv = bit(23);
constexpr u64 kFixedAny = bit(2);

bool is_golden_cove(EventList list) {
  return list == EventList::kGoldenCove || list == EventList::kSapphireRapids;
}

/// Golden Cove's events that general counter 0 anticipates.
bool anticipated_on_golden_cove(u64 control) {
  constexpr u64 kStoreSample = 0x02cd;
  const u64 select = Select::get(control);
  return (select >= 0xc4 && select <= 0xc6) || select == 0xc9 || (select >= 0xd0 && select <= 0xd4) ||
         Code::get(control) == kStoreSample;
}

}  // namespace

PebsLayout pebs_layout(const PmuParams& params) {
  // Knights Landing has Silvermont's PEBS: format 2 on one counter, as nobody else.
  const bool silvermont = params.pebs_format == 2 && params.pebs_counters == 1;
  return {.format = params.pebs_format,
          .memory_reserved = silvermont || has_goldmont_rules(params),
          .retire_latency = (params.perf_capabilities & kCapTiming) != 0,
          .split_latency = is_golden_cove(params.events) || params.events == EventList::kGracemont};
}

bool samples_any_event(const PmuParams& params) {
  return (params.perf_capabilities & kCapBaseline) != 0 || has_goldmont_rules(params) ||
         params.events == EventList::kGracemont;
}

bool has_goldmont_rules(const PmuParams& params) {
  return params.pebs_format == 3 &&
         (params.events == EventList::kGoldmont || params.events == EventList::kGoldmontPlus);
}

bool anticipates_overflow(EventList list, CounterBit counter, u64 control) {
  constexpr u64 kPrecDist = 0x01c0;
  if (counter >= kFixed) return (control & kFixedAny) == 0;
  if ((control & (kEdge | kAny | kInv | Cmask::kMask)) != 0) return false;
  switch (list) {
    case EventList::kGoldmont:
    case EventList::kGoldmontPlus:
    case EventList::kGracemont:
      return true;
    default:
      return is_golden_cove(list) ? anticipated_on_golden_cove(control) : Code::get(control) == kPrecDist;
  }
}

}  // namespace lastbranch::pmu
