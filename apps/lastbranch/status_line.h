#pragma once
/// How far a long run is, on a terminal only: "1234.5 M instructions, 210 MIPS, 6.2 s".
#include <chrono>

#include "sim/base/units.h"

namespace lastbranch::cli {

class StatusLine {
 public:
  /// Shown on standard error if that is a terminal.
  StatusLine();
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  [[nodiscard]] bool enabled() const { return enabled_; }
  /// Shows the line anew when the last one is half a second old. Cheap otherwise.
  void update(u64 instructions);
  /// Takes the line away, so that others can write.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kInterval{500};

  bool enabled_;
  bool shown_ = false;
  Clock::time_point start_, last_;
  u64 last_instructions_ = 0;
};

}  // namespace lastbranch::cli
