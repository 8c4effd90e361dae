#include "models/cpu/lapic_timer.h"

namespace lastbranch::cpu {

u64 LapicTimer::tick() const {
  // Bits 3, 1, 0 as a number: 0 divides by 2, 6 by 128, 7 by 1.
  const u32 code = ((divide_ >> 1) & 4) | (divide_ & 3);
  return bus_clocks_ << ((code + 1) & 7);
}

void LapicTimer::set_mode(Mode mode) {
  if ((mode == Mode::kTscDeadline) != (mode_ == Mode::kTscDeadline)) {
    running_ = false;
    initial_ = 0;
    deadline_ = 0;
  }
  mode_ = mode;
}

void LapicTimer::set_initial(u32 count) {
  if (mode_ == Mode::kTscDeadline) return;
  initial_ = count;
  running_ = count != 0;
  expires_ = now() + count * tick();
}

u32 LapicTimer::current() const {
  if (!running_) return 0;
  const u64 t = now(), step = tick();
  if (t < expires_) return static_cast<u32>((expires_ - t + step - 1) / step);
  if (mode_ != Mode::kPeriodic) return 0;
  const u64 period = initial_ * step;
  return static_cast<u32>((period - (t - expires_) % period + step - 1) / step);
}

void LapicTimer::set_divide(u32 value) {
  const u64 left = current();
  divide_ = value & 0xb;
  if (running_) expires_ = now() + left * tick();
}

void LapicTimer::set_deadline(u64 tsc) {
  if (mode_ == Mode::kTscDeadline) deadline_ = tsc;
}

u64 LapicTimer::remaining() const {
  if (mode_ == Mode::kTscDeadline) {
    if (deadline_ == 0) return kNever;
    const u64 t = clock_.tsc(clock_.self);
    return deadline_ > t ? deadline_ - t : 0;
  }
  if (!running_) return kNever;
  const u64 t = now();
  return expires_ > t ? expires_ - t : 0;
}

bool LapicTimer::take_expiry() {
  if (remaining() != 0) return false;
  if (mode_ == Mode::kTscDeadline) {
    deadline_ = 0;
  } else if (mode_ == Mode::kPeriodic) {
    const u64 period = initial_ * tick();
    expires_ += ((now() - expires_) / period + 1) * period;
  } else {
    running_ = false;
  }
  return true;
}

void LapicTimer::reset() {
  mode_ = Mode::kOneShot;
  initial_ = divide_ = 0;
  running_ = false;
  deadline_ = 0;
}

}  // namespace lastbranch::cpu
