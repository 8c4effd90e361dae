#pragma once
// The hart of a user-mode machine: runs the core to the next reason to look, lets the board serve system
// calls and faults, and calls sampling counters' owners at exactly the instruction that overflows.
#include <atomic>
#include <functional>
#include <vector>

#include "models/pmu/counter.h"
#include "sim/base/horizon.h"
#include "sim/base/run_result.h"
#include "sim/machine/hub.h"
#include "sim/user/process.h"

namespace lastbranch {

/// Called at an overflow of a sampling counter, between two instructions, with the counter's number.
using OverflowCallback = std::function<void(std::size_t counter)>;

class Hart {
 public:
  /// `stop` is looked at once a quantum. All must outlive the hart.
  Hart(FastCore& core, user::Process& process, const Ledger& ledger, const std::atomic<bool>& stop)
      : core_(core), process_(process), ledger_(ledger), stop_(stop) {}

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
  [[nodiscard]] bool limit_reached() const { return core_.cpu().retired() >= limit_; }

  /// Adds a counter that runs from now; with a period, `callback` is called at each overflow.
  std::size_t add(const pmu::EventSpec& spec, u64 period, OverflowCallback callback);
  [[nodiscard]] const pmu::Counter& counter(std::size_t n) const { return counters_[n].counter; }
  [[nodiscard]] std::size_t counters() const { return counters_.size(); }

  /// Core cycles since the start.
  [[nodiscard]] u64 cycles() const { return core_.cpu().cycles(core_.cpu()) + idle_cycles_; }

 private:
  struct Watched {
    pmu::Counter counter;
    OverflowCallback overflow;
  };
  void serve_overflows();

  FastCore& core_;
  user::Process& process_;
  const Ledger& ledger_;
  const std::atomic<bool>& stop_;
  std::vector<Watched> counters_;
  user::Process::Next next_ = user::Process::Next::kContinue;
  u64 limit_ = ~u64{0};  ///< retired instructions at which to stop
  u64 idle_cycles_ = 0;
};

}  // namespace lastbranch
