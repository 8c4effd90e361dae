#pragma once
// Core clocks and simulated time: exact conversion without drift.
#include <systemc>

#include "sim/base/error.h"
#include "sim/base/units.h"

namespace lastbranch::kernel {

/// A clock of constant frequency that started at time 0. Cycle n begins at the first whole time step (1 ps)
/// not before n periods: so cycles_at(time_of(n)) == n, however many cycles have passed.
class Clock {
 public:
  /// `frequency_hz`: 1 to 10^12. Throws Error outside.
  explicit Clock(u64 frequency_hz) : frequency_hz_(frequency_hz) {
    if (frequency_hz == 0 || frequency_hz > kStepsPerSecond) {
      throw Error("clock: expected 1 to {} Hz, found {}", kStepsPerSecond, frequency_hz);
    }
  }

  [[nodiscard]] u64 frequency_hz() const { return frequency_hz_; }

  /// Begin of cycle `cycles`.
  [[nodiscard]] sc_core::sc_time time_of(u64 cycles) const {
    return sc_core::sc_time::from_value(
        static_cast<u64>((Wide{cycles} * kStepsPerSecond + frequency_hz_ - 1) / frequency_hz_));
  }
  /// The cycle that is running at time `t`.
  [[nodiscard]] u64 cycles_at(const sc_core::sc_time& t) const {
    return static_cast<u64>(Wide{t.value()} * frequency_hz_ / kStepsPerSecond);
  }
  /// Whole cycles that `duration` needs, rounded up.
  [[nodiscard]] u64 cycles_in(const sc_core::sc_time& duration) const {
    return static_cast<u64>((Wide{duration.value()} * frequency_hz_ + kStepsPerSecond - 1) / kStepsPerSecond);
  }

 private:
  // 64-bit products of cycles and steps would overflow after five hours of simulated time.
  __extension__ using Wide = unsigned __int128;
  static constexpr u64 kStepsPerSecond = 1'000'000'000'000;  // SystemC's default resolution: 1 ps

  u64 frequency_hz_;
};

}  // namespace lastbranch::kernel
