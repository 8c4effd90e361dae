#pragma once
// A counter: a view on the ledger. Nothing is done per event; the value is computed when somebody asks.
//
// Modelled: counting by context, start and stop, periods and overflow, found exactly by running to the
// horizon. Not: MSRs, widths, multiplexing, skid and PMIs (the PMU's).
#include "models/pmu/event_spec.h"
#include "models/pmu/events.h"
#include "sim/base/horizon.h"
#include "sim/base/ledger.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

class Counter {
 public:
  /// Counts `formula` in `contexts` of `ledger`, which must outlive it; stopped at 0.
  /// `most`: the most one instruction can add to each fact.
  Counter(const Ledger& ledger, const Formula& formula, CtxSet contexts, const FactCounts& most);

  void start();
  void stop();
  [[nodiscard]] bool running() const { return running_; }

  /// Events counted while running. The core must have folded what it holds back.
  [[nodiscard]] u64 value() const { return running_ ? raw() - base_ : held_; }
  /// Sets the value; a period in progress starts anew.
  void set_value(u64 value);

  /// Overflows after `period` (>= 1) more events.
  void arm(u64 period);
  /// No overflow any more.
  void disarm() { period_ = 0; }
  [[nodiscard]] bool armed() const { return period_ != 0; }
  [[nodiscard]] u64 period() const { return period_; }

  /// Events to go before the overflow; 0 when it has happened. Only while armed.
  [[nodiscard]] u64 distance() const;
  [[nodiscard]] bool overflowed() const { return armed() && distance() == 0; }
  /// After an overflow: the next one is a period after this one, however late it was seen.
  void next_period() { overflow_at_ += period_; }

  /// The most that one instruction can add; 0: it never counts.
  [[nodiscard]] u64 most() const { return most_; }
  /// Limits how far the core may run, while it is armed and running.
  void limit(Horizon& horizon) const {
    if (armed() && running_ && most_ != 0) horizon.events(distance(), most_);
  }

 private:
  [[nodiscard]] u64 raw() const {
    u64 sum = 0;
    for (std::size_t c = 0; c < kCtxCount; ++c) {
      if (((contexts_ >> c) & 1) != 0) sum += formula_.total(*ledger_, static_cast<Ctx>(c));
    }
    return sum;
  }

  const Ledger* ledger_;
  Formula formula_;
  CtxSet contexts_;
  u64 most_;  ///< events per instruction
  bool running_ = false;
  u64 base_ = 0;  ///< raw() when the value was 0
  u64 held_ = 0;  ///< value while stopped
  u64 period_ = 0;
  u64 overflow_at_ = 0;  ///< value() at which it overflows
};

}  // namespace lastbranch::pmu
