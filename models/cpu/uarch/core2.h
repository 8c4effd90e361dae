#pragma once
// Core 2, first (Merom) and second generation (Penryn): four records, no filter, no misprediction flag, a
// store of branch traces in memory.
//
// Which format they report is not documented: 1 (linear addresses) here; with 2 the records differ only
// where CS has a base. IA32_PERF_CAPABILITIES is composed: format, PEBS with registers, trap-like on Penryn
// and on Merom's steppings above 6. CPUID of Merom says that there are no fixed counters; there are three.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording (Intel Core 2 Duo and Intel Atom
// Processors)", "Performance Monitoring (Processors Based on Intel Core Microarchitecture)"; CPUID dump of a
// Core 2 Duo E8400; Intel's specification updates for the errata.
#include "models/cpu/uarch/monitoring.h"

namespace lastbranch::cpu {

// clang-format off
inline constexpr IsaSet kMeromIsa = {
    Isa::kFpu, Isa::kPse, Isa::kTsc, Isa::kMsr, Isa::kPae, Isa::kCx8, Isa::kSep, Isa::kPge, Isa::kCmov, Isa::kClfsh,
    Isa::kMmx, Isa::kFxsr, Isa::kSse, Isa::kSse2, Isa::kSse3, Isa::kSsse3, Isa::kCx16,
    Isa::kSyscall, Isa::kNx, Isa::kLm, Isa::kLahf};
// clang-format on
inline constexpr IsaSet kPenrynIsa = kMeromIsa | IsaSet{Isa::kSse41};

inline constexpr Uarch kMerom = [] {
  Uarch u;
  u.name = "merom";
  u.title = "Core 2 (Merom, Conroe)";
  u.brand = "Intel(R) Core(TM)2 CPU          6600  @ 2.40GHz";
  u.model = 0x0f;
  u.stepping = 6;
  u.max_leaf = 0xa;
  u.frequency_hz = 2'400'000'000;
  u.isa = kMeromIsa;
  u.caches = {data_cache(32, 8), instruction_cache(32, 8), unified_cache(2, 4096, 16)};
  u.lbr.depth = 4;
  u.lbr.format = LbrFormat::kLinear;
  u.lbr.from_base = 0x40;
  u.lbr.to_base = 0x60;
  u.lbr.has_select = false;
  u.lbr.select_mask = 0;
  u.lbr.record_suspends_on_tr = true;
  u.lbr.quirks.boundary_signext = true;
  u.lbr.quirks.bts_wrong_cpl_from = true;
  u.pmu.version = 2;
  u.pmu.gp_counters = 2;
  u.pmu.gp_width = 40;
  u.pmu.fixed_counters = 3;
  u.pmu.fixed_width = 40;
  u.pmu.any_thread = false;
  u.pmu.ds_area = true;
  u.pmu.pebs_counters = 1;
  u.pmu.perf_capabilities = perfcap::kPebsRegs;
  u.leaves.edx = 0;
  return complete(u);
}();

inline constexpr Uarch kCore2 = [] {
  Uarch u = kMerom;
  u.name = "core2";
  u.title = "Core 2 (Penryn)";
  u.brand = "Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz";
  u.model = 0x17;
  u.stepping = 10;
  u.max_leaf = 0xd;
  u.frequency_hz = 3'000'000'000;
  u.isa = kPenrynIsa;
  u.caches[2] = unified_cache(2, 6144, 24);
  u.pmu.perf_capabilities = perfcap::kClassic;
  u.leaves = {};
  return complete(u);
}();

}  // namespace lastbranch::cpu
