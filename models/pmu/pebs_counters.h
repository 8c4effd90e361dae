#pragma once
// What PEBS needs of the counters it samples, so that either can be tested without the other.
#include "sim/base/debugctl.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// Which counter: general n is n, fixed i is kFixed + i, as bits of IA32_PERF_GLOBAL_STATUS.
using CounterBit = unsigned;
inline constexpr CounterBit kFixed = 32;

/// The counters of one logical processor as PEBS reaches them. The Pmu is one. PEBS asks for its interrupt
/// through request_pmi().
class PebsCounters : public PmiRequest {
 public:
  /// Value of a counter now, zero-extended.
  [[nodiscard]] virtual u64 value(CounterBit counter) const = 0;
  /// Loads a counter: `value` is cut to the counter's width.
  virtual void reload(CounterBit counter, u64 value) = 0;

  /// IA32_PERF_GLOBAL_STATUS.
  [[nodiscard]] virtual u64 status() const = 0;
  virtual void set_status(u64 bits) = 0;
  virtual void clear_status(u64 bits) = 0;

  /// How the counter is programmed: IA32_PERFEVTSELn; for fixed counter i its four bits of
  /// IA32_FIXED_CTR_CTRL in 3:0 and its adaptive bit (32 + 4i there) in 32.
  [[nodiscard]] virtual u64 control(CounterBit counter) const = 0;
  /// Whether what it counts is a precise event: one that an instruction causes by retiring.
  [[nodiscard]] virtual bool precise(CounterBit counter) const = 0;
  /// Core clocks since reset; only asked for when PebsOptions::arm_cycles is not 0.
  [[nodiscard]] virtual u64 core_cycles() const = 0;
  /// MSR_PERF_METRICS; 0 on parts without it.
  [[nodiscard]] virtual u64 perf_metrics() const { return 0; }
};

}  // namespace lastbranch::pmu
