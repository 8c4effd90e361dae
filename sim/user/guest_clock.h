#pragma once
// Time as the guest sees it: simulated time from a fixed start, never the host's clock.
#include <functional>
#include <utility>

#include "sim/base/units.h"
#include "sim/user/layout.h"

namespace lastbranch::user {

class GuestClock {
 public:
  static constexpr u64 kSecond = 1'000'000'000;

  explicit GuestClock(std::function<u64()> now_ns) : now_ns_(std::move(now_ns)) {}

  /// Processor time in ns: what the program executed.
  [[nodiscard]] u64 busy() const { return now_ns_ ? now_ns_() : 0; }
  /// ns since the start, sleeping included.
  [[nodiscard]] u64 elapsed() const { return busy() + slept_; }
  [[nodiscard]] u64 monotonic() const { return kUptimeSeconds * kSecond + elapsed(); }
  [[nodiscard]] u64 realtime() const { return kEpochSeconds * kSecond + elapsed(); }
  /// A sleep takes no host time and no cycles: the clock jumps.
  void sleep(u64 ns) { slept_ += ns; }

 private:
  std::function<u64()> now_ns_;
  u64 slept_ = 0;
};

}  // namespace lastbranch::user
