#pragma once
// The contract between something that runs and whoever drives it in quanta.
#include <concepts>

#include "sim/base/units.h"

namespace lastbranch {

/// Why a run came back.
enum class RunEnd : u8 {
  kBudget,   ///< the cycles are used up
  kHalted,   ///< nothing to do until an interrupt
  kStopped,  ///< somebody wants to look: a limit, a request to stop; running on is possible
  kDone,     ///< there is nothing more to run
};

struct RunResult {
  u64 cycles;  ///< core clocks that passed
  RunEnd why;
};

/// What a core module drives.
template <class C>
concept Quantized = requires(C& core, u64 cycles) {
  /// Runs at most about `cycles` core clocks; may overshoot by an instruction's worth, never returns 0 cycles
  /// with kBudget.
  { core.run(cycles) } -> std::same_as<RunResult>;
  /// Time passed in which nothing ran: halted, or waiting for a device.
  {core.idle(cycles)};
  /// An interrupt request arrived.
  {core.interrupt()};
};

}  // namespace lastbranch
