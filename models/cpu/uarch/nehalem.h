#pragma once
// Nehalem: sixteen records with a misprediction flag, and the first branch filter.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording for Processors based on Nehalem
// Microarchitecture", "Performance Monitoring for Processors Based on Nehalem Microarchitecture"; CPUID dump
// of an i7-920; Linux 6.12 lbr.c for what the JMP filters also drop.
#include "models/cpu/uarch/core2.h"

namespace lastbranch::cpu {

inline constexpr Uarch kNehalem = [] {
  Uarch u = kCore2;
  u.name = "nehalem";
  u.title = "Nehalem";
  u.brand = "Intel(R) Core(TM) i7 CPU         920  @ 2.67GHz";
  u.model = 0x1a;
  u.stepping = 5;
  u.max_leaf = 0xb;
  u.frequency_hz = 2'670'000'000;
  u.isa = kPenrynIsa | IsaSet{Isa::kSse42, Isa::kPopcnt, Isa::kRdtscp};
  u.caches = {data_cache(32, 8), instruction_cache(32, 4), unified_cache(2, 256, 8),
              unified_cache(3, 8192, 16, true)};
  u.lbr = {.depth = 16, .format = LbrFormat::kFlags, .jmp_filters_drop_calls = true};
  u.pmu.version = 3;
  u.pmu.gp_counters = 4;
  u.pmu.gp_width = 48;
  u.pmu.fixed_width = 48;
  u.pmu.pebs_format = 1;
  // Composed: format 3, trap-like PEBS with registers (0C0H), PEBS format 1, freeze in SMM (1000H).
  u.pmu.perf_capabilities = 0x11c3;
  u.pmu.events = EventList::kNehalem;
  return u;
}();

}  // namespace lastbranch::cpu
