#include "sim/replay/broken_lines.h"

#include <algorithm>

namespace lastbranch::replay {

bool BrokenLines::wait(const BrokenLine& line, Example example) {
  if (lines_.size() >= kMost && !lines_.contains(line)) return false;
  Waiting& waiting = lines_[line];
  ++waiting.count;
  if (waiting.first.size() < kExamplesKept) waiting.first.push_back(std::move(example));
  return true;
}

/// Whether the line passes branches of a kind that is not recorded at all.
bool BrokenLines::filtered(const BrokenLine& line) const {
  constexpr u64 kFew = 64;  // of fewer branches a kind may well be missing
  return !line.filter_known && !kernel_ && branches_ >= kFew && (line.passed & ~kinds_) != 0;
}

bool BrokenLines::finish(Report& report) {
  const bool any_filtered = std::ranges::any_of(lines_, [&](const auto& e) { return filtered(e.first); });
  for (auto& [line, waiting] : lines_) {
    Cause cause = line.cause;
    if (line.entered && handlers_.contains(*line.entered)) {
      cause = Cause::kIret;
    } else if (!line.filter_known && kernel_) {
      cause = Cause::kKernelSeam;
    } else if (!line.filter_known && any_filtered) {
      continue;
    }
    u64 left = waiting.count;
    for (Example& example : waiting.first) {
      example.cause = cause;
      const u64 times = &example == &waiting.first.back() ? left : 1;
      left -= times;
      report.disagree(std::move(example), times);
    }
  }
  lines_.clear();
  return any_filtered;
}

}  // namespace lastbranch::replay
