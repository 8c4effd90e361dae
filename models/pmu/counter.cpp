#include "models/pmu/counter.h"

#include "sim/base/assert.h"

namespace lastbranch::pmu {

Counter::Counter(const Ledger& ledger, const Formula& formula, CtxSet contexts, const FactCounts& most)
    : ledger_(&ledger), formula_(formula), contexts_(contexts), most_(formula.most(most)) {}

void Counter::start() {
  if (running_) return;
  base_ = raw() - held_;
  running_ = true;
}

void Counter::stop() {
  held_ = value();
  running_ = false;
}

void Counter::set_value(u64 value) {
  held_ = value;
  base_ = raw() - value;
  overflow_at_ = value + period_;
}

void Counter::arm(u64 period) {
  LASTBRANCH_CHECK(period != 0, "a period of no events");
  period_ = period;
  overflow_at_ = value() + period;
}

u64 Counter::distance() const {
  LASTBRANCH_ASSERT(armed(), "distance to an overflow nobody asked for");
  const u64 now = value();
  return now >= overflow_at_ ? 0 : overflow_at_ - now;
}

}  // namespace lastbranch::pmu
