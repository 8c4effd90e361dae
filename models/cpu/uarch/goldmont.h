#pragma once
// Goldmont, Goldmont Plus and Tremont (Atom): 32 records with cycles and call-stack mode; Goldmont keeps the
// cycles in the upper bits of TO, the others in an INFO MSR without transaction flags. PEBS of any event,
// from Goldmont Plus on on every counter; Tremont's is adaptive.
//
// Freezing is streamlined, as version 4 says, although one of the manual's tables prints "legacy" for
// Goldmont. The AnyThread bit does nothing on Goldmont and is gone later. IA32_PERF_CAPABILITIES is
// composed; which counters sample without skid from Goldmont Plus on is from Linux' constraints.
// Sources: SDM vol. 3B, "Last Branch, Call Stack, Interrupt, and Exception Recording for Processors based on
// Goldmont Microarchitecture", "Performance Monitoring for Goldmont Plus Microarchitecture"; Linux 6.12
// lbr.c and core.c; Intel's product specifications.
#include "models/cpu/uarch/silvermont.h"

namespace lastbranch::cpu {

inline constexpr Uarch kGoldmont = [] {
  Uarch u = kSilvermont;
  u.name = "goldmont";
  u.title = "Goldmont (Atom)";
  u.brand = "Intel(R) Pentium(R) CPU N4200 @ 1.10GHz";
  u.model = 0x5c;
  u.stepping = 9;
  u.max_leaf = 0x15;
  u.frequency_hz = 1'100'000'000;
  u.pa_bits = 39;
  u.isa = u.isa | IsaSet{Isa::kXsave, Isa::kFsgsbase,   Isa::kSmap,   Isa::kRdseed,
                         Isa::kMpx,   Isa::kClflushopt, Isa::kPage1gb};
  u.lbr.depth = 32;
  u.lbr.format = LbrFormat::kTime;
  u.lbr.from_base = 0x680;
  u.lbr.to_base = 0x6c0;
  u.lbr.select_mask = 0x3ff;
  u.lbr.has_call_stack = true;
  u.lbr.jmp_filters_drop_calls = false;
  u.lbr.quirks.c6_clears = true;
  u.pmu.version = 4;
  u.pmu.gp_counters = 4;
  u.pmu.gp_width = 48;
  u.pmu.fixed_width = 48;
  u.pmu.slots_per_cycle = 3;
  u.pmu.pebs_format = 3;
  u.pmu.pdist_counters = 1;
  u.pmu.events = EventList::kGoldmont;
  return complete(u);
}();

inline constexpr Uarch kGoldmontPlus = [] {
  Uarch u = kGoldmont;
  u.name = "goldmontplus";
  u.title = "Goldmont Plus (Atom)";
  u.brand = "Intel(R) Pentium(R) Silver N5000 CPU @ 1.10GHz";
  u.model = 0x7a;
  u.stepping = 1;
  u.max_leaf = 0x18;
  u.caches[2] = unified_cache(2, 4096, 16);
  u.lbr.format = LbrFormat::kInfoNoTsx;
  u.pmu.any_thread_deprecated = true;
  u.pmu.pebs_counters = 0xf | fixed_bits(3);
  u.pmu.events = EventList::kGoldmontPlus;
  return complete(u);
}();

inline constexpr Uarch kTremont = [] {
  Uarch u = kGoldmontPlus;
  u.name = "tremont";
  u.title = "Tremont (Atom)";
  u.brand = "Intel(R) Pentium(R) Silver N6000 @ 1.10GHz";
  u.model = 0x9c;
  u.stepping = 0;
  u.max_leaf = 0x1b;
  u.isa = (u.isa | IsaSet{Isa::kClwb}) - IsaSet{Isa::kMpx};
  u.caches = {data_cache(32, 8), instruction_cache(32, 8), unified_cache(2, 1536, 12),
              unified_cache(3, 4096, 16)};
  u.pmu.version = 5;
  u.pmu.fixed_bitmap = 0x7;
  u.pmu.slots_per_cycle = 4;
  u.pmu.pebs_format = 4;
  u.pmu.pebs_enable_extra = pebs_enable::kToPt;
  u.pmu.pdist_counters = 1 | fixed_bits(1);
  u.pmu.perf_capabilities |= perfcap::kBaseline | perfcap::kPebsToPt;
  return complete(u);
}();

}  // namespace lastbranch::cpu
