#pragma once
// Silvermont (Atom): eight records of bare addresses, with Nehalem's filter.
// Sources: SDM vol. 3B, "LBR Stack" and "Performance Monitoring for Silvermont Microarchitecture"; CPUID dump
// of an Atom C2750. That its format is 1 (linear addresses) is assumed: in 64-bit mode 1 and 2 are the same.
#include "models/cpu/uarch/nehalem.h"

namespace lastbranch::cpu {

inline constexpr Uarch kSilvermont = {
    .name = "silvermont",
    .title = "Silvermont (Atom)",
    .brand = "Intel(R) Atom(TM) CPU  C2750  @ 2.40GHz",
    .model = 0x4d,
    .stepping = 8,
    .max_leaf = 0xb,
    .frequency_hz = 2'400'000'000,
    .pa_bits = 36,
    .isa = kNehalem.isa | IsaSet{Isa::kAes,      Isa::kPclmulqdq, Isa::kMovbe,          Isa::kRdrand, Isa::kSmep,
                                 Isa::kErms,                                                                                 Isa::kPrefetchw},
    .caches = {data_cache(24,  6),              instruction_cache(32, 8),           unified_cache(2, 1024, 16)            },
    .lbr = {.depth = 8,
                                 .format = LbrFormat::kLinear,
                                 .from_base = 0x40,
                                 .to_base = 0x60,
                                 .jmp_filters_drop_calls = true                                                      },
    .pmu = {.version = 3,
                                 .gp_counters = 2,
                                 .gp_width = 40,
                                 .fixed_counters = 3,
                                 .fixed_width = 40,
                                 .pebs_format = 2,
                                 .perf_capabilities = 0x32c1        },
};

}  // namespace lastbranch::cpu
