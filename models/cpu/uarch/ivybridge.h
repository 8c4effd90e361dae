#pragma once
// Ivy Bridge: Sandy Bridge's shrink.
// Source: CPUID dump of an i7-3770.
#include "models/cpu/uarch/sandybridge.h"

namespace lastbranch::cpu {

inline constexpr Uarch kIvyBridge = [] {
  Uarch u = kSandyBridge;
  u.name = "ivybridge";
  u.title = "Ivy Bridge";
  u.brand = "Intel(R) Core(TM) i7-3770 CPU @ 3.40GHz";
  u.model = 0x3a;
  u.stepping = 9;
  u.isa = u.isa | IsaSet{Isa::kF16c, Isa::kRdrand, Isa::kFsgsbase, Isa::kSmep, Isa::kErms};
  return u;
}();

}  // namespace lastbranch::cpu
