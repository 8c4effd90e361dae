#include "models/pmu/pmu_counter.h"

#include <algorithm>

namespace lastbranch::pmu {

PmuCounter::PmuCounter(const Ledger& ledger, unsigned width)
    : ledger_(&ledger), mask_((u64{1} << width) - 1), counter_(ledger, Formula(), 0, FactCounts()) {}

void PmuCounter::program(const Formula& formula, CtxSet contexts, const CycleRule& rule,
                         const FactCounts& most) {
  run(false);
  const u64 value = counter_.value();
  counter_ = Counter(*ledger_, formula, contexts, most);
  counter_.set_value(value);
  watch_ = rule.active() && !formula.empty() ? CycleWatch(*ledger_, formula, contexts, rule) : CycleWatch();
}

void PmuCounter::run(bool on) {
  if (on == running_) return;
  running_ = on;
  if (watch_.active()) {
    if (on) {
      watch_.restart();
    } else {
      advance();
    }
  } else if (on) {
    counter_.start();
  } else {
    counter_.stop();
  }
}

void PmuCounter::set_value(u64 value) {
  // What the cycles so far amount to was counted before the write.
  if (running_ && watch_.active()) advance();
  written_ += counter_.value() - (value & mask_);
  counter_.set_value(value & mask_);
}

bool PmuCounter::carried() {
  const u64 wide = counter_.value();
  if (wide <= mask_) return false;
  written_ += wide & ~mask_;
  counter_.set_value(wide & mask_);
  return true;
}

bool PmuCounter::far() const {
  if (watch_.active()) return false;
  const u64 wide = counter_.value();
  return wide <= mask_ && (mask_ - wide) >> kFarBits >= counter_.most();
}

void PmuCounter::limit(Horizon& horizon, bool precise) const {
  if (!running_) return;
  if (watch_.active()) {
    horizon.within(1);
    return;
  }
  if (counter_.most() == 0) return;
  const u64 wide = counter_.value();
  const u64 instructions = earliest_instruction(wide > mask_ ? 0 : mask_ - wide + 1, counter_.most());
  horizon.within(precise && instructions > 1 ? instructions - 1 : instructions);
}

}  // namespace lastbranch::pmu
