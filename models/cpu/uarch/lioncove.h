#pragma once
// Lion Cove, the performance core of Lunar and Arrow Lake, and Cougar Cove, that of Panther Lake:
// architectural LBRs whose records count events of four counters; performance monitoring of version 6 with
// ten counters, which only leaf 23H tells. Cougar Cove has architectural PEBS.
//
// Their events have no list of their own here: architectural names only. The slots per cycle (8), the retire
// latency in PEBS and the composed IA32_PERF_CAPABILITIES are assumptions, and so are brand, stepping, clock
// and caches of Panther Lake. Auto Counter Reload is not modelled, so leaf 23H does not show its sub-leaf.
// Sources: SDM vol. 3B, "Architectural Last Branch Records"; CPUID dumps for leaves 0AH, 1CH and 23H; Linux
// 6.12 core.c; Intel's product specifications.
#include "models/cpu/uarch/goldencove.h"

namespace lastbranch::cpu {

inline constexpr Uarch kLionCove = [] {
  Uarch u = kMeteorLakeP;
  u.name = "lunarlake-p";
  u.title = "Lunar Lake performance core (Lion Cove)";
  u.brand = "Intel(R) Core(TM) Ultra 7 258V";
  u.model = 0xbd;
  u.stepping = 1;
  u.frequency_hz = 2'200'000'000;
  u.caches[2] = unified_cache(2, 2560, 10);
  u.caches[3] = unified_cache(3, 12288, 12);
  u.lbr = architectural_lbr(false, 0xf);
  u.pmu.version = 6;
  u.pmu.gp_counters = 10;
  u.pmu.arch_events = 13;
  u.pmu.absent_events = 1u << 9;  // topdown bad speculation
  u.pmu.slots_per_cycle = 8;
  u.pmu.pebs_format = 6;
  u.pmu.pebs_counters = 0x3ff | fixed_bits(4);
  u.pmu.events = EventList::kArchitectural;
  u.pmu.frontend_msr = false;  // its selectors are part of the list of events
  u.leaves.gp_counters = 8;
  u.leaves.arch_events = 13;
  u.leaves.absent_events = 0x280;
  return complete(u);
}();

inline constexpr Uarch kCougarCove = [] {
  Uarch u = kLionCove;
  u.name = "pantherlake-p";
  u.title = "Panther Lake performance core (Cougar Cove)";
  u.brand = "Intel(R) Core(TM) Ultra X9 388H";
  u.model = 0xcc;
  u.stepping = 2;
  u.frequency_hz = 2'100'000'000;
  u.caches[2] = unified_cache(2, 3072, 12);
  u.caches[3] = unified_cache(3, 18432, 12);
  u.pmu.pebs_format = 0;
  u.pmu.pdist_counters = 0x3 | fixed_bits(1);
  u.pmu.perf_capabilities = perfcap::kSmmFreeze | perfcap::kFullWidth | perfcap::kMetrics;
  u.arch_pebs = 0x60060378;
  return complete(u);
}();

}  // namespace lastbranch::cpu
