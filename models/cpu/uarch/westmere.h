#pragma once
// Westmere: Nehalem's shrink, with AES.
// Source: CPUID dump of a Xeon X5680.
#include "models/cpu/uarch/nehalem.h"

namespace lastbranch::cpu {

inline constexpr Uarch kWestmere = [] {
  Uarch u = kNehalem;
  u.name = "westmere";
  u.title = "Westmere";
  u.brand = "Intel(R) Xeon(R) CPU           X5680  @ 3.33GHz";
  u.model = 0x2c;
  u.stepping = 2;
  u.frequency_hz = 3'330'000'000;
  u.pa_bits = 40;
  u.isa = u.isa | IsaSet{Isa::kAes, Isa::kPclmulqdq, Isa::kPcid, Isa::kPage1gb};
  u.caches[3] = unified_cache(3, 12288, 16, true);
  u.pmu.absent_events = 1u << 2;  // reference cycles
  return u;
}();

}  // namespace lastbranch::cpu
