#pragma once
// Gracemont, Crestmont, Skymont and Darkmont, the efficiency cores of hybrid parts and of Alder Lake-N,
// Sierra Forest and Grand Ridge: architectural LBRs with linear addresses. Crestmont adds leaf 23H, retire
// latency in PEBS and, in the server part, event counts in records; Skymont version 6 and fixed counters 4
// to 6; Darkmont architectural PEBS.
//
// On hybrid parts leaf 0AH reports the counters that both kinds of core have. IA32_PERF_CAPABILITIES is
// composed; PEBS's format on Gracemont (4 or 5) and how far the server's records are sign-extended are
// assumptions. Skymont's Auto Counter Reload is not modelled, so leaf 23H does not show its sub-leaf; its
// events and Darkmont's have no list of their own here. Brand, stepping, clock and caches of Panther Lake are
// assumptions.
// Sources: SDM vol. 3B, "Architectural Last Branch Records"; CPUID dumps for leaves 0AH, 1CH and 23H; Linux
// 6.12 core.c; Intel's product specifications.
#include "models/cpu/uarch/goldmont.h"

namespace lastbranch::cpu {

inline constexpr Uarch kGracemont = [] {
  Uarch u = kTremont;
  u.name = "gracemont";
  u.title = "Gracemont (Alder Lake-N; efficiency core)";
  u.brand = "Intel(R) Core(TM) i3-N305";
  u.model = 0xbe;
  u.stepping = 0;
  u.max_leaf = 0x20;
  u.frequency_hz = 1'800'000'000;
  u.isa = u.isa | IsaSet{Isa::kFma,  Isa::kPcid, Isa::kAvx,     Isa::kF16c,  Isa::kBmi1,
                         Isa::kAvx2, Isa::kBmi2, Isa::kInvpcid, Isa::kLzcnt, Isa::kAdx};
  u.caches = {data_cache(32, 8), instruction_cache(64, 8), unified_cache(2, 2048, 16),
              unified_cache(3, 6144, 12)};
  u.lbr = architectural_lbr(true);
  u.pmu.gp_counters = 6;
  u.pmu.slots_per_cycle = 5;
  u.pmu.pebs_counters = 0x3f | fixed_bits(3);
  u.pmu.load_latency = true;
  u.pmu.events = EventList::kGracemont;
  // As the performance cores beside it: the records of a hybrid part differ by the kind of address only.
  u.uncore_pmi = true;
  return complete(u);
}();

inline constexpr Uarch kMeteorLakeE = [] {
  Uarch u = kGracemont;
  u.name = "meteorlake-e";
  u.title = "Meteor Lake efficiency core (Crestmont)";
  u.brand = "Intel(R) Core(TM) Ultra 7 155H";
  u.model = 0xaa;
  u.stepping = 4;
  u.max_leaf = 0x23;
  u.frequency_hz = 1'400'000'000;
  u.caches[3] = unified_cache(3, 24576, 12);
  u.pmu.gp_counters = 8;
  u.pmu.slots_per_cycle = 6;
  u.pmu.leaf_23h = true;
  u.pmu.pebs_counters = 0xff | fixed_bits(3);
  u.pmu.pdist_counters = 0x3 | fixed_bits(1);
  u.pmu.perf_capabilities |= perfcap::kTiming;
  u.leaves.slots = 6;
  return complete(u);
}();

inline constexpr Uarch kSierraForest = [] {
  Uarch u = kMeteorLakeE;
  u.name = "sierraforest";
  u.title = "Sierra Forest, Grand Ridge (Crestmont)";
  u.brand = "Intel(R) Xeon(R) 6780E";
  u.model = 0xaf;
  u.stepping = 3;
  u.frequency_hz = 2'200'000'000;
  u.pa_bits = 52;
  u.caches[2] = unified_cache(2, 4096, 16);
  u.caches[3] = unified_cache(3, 110592, 12);
  u.lbr = architectural_lbr(true, 0xf);
  u.lbr.va_bits = 57;
  return complete(u);
}();

inline constexpr Uarch kSkymont = [] {
  Uarch u = kMeteorLakeE;
  u.name = "lunarlake-e";
  u.title = "Lunar Lake efficiency core (Skymont)";
  u.brand = "Intel(R) Core(TM) Ultra 7 258V";
  u.model = 0xbd;
  u.stepping = 1;
  u.frequency_hz = 2'200'000'000;
  u.caches[2] = unified_cache(2, 4096, 16);
  u.caches[3] = unified_cache(3, 12288, 12);
  u.lbr = architectural_lbr(true, 0xf);
  u.pmu.version = 6;
  u.pmu.fixed_bitmap = 0x77;
  u.pmu.arch_events = 13;
  u.pmu.absent_events = 1u << 7;  // slots
  u.pmu.slots_per_cycle = 8;
  u.pmu.pebs_format = 6;
  u.pmu.pebs_counters = 0xff | u64{0x77} << 32;
  u.pmu.events = EventList::kArchitectural;
  u.leaves.absent_events = 0x280;
  u.leaves.fixed_bitmap = 0x7;
  u.leaves.edx = 0x8603;
  u.leaves.slots = 8;
  return complete(u);
}();

inline constexpr Uarch kDarkmont = [] {
  Uarch u = kSkymont;
  u.name = "pantherlake-e";
  u.title = "Panther Lake efficiency core (Darkmont)";
  u.brand = "Intel(R) Core(TM) Ultra X9 388H";
  u.model = 0xcc;
  u.stepping = 2;
  u.frequency_hz = 2'100'000'000;
  u.caches[3] = unified_cache(3, 18432, 12);
  u.pmu.pebs_format = 0;
  u.pmu.pebs_enable_extra = 0;
  u.pmu.perf_capabilities = perfcap::kSmmFreeze | perfcap::kFullWidth;
  u.arch_pebs = 0x60060338;
  return complete(u);
}();

}  // namespace lastbranch::cpu
