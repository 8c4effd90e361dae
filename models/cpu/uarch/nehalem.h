#pragma once
// Nehalem and Westmere: sixteen records with a misprediction flag, and the first branch filter, whose JMP
// bits also drop calls and returns; load latency in PEBS records.
//
// IA32_PERF_CAPABILITIES is composed; its SMM bit is an assumption. RSM leaves the records invalid on mobile
// Westmere only (lbr_rsm_corrupts), which this is not.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording for Processors based on Nehalem
// Microarchitecture", "Performance Monitoring for Processors Based on Nehalem Microarchitecture"; CPUID
// dumps of an i7-920 and a Xeon X5680; Linux 6.12 lbr.c for what the JMP filters also drop.
#include "models/cpu/uarch/core2.h"

namespace lastbranch::cpu {

inline constexpr Uarch kNehalem = [] {
  Uarch u;
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
  u.lbr.depth = 16;
  u.lbr.format = LbrFormat::kFlags;
  u.lbr.jmp_filters_drop_calls = true;
  u.lbr.quirks.boundary_signext = true;
  u.pmu.version = 3;
  u.pmu.gp_counters = 4;
  u.pmu.gp_width = 48;
  u.pmu.fixed_counters = 3;
  u.pmu.fixed_width = 48;
  u.pmu.ds_area = true;
  u.pmu.pebs_format = 1;
  u.pmu.pebs_counters = 0xf;
  u.pmu.pebs_enable_extra = pebs_enable::kLoadLatency;
  u.pmu.load_latency = true;
  u.pmu.offcore_rsp = 1;
  u.pmu.perf_capabilities = perfcap::kClassic | perfcap::kSmmFreeze;
  u.pmu.events = EventList::kNehalem;
  u.uncore_pmi = true;
  return complete(u);
}();

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
  u.pmu.offcore_rsp = 2;
  u.pmu.events = EventList::kWestmere;
  return complete(u);
}();

}  // namespace lastbranch::cpu
