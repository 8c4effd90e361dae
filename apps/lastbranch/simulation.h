#pragma once
/// Running a machine under a person's eyes: status line and Ctrl-C.
#include <string_view>

#include "apps/lastbranch/stop_signals.h"
#include "sim/machine/machine.h"

namespace lastbranch::cli {

struct Ending {
  RunOutcome outcome;
  int stop_signal = 0;  ///< that ended the run from outside; 0: none

  [[nodiscard]] int exit_status() const {
    return outcome.how == RunOutcome::How::kStopped ? 128 + stop_signal : outcome.exit_code();
  }
  /// "exited", "killed", "limit" or "stopped".
  [[nodiscard]] std::string_view how() const;
};

/// Runs the program to its end, to `limit` instructions, or until a signal of `signals` stops it.
[[nodiscard]] Ending simulate(Machine& machine, const StopSignals& signals, u64 limit);

}  // namespace lastbranch::cli
