#pragma once
// Silvermont (Atom): eight records of bare addresses, with Nehalem's filter.
// Sources: SDM vol. 3B, "LBR Stack" and "Performance Monitoring for Silvermont Microarchitecture"; CPUID dump
// of an Atom C2750. That its format is 1 (linear addresses) is assumed: in 64-bit mode 1 and 2 are the same.
#include "models/cpu/uarch/nehalem.h"

namespace lastbranch::cpu {

inline constexpr Uarch kSilvermont = [] {
  Uarch u = kNehalem;
  u.name = "silvermont";
  u.title = "Silvermont (Atom)";
  u.brand = "Intel(R) Atom(TM) CPU  C2750  @ 2.40GHz";
  u.model = 0x4d;
  u.stepping = 8;
  u.frequency_hz = 2'400'000'000;
  u.isa = u.isa | IsaSet{Isa::kAes,  Isa::kPclmulqdq, Isa::kMovbe,    Isa::kRdrand,
                         Isa::kSmep, Isa::kErms,      Isa::kPrefetchw};
  u.caches = {data_cache(24, 6), instruction_cache(32, 8), unified_cache(2, 1024, 16)};
  u.lbr.depth = 8;
  u.lbr.format = LbrFormat::kLinear;
  u.lbr.from_base = 0x40;
  u.lbr.to_base = 0x60;
  u.pmu.gp_counters = 2;
  u.pmu.gp_width = 40;
  u.pmu.fixed_width = 40;
  u.pmu.pebs_format = 2;
  u.pmu.perf_capabilities = 0x32c1;
  u.pmu.events = EventList::kArchitectural;
  return u;
}();

}  // namespace lastbranch::cpu
