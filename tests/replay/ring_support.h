#pragma once
// What the ring's tests share: stacks made by a simulated program that is known entirely.
#include <deque>
#include <random>
#include <string_view>
#include <vector>

#include "models/cpu/uarch/uarch.h"
#include "sim/perfdata/record_reader.h"
#include "sim/replay/ring.h"

namespace lastbranch::replay::test {

using perfdata::BranchEntry;
using perfdata::BranchFlags;
using perfdata::SampleRecord;

inline constexpr u64 kUserAny = perfdata::kBranchUser | perfdata::kBranchAny;

/// One event with branch stacks: branches retired, every `period`.
inline perfdata::EventInfo event(u64 branch_sample_type, u64 period = 1'000'003) {
  perfdata::EventInfo info{.name = "branches:u", .attr = {}, .ids = {}};
  info.attr.config = 4;
  info.attr.sample_period = period;
  info.attr.sample_type = perfdata::kSampleIp | perfdata::kSampleTid | perfdata::kSampleTime |
                          perfdata::kSamplePeriod | perfdata::kSampleBranchStack;
  info.attr.flags = perfdata::kAttrExcludeKernel;
  info.attr.branch_sample_type = branch_sample_type;
  return info;
}

inline BranchEntry entry(u64 from, u64 to, u64 cycles = 0, bool mispredicted = false) {
  const BranchFlags flags{.mispredicted = mispredicted, .predicted = !mispredicted, .cycles = cycles};
  return {.from = from, .to = to, .flags = flags.pack()};
}

/// Taken branches of a program, each behind the one before on a straight line, no two alike.
class Program {
 public:
  explicit Program(bool cycles, u64 seed = 1) : cycles_(cycles), random_(seed) {}

  /// Executes `n` branches more.
  void run(std::size_t n) {
    while (n-- > 0) {
      const u64 from = at_ + random_() % 60;
      at_ = 0x40'0000 + random_() % 0x10'0000;
      all_.push_front(entry(from, at_, cycles_ ? 1 + random_() % 300 : 0, random_() % 8 == 0));
    }
  }
  /// The newest `depth` branches as a sample of thread 1.
  [[nodiscard]] SampleRecord sample(std::size_t depth) const {
    SampleRecord s;
    s.pid = s.tid = 1;
    s.branches.assign(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(std::min(depth, all_.size())));
    return s;
  }

 private:
  bool cycles_;
  std::mt19937_64 random_;
  u64 at_ = 0x40'0000;
  std::deque<BranchEntry> all_;  // newest first
};

/// Samples replayed on a part, and the report.
class Replayed {
 public:
  explicit Replayed(std::string_view uarch, perfdata::EventInfo info = event(kUserAny),
                    RingOptions options = {})
      : events_{std::move(info)},
        ring_(
            [&] {
              options.part = &cpu::uarch(uarch);
              return options;
            }(),
            events_, report_) {}

  bool take(const SampleRecord& sample) { return ring_.sample(sample, number_++); }
  [[nodiscard]] u64 held() const { return report_[Check::kRing].held; }
  [[nodiscard]] u64 of(Cause cause, Check check = Check::kRing) const { return report_[check].of(cause); }
  [[nodiscard]] const Report& report() const { return report_; }
  RingReplay& ring() { return ring_; }

 private:
  std::vector<perfdata::EventInfo> events_;
  Report report_;
  RingReplay ring_;
  u64 number_ = 0;
};

}  // namespace lastbranch::replay::test
