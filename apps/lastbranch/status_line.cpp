#include "apps/lastbranch/status_line.h"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace lastbranch::cli {

StatusLine::StatusLine() : enabled_(isatty(STDERR_FILENO) == 1), start_(Clock::now()), last_(start_) {}

void StatusLine::update(u64 instructions) {
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - last_ < kInterval) return;
  using Seconds = std::chrono::duration<double>;
  const double interval = Seconds(now - last_).count();
  const double mips = static_cast<double>(instructions - last_instructions_) / interval / 1e6;
  fmt::print(stderr, "\r\x1b[K{:.1f} M instructions, {:.0f} MIPS, {:.1f} s",
             static_cast<double>(instructions) / 1e6, mips, Seconds(now - start_).count());
  std::fflush(stderr);
  last_ = now;
  last_instructions_ = instructions;
  shown_ = true;
}

void StatusLine::clear() {
  if (!shown_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace lastbranch::cli
