#pragma once
// Sandy Bridge and its shrink Ivy Bridge: the JMP filters no longer drop calls; counters can be written in
// full; PEBS samples stores, and on counter 1 the very instruction that overflows.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording for Processors based on Sandy
// Bridge Microarchitecture", "Performance Monitoring for Processors Based on Sandy Bridge
// Microarchitecture"; CPUID dumps of an i7-2600 and an i7-3770.
#include "models/cpu/uarch/nehalem.h"

namespace lastbranch::cpu {

inline constexpr Uarch kSandyBridge = [] {
  Uarch u = kWestmere;
  u.name = "sandybridge";
  u.title = "Sandy Bridge";
  u.brand = "Intel(R) Core(TM) i7-2600 CPU @ 3.40GHz";
  u.model = 0x2a;
  u.stepping = 7;
  u.max_leaf = 0xd;
  u.frequency_hz = 3'400'000'000;
  u.pa_bits = 36;
  u.isa = (u.isa | IsaSet{Isa::kXsave, Isa::kAvx}) - IsaSet{Isa::kPage1gb};
  u.caches[1].ways = 8;
  u.caches[3] = unified_cache(3, 8192, 16, true);
  u.lbr.jmp_filters_drop_calls = false;
  u.lbr.quirks = {};
  u.pmu.absent_events = 0;
  u.pmu.pebs_enable_extra |= pebs_enable::kPreciseStore;
  u.pmu.pdist_counters = 1u << 1;
  u.pmu.events = EventList::kSandyBridge;
  u.pmu.perf_capabilities |= perfcap::kFullWidth;
  return complete(u);
}();

inline constexpr Uarch kIvyBridge = [] {
  Uarch u = kSandyBridge;
  u.name = "ivybridge";
  u.title = "Ivy Bridge";
  u.brand = "Intel(R) Core(TM) i7-3770 CPU @ 3.40GHz";
  u.model = 0x3a;
  u.stepping = 9;
  u.isa = u.isa | IsaSet{Isa::kF16c, Isa::kRdrand, Isa::kFsgsbase, Isa::kSmep, Isa::kErms};
  u.pmu.events = EventList::kIvyBridge;
  return complete(u);
}();

}  // namespace lastbranch::cpu
