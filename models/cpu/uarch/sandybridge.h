#pragma once
// Sandy Bridge: the JMP filters no longer drop calls; AVX.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording for Processors based on Sandy Bridge
// Microarchitecture"; CPUID dump of an i7-2600.
#include "models/cpu/uarch/westmere.h"

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
  u.pmu.absent_events = 0;
  u.pmu.events = EventList::kSandyBridge;
  u.pmu.perf_capabilities = 0x31c3;  // Nehalem's, and full-width counter writes (2000H)
  return u;
}();

}  // namespace lastbranch::cpu
