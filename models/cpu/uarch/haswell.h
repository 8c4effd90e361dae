#pragma once
// Haswell: transaction flags in the records, call-stack mode.
// Sources: SDM vol. 3B, "Last Branch, Call Stack, Interrupt, and Exception Recording for Processors based on
// Haswell Microarchitecture"; CPUID dump of an i7-4770.
#include "models/cpu/uarch/ivybridge.h"

namespace lastbranch::cpu {

inline constexpr Uarch kHaswell = [] {
  Uarch u = kIvyBridge;
  u.name = "haswell";
  u.title = "Haswell";
  u.brand = "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz";
  u.model = 0x3c;
  u.stepping = 3;
  u.pa_bits = 39;
  u.isa = u.isa | IsaSet{Isa::kFma,  Isa::kMovbe,   Isa::kBmi1, Isa::kHle,   Isa::kAvx2,
                         Isa::kBmi2, Isa::kInvpcid, Isa::kRtm,  Isa::kLzcnt, Isa::kPage1gb};
  u.lbr.format = LbrFormat::kFlagsTsx;
  u.lbr.select_mask = 0x3ff;  // bit 9: call-stack mode
  u.pmu.pebs_format = 2;
  u.pmu.events = EventList::kHaswell;
  u.pmu.perf_capabilities = 0x32c4;
  return u;
}();

}  // namespace lastbranch::cpu
