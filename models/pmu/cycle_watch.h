#pragma once
// What one cycle's increments make of cmask, inv, edge and EQ: the counters that ask how much happened in
// each cycle, where all others ask how much happened.
//
// Modelled: the comparisons in the order filter, compare, edge, over the cycles that passed since the last
// look; with a look after every instruction that is one instruction's cycles. The increments of one look are
// spread over its cycles as evenly as whole numbers allow, the larger ones last, because instructions retire
// at the end of their time; increments without a cycle belong to the cycle that ends next. Cycles in other
// privilege levels count nothing and end a condition, so that RING0_TRANS (cycles at CPL 0, cmask 1, edge)
// counts entries. Sources: SDM vol. 3B, "Architectural Performance Monitoring Version 1 Facilities"; the
// order: data sheet, derived.
#include "models/pmu/event_spec.h"
#include "models/pmu/events.h"
#include "sim/base/ledger.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// The fields of an event select that compare.
struct CycleRule {
  unsigned cmask = 0;  ///< 0: no comparison; inv and equal are then ignored, as the manual says
  bool inv = false;
  bool edge = false;
  bool equal = false;  ///< version 6: compare for equality instead of at least

  /// Whether counting needs to know what happened in each cycle.
  [[nodiscard]] constexpr bool active() const { return cmask != 0 || edge; }
  /// Whether a cycle with `n` increments meets the condition.
  [[nodiscard]] constexpr bool holds(u64 n) const {
    if (cmask == 0) return n != 0;
    return (equal ? n == cmask : n >= cmask) != inv;
  }
};

/// One counter's view of the cycles.
class CycleWatch {
 public:
  CycleWatch() = default;
  /// `ledger` must outlive it.
  CycleWatch(const Ledger& ledger, const Formula& formula, CtxSet contexts, const CycleRule& rule);

  [[nodiscard]] bool active() const { return rule_.active(); }
  /// Counting starts here: what was before is not looked at, and no condition holds.
  void restart();
  /// What the cycles since the last call add to the counter.
  [[nodiscard]] u64 advance();

 private:
  struct Totals {
    u64 events = 0;
    u64 inside = 0;   ///< clocks in the contexts that are counted
    u64 outside = 0;  ///< clocks in the others
  };
  [[nodiscard]] Totals totals() const;
  [[nodiscard]] u64 cycles(u64 events, u64 count);
  /// `count` (>= 1) cycles with `n` increments each.
  [[nodiscard]] u64 same(u64 n, u64 count);

  const Ledger* ledger_ = nullptr;
  Formula formula_;
  CtxSet contexts_ = 0;
  CycleRule rule_;
  Totals seen_;
  u64 pending_ = 0;    ///< increments of the cycle in progress
  bool held_ = false;  ///< whether the last cycle met the condition
};

}  // namespace lastbranch::pmu
