#include "apps/lastbranch/simulation.h"

#include <algorithm>

#include "apps/lastbranch/status_line.h"

namespace lastbranch::cli {
namespace {

/// Instructions between two looks at the clock: a few hundredths of a second.
constexpr u64 kLook = 2'000'000;

}  // namespace

std::string_view Ending::how() const {
  switch (outcome.how) {
    case RunOutcome::How::kExited:
      return "exited";
    case RunOutcome::How::kKilled:
      return "killed";
    case RunOutcome::How::kLimit:
      return "limit";
    case RunOutcome::How::kStopped:
      return "stopped";
  }
  return "";
}

Ending simulate(Machine& machine, const StopSignals& signals, u64 limit) {
  StatusLine status;
  Ending ending;
  do {
    const u64 step = status.enabled() ? std::min(limit, kLook) : limit;
    ending.outcome = machine.run(step);
    limit -= step;
    ending.stop_signal = signals.received();
    if (ending.stop_signal != 0 && !ending.outcome.ended()) ending.outcome.how = RunOutcome::How::kStopped;
    status.update(machine.instructions());
  } while (ending.outcome.how == RunOutcome::How::kLimit && limit != 0);
  return ending;
}

}  // namespace lastbranch::cli
