#pragma once
// How parts differ in PEBS beyond what PmuParams says outright.
// Sources: SDM vol. 3B, the PEBS sections of each microarchitecture; Intel's perfmon event lists (column
// PDISTCounter) for what Golden Cove anticipates.
#include "models/pmu/pebs_counters.h"
#include "models/pmu/pebs_record.h"
#include "sim/base/ds_area.h"
#include "sim/base/pmu_params.h"

namespace lastbranch::pmu {

/// What is particular in the part's records.
[[nodiscard]] PebsLayout pebs_layout(const PmuParams& params);
/// Offset in the DS area of a counter's reset value: formats up to 4 have room for 8 general counters before
/// the fixed ones, later formats for 32.
[[nodiscard]] constexpr u64 pebs_reset_slot(unsigned format, CounterBit counter) {
  const u64 general_slots = format <= 4 ? 8 : 32;
  return ds::kPebsReset + 8 * (counter < kFixed ? counter : general_slots + counter - kFixed);
}
/// Whether events that are not precise can be sampled, too.
[[nodiscard]] bool samples_any_event(const PmuParams& params);
/// Goldmont and Goldmont Plus signal a full buffer, and sample when software sets a status bit.
[[nodiscard]] bool has_goldmont_rules(const PmuParams& params);
/// Whether a counter that can anticipate its overflow does so when programmed like this (see
/// PebsCounters::control()): PDIR, reduced skid, PDist.
[[nodiscard]] bool anticipates_overflow(EventList list, CounterBit counter, u64 control);

}  // namespace lastbranch::pmu
