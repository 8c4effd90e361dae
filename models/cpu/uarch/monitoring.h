#pragma once
// Names for the bits that the records compose, and the registers' bits that follow from other facts.
//
// IA32_PERF_CAPABILITIES is composed from its documented fields, not read from a part. Its format fields,
// the bits of IA32_PERFEVTSELx and those of IA32_DEBUGCTL are computed by complete(), in records and again
// after overrides, so that a record cannot contradict itself.
// Sources: SDM vol. 3B, "Architectural Performance Monitoring", "IA32_DEBUGCTL MSR"; vol. 4,
// "IA32_PERF_CAPABILITIES".
#include "models/cpu/uarch/uarch.h"
#include "sim/base/debugctl.h"

namespace lastbranch::cpu {

/// IA32_PERF_CAPABILITIES beside the two format fields.
namespace perfcap {
inline constexpr u64 kPebsTrap = 1u << 6;    ///< records are written after the sampled instruction
inline constexpr u64 kPebsRegs = 1u << 7;    ///< records hold general registers
inline constexpr u64 kSmmFreeze = 1u << 12;  ///< IA32_DEBUGCTL.FREEZE_WHILE_SMM
inline constexpr u64 kFullWidth = 1u << 13;  ///< IA32_A_PMCx
inline constexpr u64 kBaseline = 1u << 14;   ///< adaptive PEBS, every counter and event
inline constexpr u64 kMetrics = 1u << 15;    ///< MSR_PERF_METRICS
inline constexpr u64 kPebsToPt = 1u << 16;   ///< PEBS output into an Intel PT trace
inline constexpr u64 kTiming = 1u << 17;     ///< retire latency in PEBS records
inline constexpr u64 kLbrFormat = 0x3f;
inline constexpr u64 kPebsFormat = 0xf00;
inline constexpr u64 kClassic = kPebsTrap | kPebsRegs;
}  // namespace perfcap

/// IA32_PERFEVTSELx beyond what every version has.
namespace evtsel {
inline constexpr u64 kBase = 0xffdf'ffff;  ///< event, umask, USR, OS, E, PC, INT, EN, INV, CMASK
inline constexpr u64 kAnyThread = 1u << 21;
inline constexpr u64 kInTx = u64{1} << 32;
/// Exists in IA32_PERFEVTSEL2 alone; a mask for all counters has it when the part has it there.
inline constexpr u64 kInTxCheckpointed = u64{1} << 33;
inline constexpr u64 kAdaptive = u64{1} << 34;
inline constexpr u64 kLbrLog = u64{1} << 35;
inline constexpr u64 kEqual = u64{1} << 36;
inline constexpr u64 kUmask2 = u64{0xff} << 40;
}  // namespace evtsel

/// IA32_PEBS_ENABLE beyond its counters.
namespace pebs_enable {
inline constexpr u64 kLoadLatency = u64{0xf} << 32;
inline constexpr u64 kPreciseStore = u64{1} << 63;
inline constexpr u64 kToPt = u64{7} << 60;  ///< 62:61 output, 60 PMI after each record
}  // namespace pebs_enable

/// Bits for fixed counters 0 to n - 1 in the registers that have general counters below them.
[[nodiscard]] constexpr u64 fixed_bits(unsigned n) {
  return ((u64{1} << n) - 1) << 32;
}

[[nodiscard]] constexpr bool has_tsx(const Uarch& u) {
  return u.isa.has(Isa::kRtm);
}

/// Fills in what follows from the rest of the record. Not the quirks: they are choices.
[[nodiscard]] constexpr Uarch complete(Uarch u) {
  PmuParams& p = u.pmu;
  p.freeze = p.version >= 4 ? FreezeMode::kStreamlined : FreezeMode::kLegacy;
  if (p.perf_capabilities != 0) {
    p.perf_capabilities &= ~(perfcap::kLbrFormat | perfcap::kPebsFormat);
    p.perf_capabilities |= static_cast<u64>(u.lbr.format) | u64{p.pebs_format} << 8;
  }
  p.evtsel_mask = evtsel::kBase;
  if (p.version >= 3 && !p.any_thread_deprecated) p.evtsel_mask |= evtsel::kAnyThread;
  if (has_tsx(u)) p.evtsel_mask |= evtsel::kInTx | evtsel::kInTxCheckpointed;
  if ((p.perf_capabilities & perfcap::kBaseline) != 0) p.evtsel_mask |= evtsel::kAdaptive;
  if (u.lbr.arch.event_log_counters != 0) p.evtsel_mask |= evtsel::kLbrLog;
  if (p.version >= 6) p.evtsel_mask |= evtsel::kEqual | evtsel::kUmask2;

  u.lbr.debugctl_mask = debugctl::kLbr | debugctl::kBtf | debugctl::kTr;
  // The DS area comes with CPUID's DS-CPL on every part here.
  if (p.ds_area) {
    u.lbr.debugctl_mask |= debugctl::kBts | debugctl::kBtint | debugctl::kBtsOffOs | debugctl::kBtsOffUsr;
  }
  if (p.perf_capabilities != 0 && p.version >= 2) {
    u.lbr.debugctl_mask |= debugctl::kFreezeLbrsOnPmi | debugctl::kFreezePerfmonOnPmi;
  }
  if (u.uncore_pmi) u.lbr.debugctl_mask |= debugctl::kEnableUncorePmi;
  if ((p.perf_capabilities & perfcap::kSmmFreeze) != 0) u.lbr.debugctl_mask |= debugctl::kFreezeWhileSmm;
  if (has_tsx(u)) u.lbr.debugctl_mask |= debugctl::kRtmDebug;
  return u;
}

/// Architectural LBRs as every part with them has them: 8, 16 or 32 records, all filters and fields.
/// `lip`: addresses are linear (efficiency cores) or offsets in CS. `logs`: general counters whose events a
/// record counts.
[[nodiscard]] constexpr LbrParams architectural_lbr(bool lip, u32 logs = 0) {
  LbrParams lbr;
  lbr.depth = 32;
  lbr.format = LbrFormat::kNone;
  lbr.from_base = 0x1500;
  lbr.to_base = 0x1600;
  lbr.info_base = 0x1200;
  lbr.has_select = false;
  lbr.select_mask = 0;
  lbr.has_call_stack = true;
  lbr.arch.depth_mask = 0xb;
  lbr.arch.lip = lip;
  lbr.arch.event_log_counters = logs;
  lbr.quirks.c6_clears = true;
  return lbr;
}

}  // namespace lastbranch::cpu
