#pragma once
// The hart of a user-mode machine: runs the processor to the next reason to look, lets the board serve system
// calls and faults, and lets the perf driver see what overflowed.
#include <atomic>
#include <vector>

#include "models/pmu/counter.h"
#include "models/pmu/event_spec.h"
#include "sim/base/run_result.h"
#include "sim/machine/perf_driver.h"
#include "sim/machine/processor.h"
#include "sim/user/process.h"

namespace lastbranch {

class Hart {
 public:
  /// `stop` is looked at once a quantum. All must outlive the hart.
  Hart(Processor& processor, user::Process& process, PerfDriver& driver, const std::atomic<bool>& stop)
      : processor_(processor), process_(process), driver_(driver), stop_(stop) {}

  // What kernel::CoreModule drives.
  RunResult run(u64 cycles);
  void idle(u64 cycles) { idle_cycles_ += cycles; }
  void interrupt() {}

  /// Stops for good or for a look after `instructions` more.
  void set_limit(u64 instructions);
  /// The process is over.
  [[nodiscard]] bool ended() const { return next_ != user::Process::Next::kContinue; }
  /// ... by a signal.
  [[nodiscard]] bool killed() const { return next_ == user::Process::Next::kKilled; }
  [[nodiscard]] bool limit_reached() const { return processor_.cpu().retired() >= limit_; }

  /// Adds a counter beside the PMU's, of which there are as many as one likes; it runs from now.
  std::size_t shadow(const pmu::EventSpec& spec);
  [[nodiscard]] const pmu::Counter& shadow(std::size_t n) const { return shadows_[n]; }

  /// Core cycles since the start.
  [[nodiscard]] u64 cycles() const { return processor_.cycles() + idle_cycles_; }

 private:
  Processor& processor_;
  user::Process& process_;
  PerfDriver& driver_;
  const std::atomic<bool>& stop_;
  std::vector<pmu::Counter> shadows_;
  user::Process::Next next_ = user::Process::Next::kContinue;
  u64 limit_ = ~u64{0};  ///< retired instructions at which to stop
  u64 idle_cycles_ = 0;
};

}  // namespace lastbranch
