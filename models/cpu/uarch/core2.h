#pragma once
// Core 2 of the second generation (Penryn): four records, no filter, no misprediction flag.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording (Intel Core 2 Duo and Intel Atom
// Processors)"; CPUID dump of a Core 2 Duo E8400.
#include "models/cpu/uarch/uarch.h"

namespace lastbranch::cpu {

// clang-format off
inline constexpr IsaSet kPenrynIsa = {
    Isa::kFpu, Isa::kPse, Isa::kTsc, Isa::kMsr, Isa::kPae, Isa::kCx8, Isa::kSep, Isa::kPge, Isa::kCmov, Isa::kClfsh,
    Isa::kMmx, Isa::kFxsr, Isa::kSse, Isa::kSse2, Isa::kSse3, Isa::kSsse3, Isa::kCx16, Isa::kSse41,
    Isa::kSyscall, Isa::kNx, Isa::kLm, Isa::kLahf};
// clang-format on

inline constexpr Uarch kCore2 = [] {
  Uarch u;
  u.name = "core2";
  u.title = "Core 2 (Penryn)";
  u.brand = "Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz";
  u.model = 0x17;
  u.stepping = 10;
  u.max_leaf = 0xd;
  u.frequency_hz = 3'000'000'000;
  u.isa = kPenrynIsa;
  u.caches = {data_cache(32, 8), instruction_cache(32, 8), unified_cache(2, 6144, 24)};
  // Whether the part reports format 1 or 2 is not documented; in 64-bit mode, with CS.base = 0, they are the
  // same.
  u.lbr = {.depth = 4, .format = LbrFormat::kLinear, .from_base = 0x40, .to_base = 0x60, .has_select = false};
  u.pmu.version = 2;
  u.pmu.gp_counters = 2;
  u.pmu.gp_width = 40;
  u.pmu.fixed_counters = 3;
  u.pmu.fixed_width = 40;
  return u;
}();

}  // namespace lastbranch::cpu
