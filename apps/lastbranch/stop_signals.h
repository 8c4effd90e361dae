#pragma once
/// Ctrl-C and its relatives while a program is simulated: the first stops the run so that results can be
/// written, the second ends lastbranch at once.
#include <array>
#include <csignal>

#include "sim/machine/machine.h"

namespace lastbranch::cli {

/// While it lives, SIGINT, SIGTERM and SIGHUP stop `machine`; those that were ignored stay so (nohup).
/// SIGPIPE and SIGXFSZ are ignored: writes then fail with an errno, for the simulated program and for us.
/// One at a time.
class StopSignals {
 public:
  /// `M` has a request_stop() that is safe in a signal handler.
  template <class M>
  explicit StopSignals(M& machine)
      : StopSignals(&machine, [](void* m) { static_cast<M*>(m)->request_stop(); }) {}
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that stopped the machine; 0: none.
  [[nodiscard]] int received() const;

 private:
  StopSignals(void* machine, void (*request_stop)(void* machine));

  static constexpr std::array<int, 5> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace lastbranch::cli
