#pragma once
// Silvermont and its shrink Airmont (Atom): eight records of bare addresses, with Nehalem's filter.
//
// That the format is 1 (linear addresses) is assumed: with CS based at 0, formats 1 and 2 are the same. The
// AnyThread bit exists and does nothing. IA32_PERF_CAPABILITIES is composed.
// Sources: SDM vol. 3B, "LBR Stack", "Filtering of Last Branch Records", "Performance Monitoring for
// Silvermont Microarchitecture"; CPUID dump of an Atom C2750; Linux 6.12 lbr.c.
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
  u.lbr.quirks = {};
  u.pmu.gp_counters = 2;
  u.pmu.gp_width = 40;
  u.pmu.fixed_width = 40;
  u.pmu.slots_per_cycle = 2;
  u.pmu.any_thread = false;
  u.pmu.pebs_format = 2;
  u.pmu.pebs_counters = 1;
  u.pmu.pebs_enable_extra = 0;
  u.pmu.load_latency = false;
  u.pmu.offcore_rsp = 2;
  u.pmu.perf_capabilities |= perfcap::kFullWidth;
  u.pmu.events = EventList::kSilvermont;
  u.uncore_pmi = false;
  return complete(u);
}();

inline constexpr Uarch kAirmont = [] {
  Uarch u = kSilvermont;
  u.name = "airmont";
  u.title = "Airmont (Atom)";
  u.brand = "Intel(R) Atom(TM) x5-Z8300  CPU @ 1.44GHz";
  u.model = 0x4c;
  u.stepping = 3;
  u.frequency_hz = 1'440'000'000;
  return complete(u);
}();

}  // namespace lastbranch::cpu
