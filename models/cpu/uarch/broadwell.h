#pragma once
// Broadwell: Haswell's shrink.
// Source: CPUID dump of an i7-5775C.
#include "models/cpu/uarch/haswell.h"

namespace lastbranch::cpu {

inline constexpr Uarch kBroadwell = [] {
  Uarch u = kHaswell;
  u.name = "broadwell";
  u.title = "Broadwell";
  u.brand = "Intel(R) Core(TM) i7-5775C CPU @ 3.30GHz";
  u.model = 0x47;
  u.stepping = 1;
  u.max_leaf = 0x14;
  u.frequency_hz = 3'300'000'000;
  u.isa = u.isa | IsaSet{Isa::kRdseed, Isa::kAdx, Isa::kSmap, Isa::kPrefetchw};
  u.caches[3] = unified_cache(3, 6144, 12, true);
  return u;
}();

}  // namespace lastbranch::cpu
