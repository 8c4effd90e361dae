#pragma once
// Haswell and its shrink Broadwell, client and server: transaction flags in the records, call-stack mode.
//
// The records are of parts with TSX, as they were sold, although transactions do not execute here and CPUID
// does not show them: aborts come through the API. `tsx` = 0 makes the part of later microcode, whose FROM
// MSRs treat bits 62:61 differently (lbr_fmt4_tsx_disabled).
// Sources: SDM vol. 3B, "Last Branch, Call Stack, Interrupt, and Exception Recording for Processors based on
// Haswell Microarchitecture", "Performance Monitoring for Haswell Microarchitecture"; CPUID dumps of an
// i7-4770 and an i7-5775C; Linux 6.12 lbr.c for the quirks.
#include "models/cpu/uarch/sandybridge.h"

namespace lastbranch::cpu {

inline constexpr Uarch kHaswell = [] {
  Uarch u = kIvyBridge;
  u.name = "haswell";
  u.title = "Haswell";
  u.brand = "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz";
  u.model = 0x3c;
  u.stepping = 3;
  u.pa_bits = 39;
  u.isa = u.isa | IsaSet{Isa::kFma,  Isa::kMovbe,   Isa::kBmi1, Isa::kHle,   Isa::kAvx2,
                         Isa::kBmi2, Isa::kInvpcid, Isa::kRtm,  Isa::kLzcnt, Isa::kPage1gb};
  u.lbr.format = LbrFormat::kFlagsTsx;
  u.lbr.select_mask = 0x3ff;
  u.lbr.has_call_stack = true;
  u.lbr.quirks.dup_abort_record = true;
  u.pmu.pebs_format = 2;
  // Stores are sampled like loads: no precise-store bit any more.
  u.pmu.pebs_enable_extra = pebs_enable::kLoadLatency;
  u.pmu.events = EventList::kHaswell;
  return complete(u);
}();

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
  u.lbr.quirks.dup_abort_record = false;
  u.lbr.quirks.pt_excludes_lbr = true;
  u.pmu.events = EventList::kBroadwell;
  return complete(u);
}();

inline constexpr Uarch kBroadwellServer = [] {
  Uarch u = kBroadwell;
  u.name = "bdx";
  u.title = "Broadwell (server)";
  u.brand = "Intel(R) Xeon(R) CPU E5-2699 v4 @ 2.20GHz";
  u.model = 0x4f;
  u.stepping = 1;
  u.frequency_hz = 2'200'000'000;
  u.pa_bits = 46;
  u.caches[3] = unified_cache(3, 56320, 20, true);
  u.lbr.quirks.ler_to_garbage = true;
  return complete(u);
}();

}  // namespace lastbranch::cpu
