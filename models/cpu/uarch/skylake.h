#pragma once
// Skylake and its kin: 32 records with an INFO MSR that counts cycles; freezing through status bits; a
// front-end filter for PEBS. Kaby, Coffee and Comet Lake are Skylake to the monitoring hardware; Cascade and
// Cooper Lake are steppings of the server part; Cannon Lake is the client core's shrink.
//
// Now and then the newest record of a Skylake is there twice; nobody published how often, so
// lbr_dup_top_per_mille is 0. Intel PT and the records exclude each other on Skylake itself.
// Sources: SDM vol. 3B, "Last Branch, Call Stack, Interrupt, and Exception Recording for Processors based on
// Skylake Microarchitecture", "Architectural Performance Monitoring Version 4", "Intel PT and LBR"; CPUID
// dumps of an i7-6700 and a Xeon 8173M; Intel's product specifications for clocks and caches of the others.
#include "models/cpu/uarch/haswell.h"

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
  u.lbr.quirks.c6_clears = true;
  u.pmu.version = 4;
  u.pmu.pebs_format = 3;
  u.pmu.frontend_msr = true;
  u.pmu.events = EventList::kSkylake;
  return complete(u);
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
  u.lbr.quirks.pt_excludes_lbr = false;
  u.pmu.events = EventList::kSkylakeX;
  return complete(u);
}();

inline constexpr Uarch kCascadeLake = [] {
  Uarch u = kSkylakeServer;
  u.name = "cascadelake";
  u.title = "Cascade Lake";
  u.brand = "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz";
  u.stepping = 7;
  u.frequency_hz = 2'700'000'000;
  u.pmu.events = EventList::kCascadeLakeX;
  return complete(u);
}();

inline constexpr Uarch kCooperLake = [] {
  Uarch u = kCascadeLake;
  u.name = "cooperlake";
  u.title = "Cooper Lake";
  u.brand = "Intel(R) Xeon(R) Platinum 8380H CPU @ 2.90GHz";
  u.stepping = 11;
  u.frequency_hz = 2'900'000'000;
  return complete(u);
}();

inline constexpr Uarch kCannonLake = [] {
  Uarch u = kSkylake;
  u.name = "cannonlake";
  u.title = "Cannon Lake";
  u.brand = "Intel(R) Core(TM) i3-8121U CPU @ 2.20GHz";
  u.model = 0x66;
  u.stepping = 3;
  u.frequency_hz = 2'200'000'000;
  u.isa = u.isa | IsaSet{Isa::kAvx512f, Isa::kAvx512dq, Isa::kAvx512cd, Isa::kAvx512bw, Isa::kAvx512vl};
  u.caches[3] = unified_cache(3, 4096, 16, true);
  u.lbr.quirks.pt_excludes_lbr = false;
  return complete(u);
}();

}  // namespace lastbranch::cpu
