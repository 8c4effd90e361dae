#include "sim/machine/hart.h"

#include <algorithm>
#include <utility>

namespace lastbranch {

RunResult Hart::run(u64 cycles) {
  cpu::Cpu& c = core_.cpu();
  const u64 begin = this->cycles();
  const auto result = [&](RunEnd why) { return RunResult{this->cycles() - begin, why}; };
  while (this->cycles() - begin < cycles) {
    // Also within a quantum: a system call that waits on the host is interrupted and tried again, which takes
    // no cycles.
    if (limit_reached() || stop_.load(std::memory_order_relaxed)) return result(RunEnd::kStopped);
    Horizon horizon;
    horizon.within(limit_ - c.retired());
    horizon.within(FastPolicies::Timing::instructions_within(cycles - (this->cycles() - begin)));
    for (const Watched& w : counters_) w.counter.limit(horizon);
    const cpu::RunResult r = core_.run(std::max<u64>(1, horizon.instructions()));
    if (r.why == cpu::Exit::kFault || r.why == cpu::Exit::kIntercept) {
      next_ = process_.handle();
      core_.fold();
    }
    serve_overflows();
    if (ended()) return result(RunEnd::kDone);
  }
  return result(RunEnd::kBudget);
}

void Hart::set_limit(u64 instructions) {
  const u64 now = core_.cpu().retired();
  limit_ = instructions > ~u64{0} - now ? ~u64{0} : now + instructions;
}

std::size_t Hart::add(const pmu::EventSpec& spec, u64 period, OverflowCallback callback) {
  counters_.push_back({pmu::Counter(ledger_, spec.event->formula, spec.contexts,
                                    pmu::most_per_instruction(FastPolicies::Timing::kMostCycles)),
                       std::move(callback)});
  pmu::Counter& counter = counters_.back().counter;
  counter.start();
  if (period != 0) counter.arm(period);
  return counters_.size() - 1;
}

void Hart::serve_overflows() {
  for (std::size_t n = 0; n < counters_.size(); ++n) {
    Watched& w = counters_[n];
    if (!w.counter.overflowed()) continue;
    w.counter.next_period();
    w.overflow(n);
  }
}

}  // namespace lastbranch
