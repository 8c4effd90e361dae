#include "sim/machine/hart.h"

#include "models/pmu/events.h"

namespace lastbranch {

RunResult Hart::run(u64 cycles) {
  const cpu::Cpu& c = processor_.cpu();
  const u64 begin = this->cycles();
  const auto result = [&](RunEnd why) { return RunResult{this->cycles() - begin, why}; };
  while (this->cycles() - begin < cycles) {
    // Also within a quantum: a system call that waits on the host is interrupted and tried again, which takes
    // no cycles.
    if (limit_reached() || stop_.load(std::memory_order_relaxed)) return result(RunEnd::kStopped);
    Horizon horizon;
    horizon.within(limit_ - c.retired());
    horizon.within(FastPolicies::Timing::instructions_within(cycles - (this->cycles() - begin)));
    driver_.limit(horizon);
    const cpu::RunResult r = processor_.run(horizon);
    if (r.why == cpu::Exit::kFault || r.why == cpu::Exit::kIntercept) next_ = process_.handle();
    processor_.serve_counters();
    driver_.serve();
    if (ended()) return result(RunEnd::kDone);
  }
  return result(RunEnd::kBudget);
}

void Hart::set_limit(u64 instructions) {
  const u64 now = processor_.cpu().retired();
  limit_ = instructions > ~u64{0} - now ? ~u64{0} : now + instructions;
}

std::size_t Hart::shadow(const pmu::EventSpec& spec) {
  shadows_.emplace_back(processor_.ledger, spec.event->formula, spec.contexts,
                        pmu::most_per_instruction(FastPolicies::Timing::kMostCycles));
  shadows_.back().start();
  return shadows_.size() - 1;
}

}  // namespace lastbranch
