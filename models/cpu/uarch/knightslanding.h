#pragma once
// Knights Landing and Knights Mill (Xeon Phi): eight records at the addresses of the large cores. They
// report format 1, yet bit 63 of FROM is the misprediction flag.
//
// The AnyThread bit exists and has no effect. IA32_PERF_CAPABILITIES is an assumption.
// Sources: SDM vol. 4, "MSRs in the Intel Xeon Phi Processors"; CPUID dump of a Xeon Phi 7210; Linux 6.12
// lbr.c.
#include "models/cpu/uarch/silvermont.h"

namespace lastbranch::cpu {

inline constexpr Uarch kKnightsLanding = [] {
  Uarch u = kSilvermont;
  u.name = "knightslanding";
  u.title = "Knights Landing (Xeon Phi)";
  u.brand = "Intel(R) Xeon Phi(TM) CPU 7210 @ 1.30GHz";
  u.model = 0x57;
  u.stepping = 1;
  u.max_leaf = 0xd;
  u.frequency_hz = 1'300'000'000;
  u.pa_bits = 46;
  u.isa = u.isa | IsaSet{Isa::kFma,  Isa::kXsave,   Isa::kAvx,   Isa::kF16c,    Isa::kFsgsbase,
                         Isa::kBmi1, Isa::kAvx2,    Isa::kBmi2,  Isa::kAvx512f, Isa::kRdseed,
                         Isa::kAdx,  Isa::kPage1gb, Isa::kLzcnt, Isa::kAvx512cd};
  u.caches = {data_cache(32, 8), instruction_cache(32, 8), unified_cache(2, 1024, 16)};
  u.lbr.from_base = 0x680;
  u.lbr.to_base = 0x6c0;
  u.lbr.jmp_filters_drop_calls = false;
  u.lbr.quirks.fmt1_with_mispred = true;
  u.pmu.events = EventList::kArchitectural;
  return complete(u);
}();

inline constexpr Uarch kKnightsMill = [] {
  Uarch u = kKnightsLanding;
  u.name = "knightsmill";
  u.title = "Knights Mill (Xeon Phi)";
  u.brand = "Intel(R) Xeon Phi(TM) CPU 7295 @ 1.50GHz";
  u.model = 0x85;
  u.stepping = 0;
  u.frequency_hz = 1'500'000'000;
  return complete(u);
}();

}  // namespace lastbranch::cpu
