#pragma once
// Golden Cove, Raptor Cove and Redwood Cove, in client (Alder, Raptor, Meteor Lake) and server parts
// (Sapphire, Emerald, Granite Rapids): architectural LBRs instead of the ring, addresses as offsets in CS.
//
// On hybrid parts leaf 0AH reports the counters that both kinds of core have; the MSRs of all eight and four
// work, and from Meteor Lake on leaf 23H says so. PEBS's format is 4 (Intel's sources allow 4 or 5; Linux
// prints "fmt4" for both): override pebs_format. IA32_PERF_CAPABILITIES is composed. Meteor Lake's
// performance core is assumed to be Granite Rapids' in what leaf 23H and the capabilities say.
// Sources: SDM vol. 3B, "Architectural Last Branch Records", "Architectural Performance Monitoring"; CPUID
// dumps for leaves 0AH, 1CH and 23H; Linux 6.12 core.c and ds.c; Intel's product specifications.
#include "models/cpu/uarch/icelake.h"

namespace lastbranch::cpu {

inline constexpr IsaSet kAvx512 = {Isa::kAvx512f, Isa::kAvx512dq, Isa::kAvx512cd, Isa::kAvx512bw,
                                   Isa::kAvx512vl};

inline constexpr Uarch kSapphireRapids = [] {
  Uarch u = kIceLakeServer;
  u.name = "sapphirerapids";
  u.title = "Sapphire Rapids (Golden Cove)";
  u.brand = "Intel(R) Xeon(R) Platinum 8480+";
  u.model = 0x8f;
  u.stepping = 8;
  u.max_leaf = 0x20;
  u.frequency_hz = 2'000'000'000;
  u.caches[2] = unified_cache(2, 2048, 16);
  u.caches[3] = unified_cache(3, 107520, 15);
  u.lbr = architectural_lbr(false);
  u.lbr.va_bits = 57;
  u.pmu.slots_per_cycle = 6;
  u.pmu.pdist_counters = 1 | fixed_bits(1);
  u.pmu.events = EventList::kSapphireRapids;
  return complete(u);
}();

inline constexpr Uarch kEmeraldRapids = [] {
  Uarch u = kSapphireRapids;
  u.name = "emeraldrapids";
  u.title = "Emerald Rapids (Raptor Cove)";
  u.brand = "INTEL(R) XEON(R) PLATINUM 8592+";
  u.model = 0xcf;
  u.stepping = 2;
  u.frequency_hz = 1'900'000'000;
  u.caches[3] = unified_cache(3, 327680, 20);
  return complete(u);
}();

inline constexpr Uarch kGraniteRapids = [] {
  Uarch u = kSapphireRapids;
  u.name = "graniterapids";
  u.title = "Granite Rapids (Redwood Cove)";
  u.brand = "Intel(R) Xeon(R) 6980P";
  u.model = 0xad;
  u.stepping = 1;
  u.max_leaf = 0x23;
  u.caches[1] = instruction_cache(64, 16);
  u.caches[3] = unified_cache(3, 516096, 16);
  u.pmu.leaf_23h = true;
  u.pmu.perf_capabilities |= perfcap::kTiming;
  u.leaves.arch_events_23h = 0xdff;
  return complete(u);
}();

inline constexpr Uarch kAlderLakeP = [] {
  Uarch u = kSapphireRapids;
  u.name = "alderlake-p";
  u.title = "Alder Lake performance core (Golden Cove)";
  u.brand = "12th Gen Intel(R) Core(TM) i9-12900K";
  u.model = 0x97;
  u.stepping = 2;
  u.frequency_hz = 3'200'000'000;
  u.isa = u.isa - kTsx - kAvx512;
  u.caches[2] = unified_cache(2, 1280, 10);
  u.caches[3] = unified_cache(3, 30720, 12);
  u.lbr.va_bits = 48;
  u.pmu.events = EventList::kGoldenCove;
  u.leaves.gp_counters = 6;
  u.leaves.arch_events = 7;
  u.leaves.fixed_bitmap = 0x7;
  u.leaves.edx = 0x8603;
  return complete(u);
}();

inline constexpr Uarch kRaptorLakeP = [] {
  Uarch u = kAlderLakeP;
  u.name = "raptorlake-p";
  u.title = "Raptor Lake performance core (Raptor Cove)";
  u.brand = "13th Gen Intel(R) Core(TM) i9-13900K";
  u.model = 0xb7;
  u.stepping = 1;
  u.frequency_hz = 3'000'000'000;
  u.caches[2] = unified_cache(2, 2048, 16);
  u.caches[3] = unified_cache(3, 36864, 12);
  return complete(u);
}();

inline constexpr Uarch kMeteorLakeP = [] {
  Uarch u = kRaptorLakeP;
  u.name = "meteorlake-p";
  u.title = "Meteor Lake performance core (Redwood Cove)";
  u.brand = "Intel(R) Core(TM) Ultra 7 155H";
  u.model = 0xaa;
  u.stepping = 4;
  u.max_leaf = 0x23;
  u.frequency_hz = 1'400'000'000;
  u.caches[1] = instruction_cache(64, 16);
  u.caches[3] = unified_cache(3, 24576, 12);
  u.pmu.leaf_23h = true;
  u.pmu.perf_capabilities |= perfcap::kTiming;
  u.leaves.gp_counters = 8;
  return complete(u);
}();

}  // namespace lastbranch::cpu
