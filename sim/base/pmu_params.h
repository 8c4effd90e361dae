#pragma once
// What distinguishes one part's performance monitoring from another's; stands here for the same reason as
// LbrParams. Sources: SDM vol. 2A, "CPUID", leaf 0AH; vol. 3B, "Architectural Performance Monitoring".
#include "sim/base/units.h"

namespace lastbranch {

/// How a counter overflow with the freeze bits of IA32_DEBUGCTL stops recording and counting.
enum class FreezeMode : u8 {
  kLegacy,       ///< clears the enable bits (version 2 and 3)
  kStreamlined,  ///< sets LBR_FRZ and CTR_FRZ in IA32_PERF_GLOBAL_STATUS (version 4 and later)
};

/// Whose event names and codes a part has.
enum class EventList : u8 {
  kArchitectural,  ///< only the architectural events of CPUID.0AH
  kNehalem,        ///< and Westmere
  kSandyBridge,    ///< and Ivy Bridge
  kHaswell,        ///< and Broadwell
  kSkylake,        ///< client and server
  kCount,
};

struct PmuParams {
  unsigned version = 0;      ///< CPUID.0AH:EAX[7:0]
  unsigned gp_counters = 0;  ///< general-purpose counters of a logical processor with its sibling active
  unsigned gp_width = 0;     ///< bits
  unsigned fixed_counters = 0;
  unsigned fixed_width = 0;  ///< bits
  u32 absent_events = 0;     ///< CPUID.0AH:EBX: bit n set = architectural event n does not work
  unsigned arch_events = 7;  ///< CPUID.0AH:EAX[31:24]: how many bits of it mean something
  bool any_thread_deprecated = false;
  unsigned pebs_format = 0;   ///< IA32_PERF_CAPABILITIES[11:8]
  u64 perf_capabilities = 0;  ///< IA32_PERF_CAPABILITIES; 0 = the part has no such MSR
  FreezeMode freeze = FreezeMode::kLegacy;
  EventList events = EventList::kArchitectural;

  bool operator==(const PmuParams&) const = default;
};

}  // namespace lastbranch
