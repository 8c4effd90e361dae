#pragma once
// IA32_DEBUGCTL's bits, and what the monitoring models want of each other without including each other.
//
// The LBR model owns the register; the PMU asks for its freeze bits and, when a PMI is raised, freezes
// recording through DebugControl. Whoever raises a PMI (counters, PEBS, BTS) does it through PmiRequest, so
// that freezing happens in one place. Source: SDM vol. 3B, "IA32_DEBUGCTL MSR", "Freezing LBR and Performance
// Counters on PMI".
#include <span>

#include "sim/base/units.h"

namespace lastbranch {

namespace debugctl {
inline constexpr u64 kLbr = 1u << 0;
inline constexpr u64 kBtf = 1u << 1;
inline constexpr u64 kBusLockDetect = 1u << 2;
inline constexpr u64 kTr = 1u << 6;
inline constexpr u64 kBts = 1u << 7;
inline constexpr u64 kBtint = 1u << 8;
inline constexpr u64 kBtsOffOs = 1u << 9;
inline constexpr u64 kBtsOffUsr = 1u << 10;
inline constexpr u64 kFreezeLbrsOnPmi = 1u << 11;
inline constexpr u64 kFreezePerfmonOnPmi = 1u << 12;
inline constexpr u64 kEnableUncorePmi = 1u << 13;
inline constexpr u64 kFreezeWhileSmm = 1u << 14;
inline constexpr u64 kRtmDebug = 1u << 15;
}  // namespace debugctl

/// One record as the FROM, TO and INFO MSRs of a 64-bit part show it: what the LBR group of a PEBS record
/// holds.
struct LbrRecord {
  u64 from = 0, to = 0, info = 0;
  bool operator==(const LbrRecord&) const = default;
};

/// What the PMU needs of the LBR model.
class DebugControl {
 public:
  virtual ~DebugControl() = default;
  [[nodiscard]] virtual u64 debugctl() const = 0;
  /// FREEZE_LBRS_ON_PMI on a part with legacy freezing: clears IA32_DEBUGCTL.LBR (and, on parts that do, TR).
  virtual void legacy_freeze() = 0;
  /// Streamlined freezing: recording needs this to be false. Mirrors GLOBAL_STATUS.LBR_FRZ.
  virtual void set_frozen(bool frozen) = 0;
  /// The newest records first, at most as many as `out` holds; returns how many the part has of them.
  [[nodiscard]] virtual std::size_t records(std::span<LbrRecord> out) const = 0;
};

/// Raises a performance-monitoring interrupt: sets `status` bits in IA32_PERF_GLOBAL_STATUS, freezes as
/// IA32_DEBUGCTL says, and asks the local APIC.
class PmiRequest {
 public:
  virtual ~PmiRequest() = default;
  virtual void request_pmi(u64 status) = 0;
};

/// Where a PMI goes: the local APIC's LVT performance entry, a port of a platform, a recorder.
class PmiTarget {
 public:
  virtual ~PmiTarget() = default;
  /// Called between two instructions.
  virtual void pmi() = 0;
};

}  // namespace lastbranch
