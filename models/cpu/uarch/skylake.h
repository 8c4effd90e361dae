#pragma once
// Skylake, client and server: 32 records with an INFO MSR that counts cycles; freezing through status bits.
// Sources: SDM vol. 3B, "Last Branch, Call Stack, Interrupt, and Exception Recording for Processors based on
// Skylake Microarchitecture", "Architectural Performance Monitoring Version 4"; CPUID dumps of an i7-6700 and
// a Xeon 8173M.
#include "models/cpu/uarch/broadwell.h"

namespace lastbranch::cpu {

inline constexpr Uarch kSkylake = [] {
  Uarch u = kBroadwell;
  u.name = "skylake";
  u.title = "Skylake (client)";
  u.brand = "Intel(R) Core(TM) i7-6700 CPU @ 3.40GHz";
  u.model = 0x5e;
  u.stepping = 3;
  u.max_leaf = 0x16;
  u.frequency_hz = 3'400'000'000;
  u.isa = u.isa | IsaSet{Isa::kMpx, Isa::kClflushopt};
  u.caches[2].ways = 4;
  u.caches[3] = unified_cache(3, 8192, 16, true);
  u.lbr.depth = 32;
  u.lbr.format = LbrFormat::kInfo;
  u.pmu.version = 4;
  u.pmu.freeze = FreezeMode::kStreamlined;
  u.pmu.pebs_format = 3;
  u.pmu.events = EventList::kSkylake;
  u.pmu.perf_capabilities = 0x33c5;
  return u;
}();

inline constexpr Uarch kSkylakeServer = [] {
  Uarch u = kSkylake;
  u.name = "skx";
  u.title = "Skylake (server)";
  u.brand = "Intel(R) Xeon(R) Platinum 8173M CPU @ 2.00GHz";
  u.model = 0x55;
  u.stepping = 4;
  u.frequency_hz = 2'000'000'000;
  u.pa_bits = 46;
  u.isa = u.isa |
          IsaSet{Isa::kAvx512f, Isa::kAvx512dq, Isa::kAvx512cd, Isa::kAvx512bw, Isa::kAvx512vl, Isa::kClwb};
  u.caches[2] = unified_cache(2, 1024, 16);
  u.caches[3] = unified_cache(3, 39424, 11);
  return u;
}();

}  // namespace lastbranch::cpu
