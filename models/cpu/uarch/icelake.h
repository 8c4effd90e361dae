#pragma once
// Ice Lake client and server, Tiger Lake, Rocket Lake, and the large core of Lakefield: Skylake's records;
// eight counters, a fourth fixed one that counts slots, adaptive PEBS on all counters.
//
// Without TSX (the client parts) the transaction flags in INFO stay 0. How far the server's records are
// sign-extended (57 bits) is an assumption: lbr_va_bits. Lakefield's LBRs and counters are assumed to be Ice
// Lake's.
// Sources: SDM vol. 3B, "Architectural Performance Monitoring Version 5", "Performance Monitoring for Ice
// Lake Microarchitecture"; CPUID dumps; Linux 6.12 core.c; Intel's product specifications.
#include "models/cpu/uarch/skylake.h"

namespace lastbranch::cpu {

inline constexpr IsaSet kTsx = {Isa::kHle, Isa::kRtm};

inline constexpr Uarch kIceLake = [] {
  Uarch u = kCannonLake;
  u.name = "icelake";
  u.title = "Ice Lake (client)";
  u.brand = "Intel(R) Core(TM) i7-1065G7 CPU @ 1.30GHz";
  u.model = 0x7e;
  u.stepping = 5;
  u.max_leaf = 0x1b;
  u.frequency_hz = 1'300'000'000;
  u.isa = u.isa - kTsx - IsaSet{Isa::kMpx};
  u.caches = {data_cache(48, 12), instruction_cache(32, 8), unified_cache(2, 512, 8),
              unified_cache(3, 8192, 16, true)};
  u.pmu.version = 5;
  u.pmu.gp_counters = 8;
  u.pmu.fixed_counters = 4;
  u.pmu.fixed_bitmap = 0xf;
  u.pmu.arch_events = 8;
  u.pmu.any_thread_deprecated = true;
  u.pmu.any_thread = false;
  u.pmu.slots_per_cycle = 5;
  u.pmu.pebs_format = 4;
  u.pmu.pebs_counters = 0xff | fixed_bits(4);
  u.pmu.pebs_enable_extra = 0;
  u.pmu.pdist_counters = fixed_bits(1);
  u.pmu.perf_capabilities |= perfcap::kBaseline | perfcap::kMetrics;
  u.pmu.events = EventList::kIceLake;
  return complete(u);
}();

inline constexpr Uarch kIceLakeServer = [] {
  Uarch u = kIceLake;
  u.name = "icx";
  u.title = "Ice Lake (server)";
  u.brand = "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz";
  u.model = 0x6a;
  u.stepping = 6;
  u.frequency_hz = 2'300'000'000;
  u.pa_bits = 46;
  u.isa = u.isa | kTsx | IsaSet{Isa::kClwb};
  u.caches[2] = unified_cache(2, 1280, 20);
  u.caches[3] = unified_cache(3, 61440, 12);
  u.lbr.va_bits = 57;
  u.pmu.events = EventList::kIceLakeX;
  return complete(u);
}();

inline constexpr Uarch kTigerLake = [] {
  Uarch u = kIceLake;
  u.name = "tigerlake";
  u.title = "Tiger Lake";
  u.brand = "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz";
  u.model = 0x8c;
  u.stepping = 1;
  u.frequency_hz = 2'800'000'000;
  u.isa = u.isa | IsaSet{Isa::kClwb};
  u.caches[2] = unified_cache(2, 1280, 20);
  u.caches[3] = unified_cache(3, 12288, 12);
  return complete(u);
}();

inline constexpr Uarch kRocketLake = [] {
  Uarch u = kIceLake;
  u.name = "rocketlake";
  u.title = "Rocket Lake";
  u.brand = "11th Gen Intel(R) Core(TM) i9-11900K @ 3.50GHz";
  u.model = 0xa7;
  u.stepping = 1;
  u.frequency_hz = 3'500'000'000;
  u.caches[3] = unified_cache(3, 16384, 16, true);
  return complete(u);
}();

inline constexpr Uarch kLakefield = [] {
  Uarch u = kIceLake;
  u.name = "lakefield";
  u.title = "Lakefield (large core)";
  u.brand = "Intel(R) Core(TM) i5-L16G7 CPU @ 1.40GHz";
  u.model = 0x8a;
  u.stepping = 1;
  u.frequency_hz = 1'400'000'000;
  u.isa = u.isa - IsaSet{Isa::kAvx,      Isa::kAvx2,     Isa::kFma,      Isa::kF16c,    Isa::kAvx512f,
                         Isa::kAvx512dq, Isa::kAvx512cd, Isa::kAvx512bw, Isa::kAvx512vl};
  u.caches[3] = unified_cache(3, 4096, 16);
  return complete(u);
}();

}  // namespace lastbranch::cpu
