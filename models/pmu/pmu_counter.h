#pragma once
// One counter register of the PMU: a view on the ledger, wrapped to the register's width.
//
// Modelled: value, width, carry out of it, start and stop, per-cycle conditions. Not: who enables it and what
// its overflow does (the Pmu's).
#include "models/pmu/counter.h"
#include "models/pmu/cycle_watch.h"

namespace lastbranch::pmu {

class PmuCounter {
 public:
  /// Counts nothing yet; stopped at 0. `width`: 1..63 bits. `ledger` must outlive it.
  PmuCounter(const Ledger& ledger, unsigned width);

  /// What it counts from now on; the value stays, and it stops.
  void program(const Formula& formula, CtxSet contexts, const CycleRule& rule, const FactCounts& most);
  void run(bool on);
  [[nodiscard]] bool running() const { return running_; }

  /// As RDPMC shows it.
  [[nodiscard]] u64 value() const { return counter_.value() & mask_; }
  void set_value(u64 value);
  [[nodiscard]] u64 mask() const { return mask_; }
  /// Events counted since construction, whatever was written to it.
  [[nodiscard]] u64 total() const { return counter_.value() + written_; }

  /// Whether it must look at every cycle.
  [[nodiscard]] bool watches_cycles() const { return watch_.active(); }
  /// Adds what the cycles since the last call amount to; only where it watches_cycles().
  void advance() { counter_.set_value(counter_.value() + watch_.advance()); }

  /// Whether it carried out of its width since the last call; the value wraps.
  [[nodiscard]] bool carried();
  static constexpr unsigned kFarBits = 40;
  /// Whether it cannot carry within the next 2^40 instructions.
  [[nodiscard]] bool far() const;
  /// Limits how far the core may run: not beyond the next carry. `precise`: the instruction that carries is
  /// a run of its own.
  void limit(Horizon& horizon, bool precise) const;

 private:
  const Ledger* ledger_;
  u64 mask_;
  Counter counter_;  ///< stopped where cycles are watched: then it only holds the value
  CycleWatch watch_;
  bool running_ = false;
  u64 written_ = 0;  ///< total() - value, modulo 2^64
};

}  // namespace lastbranch::pmu
