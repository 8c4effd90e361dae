#pragma once
// The local APIC's timer: an initial count that runs down at a divided bus clock, or a deadline in TSC ticks.
//
// Modelled: one-shot, periodic and TSC-deadline modes, the divide configuration, reading the current count.
// Counts are computed when somebody looks, so that a running timer costs nothing. Not: stopping in deep sleep
// states (as parts with CPUID.6:EAX.ARAT). Source: SDM vol. 3A, "APIC Timer".
#include "sim/base/units.h"

namespace lastbranch::cpu {

/// Where time comes from. Both are monotonic between two writes of the TSC.
struct LapicClock {
  u64 (*now)(const void* self) = nullptr;  ///< core clocks since reset, halted ones included
  u64 (*tsc)(const void* self) = nullptr;  ///< what RDTSC reads
  const void* self = nullptr;
};

class LapicTimer {
 public:
  enum class Mode : u8 { kOneShot, kPeriodic, kTscDeadline, kReserved };
  static constexpr u64 kNever = ~u64{0};

  /// `bus_clocks`: core clocks in a tick of the undivided timer, at least 1.
  LapicTimer(const LapicClock& clock, u64 bus_clocks) : clock_(clock), bus_clocks_(bus_clocks) {}

  /// A change between counting and TSC-deadline mode stops the timer; other changes keep it running.
  void set_mode(Mode mode);
  [[nodiscard]] Mode mode() const { return mode_; }

  /// Register "Initial Count": starts the timer, 0 stops it. Ignored in TSC-deadline mode.
  void set_initial(u32 count);
  [[nodiscard]] u32 initial() const { return initial_; }
  [[nodiscard]] u32 current() const;

  /// Register "Divide Configuration", bits 3, 1 and 0. The count goes on from where it is.
  void set_divide(u32 value);
  [[nodiscard]] u32 divide() const { return divide_; }

  /// IA32_TSC_DEADLINE: arms, 0 disarms. Ignored, and 0, in other modes.
  void set_deadline(u64 tsc);
  [[nodiscard]] u64 deadline() const { return mode_ == Mode::kTscDeadline ? deadline_ : 0; }

  /// Core clocks from now to the next expiry: 0 when it is due, kNever when the timer does not run.
  [[nodiscard]] u64 remaining() const;
  /// Whether it expired since it was last asked. Periodic: several expiries are one.
  bool take_expiry();

  void reset();

 private:
  [[nodiscard]] u64 tick() const;  ///< core clocks of one count
  [[nodiscard]] u64 now() const { return clock_.now(clock_.self); }

  LapicClock clock_;
  u64 bus_clocks_;
  Mode mode_ = Mode::kOneShot;
  u32 initial_ = 0;
  u32 divide_ = 0;
  bool running_ = false;  ///< counting modes
  u64 expires_ = 0;       ///< counting modes: core clock of the next expiry
  u64 deadline_ = 0;
};

}  // namespace lastbranch::cpu
