#pragma once
// How parts differ in PEBS beyond what PmuParams says outright.
// Sources: SDM vol. 3B, the PEBS sections of each microarchitecture; Intel's perfmon event lists (column
// PDISTCounter) for what Golden Cove anticipates.
#include "models/pmu/pebs_counters.h"
#include "models/pmu/pebs_record.h"
#include "sim/base/pmu_params.h"

namespace lastbranch::pmu {

/// What is particular in the part's records.
[[nodiscard]] PebsLayout pebs_layout(const PmuParams& params);
/// Whether events that are not precise can be sampled, too.
[[nodiscard]] bool samples_any_event(const PmuParams& params);
/// Goldmont and Goldmont Plus signal a full buffer, and sample when software sets a status bit.
[[nodiscard]] bool has_goldmont_rules(const PmuParams& params);
/// Whether a counter that can anticipate its overflow does so when programmed like this (see
/// PebsCounters::control()): PDIR, reduced skid, PDist.
[[nodiscard]] bool anticipates_overflow(EventList list, CounterBit counter, u64 control);

}  // namespace lastbranch::pmu
