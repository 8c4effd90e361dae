#pragma once
// MSR_PEBS_FRONTEND: which front-end event FRONTEND_RETIRED counts.
// Sources: Intel's perfmon event lists (SKL, ICL, SPR) for the values; the fields follow from them.
#include "sim/base/field.h"
#include "sim/base/pmu_params.h"

namespace lastbranch::pmu {

enum class FrontendEvent : u8 {
  kNone,  ///< a value that names no event of the part: nothing counts
  kAnyDsbMiss,
  kMsFlows,
  kDsbMiss,
  kL1iMiss,
  kL2Miss,
  kItlbMiss,
  kStlbMiss,
  kUnknownBranch,
  kUnknownBranchCycles,  ///< for INT_MISC (ADH), not FRONTEND_RETIRED
  kLatency,              ///< at least `bubbles` empty slots for at least `latency` core clocks
};

struct FrontendSelector {
  FrontendEvent event = FrontendEvent::kNone;
  unsigned latency = 0;  ///< core clocks
  unsigned bubbles = 0;  ///< issue slots
  bool operator==(const FrontendSelector&) const = default;
};

/// Bits of the MSR that exist on a part; 0: the part has no FRONTEND_RETIRED.
[[nodiscard]] u64 frontend_writable(EventList list);
/// What a value of the MSR selects on a part.
[[nodiscard]] FrontendSelector frontend_selector(EventList list, u64 value);

}  // namespace lastbranch::pmu
