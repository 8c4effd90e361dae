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

/// Whose event names and codes a part has: one of Intel's published lists, in the order of their parts' age.
enum class EventList : u8 {
  kArchitectural,  ///< only the architectural events of CPUID.0AH
  kBonnell,
  kNehalem,  ///< Nehalem-EP
  kWestmere,
  kSandyBridge,
  kIvyBridge,
  kSilvermont,  ///< and Airmont
  kHaswell,
  kBroadwell,
  kSkylake,   ///< client; Kaby Lake, Coffee Lake, Comet Lake
  kSkylakeX,  ///< server
  kGoldmont,
  kGoldmontPlus,  ///< and Tremont, as far as its list is known here
  kCascadeLakeX,
  kIceLake,         ///< client; Tiger Lake, Rocket Lake
  kIceLakeX,        ///< server
  kGoldenCove,      ///< client; Raptor Cove
  kGracemont,       ///< and Crestmont
  kSapphireRapids,  ///< and its successors
  kCount,

  kAtom = kGoldmont,
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
  u32 fixed_bitmap = 0;          ///< CPUID.0AH:ECX (version 5): fixed counters that exist; 0 before
  unsigned slots_per_cycle = 4;  ///< issue width: TOPDOWN.SLOTS per core clock
  bool leaf_23h = false;         ///< CPUID leaf 23H with the true counter bitmaps
  u32 gp_bitmap = 0;             ///< CPUID.23H.1:EAX; 0: (1 << gp_counters) - 1
  u64 evtsel_mask = 0x0000'0000'ffdf'ffff;  ///< bits of IA32_PERFEVTSELx that exist; others raise #GP
  bool any_thread = true;                   ///< ANY counts both threads; false: ignored where the bit exists
  bool ds_area = false;                     ///< CPUID.1:EDX.DS: IA32_DS_AREA, BTS and PEBS
  unsigned pebs_format = 0;                 ///< IA32_PERF_CAPABILITIES[11:8]
  u64 pebs_counters = 0;      ///< bits of IA32_PEBS_ENABLE for counters: n general, 32 + i fixed; 0 = no PEBS
  u64 pebs_enable_extra = 0;  ///< its further bits: load latency 32 + n, precise store 63
  u64 pdist_counters = 0;     ///< counters that sample the overflowing instruction itself (PDIR, PDist)
  bool pebs_threshold_late = false;  ///< the PMI of PEBS's threshold is one record late (AR64 of Core 2)
  bool load_latency = false;         ///< MSR_PEBS_LD_LAT_THRESHOLD
  bool frontend_msr = false;         ///< MSR_PEBS_FRONTEND
  u32 offcore_rsp = 0;               ///< how many MSR_OFFCORE_RSP_x
  bool global_ctrl_reset_enables_gp = true;  ///< IA32_PERF_GLOBAL_CTRL after RESET: general counters on
  u64 perf_capabilities = 0;                 ///< IA32_PERF_CAPABILITIES; 0 = the part has no such MSR
  FreezeMode freeze = FreezeMode::kLegacy;
  EventList events = EventList::kArchitectural;

  bool operator==(const PmuParams&) const = default;
};

}  // namespace lastbranch
