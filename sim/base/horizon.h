#pragma once
// How far the core may run before anybody must look: what observers want back, said in advance.
//
// Each limit says "nothing of mine happens before instruction n from here". The core runs the smallest n
// without asking; what was announced can then have happened at the n-th instruction and no sooner, so it is
// found exactly there.
#include <algorithm>
#include <limits>

#include "sim/base/units.h"

namespace lastbranch {

/// `distance` events to go, at most `most_per_instruction` (>= 1) of them per instruction: they are reached
/// by the n-th instruction at the earliest. 0 when they are reached already.
[[nodiscard]] constexpr u64 earliest_instruction(u64 distance, u64 most_per_instruction) {
  return distance / most_per_instruction + (distance % most_per_instruction != 0 ? 1 : 0);
}

/// The smallest of the limits it is given.
class Horizon {
 public:
  static constexpr u64 kNone = std::numeric_limits<u64>::max();

  /// At most `n` instructions from here.
  constexpr void within(u64 n) { instructions_ = std::min(instructions_, n); }
  /// Something is due after `distance` events, of which an instruction can cause at most
  /// `most_per_instruction`.
  constexpr void events(u64 distance, u64 most_per_instruction) {
    within(earliest_instruction(distance, most_per_instruction));
  }

  /// Instructions the core may run before the next look; kNone when nobody waits for anything.
  [[nodiscard]] constexpr u64 instructions() const { return instructions_; }

 private:
  u64 instructions_ = kNone;
};

}  // namespace lastbranch
