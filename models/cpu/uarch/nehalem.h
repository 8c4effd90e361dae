#pragma once
// Nehalem: sixteen records with a misprediction flag, and the first branch filter.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording for Processors based on Nehalem
// Microarchitecture", "Performance Monitoring for Processors Based on Nehalem Microarchitecture"; CPUID dump
// of an i7-920; Linux 6.12 lbr.c for what the JMP filters also drop.
#include "models/cpu/uarch/core2.h"

namespace lastbranch::cpu {

inline constexpr Uarch kNehalem = {
    .name = "nehalem",
    .title = "Nehalem",
    .brand = "Intel(R) Core(TM) i7 CPU         920  @ 2.67GHz",
    .model = 0x1a,
    .stepping = 5,
    .max_leaf = 0xb,
    .frequency_hz = 2'670'000'000,
    .pa_bits = 36,
    .isa = kPenrynIsa | IsaSet{Isa::kSse42,       Isa::kPopcnt,                Isa::kRdtscp                  },
    .caches = { data_cache(32, 8), instruction_cache(32, 4), unified_cache(2, 256, 8),
                               unified_cache(3, 8192, 16, true)},
    .lbr = {                                                                  .depth = 16,                                                                           .format = LbrFormat::kFlags,                                                                           .jmp_filters_drop_calls = true                                                                                         },
 // Composed: format 3, trap-like PEBS with registers (0C0H), PEBS format 1, freeze in SMM (1000H).
    .pmu = {.version = 3,
                               .gp_counters = 4,
                               .gp_width = 48,
                               .fixed_counters = 3,
                               .fixed_width = 48,
                               .pebs_format = 1,
                               .perf_capabilities = 0x11c3},
};

}  // namespace lastbranch::cpu
