// The order of a file is not that of the times: perf writes one buffer after the other.
#include <gtest/gtest.h>

#include "sim/replay/replay.h"
#include "tests/perfdata/raw_file.h"
#include "tests/replay/ring_support.h"

namespace lastbranch::replay::test {
namespace {

using perfdata::Encoder;
using perfdata::RecordType;
using perfdata::test::RawFile;

constexpr u32 kThread = 1;
constexpr u64 kPeriod = 20;

void add_sample(RawFile& file, const SampleRecord& sample, u64 time) {
  Encoder body;
  body.put(sample.branches.front().to);  // ip
  body.put(kThread);
  body.put(kThread);
  body.put(time);
  body.put(kPeriod);
  body.put(u64{sample.branches.size()});
  for (const BranchEntry& e : sample.branches) body.put(e);
  file.add(static_cast<u32>(RecordType::kSample), body);
}

/// A thread's samples at the times of `order`, in the file in that order.
std::string recorded(const perfdata::test::ScratchDir& scratch, const std::vector<u64>& order) {
  Program program(true);
  program.run(32);
  std::vector<SampleRecord> samples;
  for (std::size_t k = 0; k < order.size(); ++k) {
    samples.push_back(program.sample(32));
    program.run(kPeriod);
  }
  RawFile file;
  file.attrs.push_back(event(kUserAny, kPeriod).attr);
  file.attrs.back().flags |= perfdata::kAttrSampleIdAll;  // else records are in no order
  for (const u64 time : order) add_sample(file, samples[time - 1], time);
  file.add(static_cast<u32>(RecordType::kFinishedRound), {});
  std::string path = scratch.file("p.data");
  file.write(path);
  return path;
}

TEST(RingReplay, samples_are_replayed_in_the_order_of_their_times) {
  perfdata::test::ScratchDir scratch;
  for (const std::vector<u64>& order : {std::vector<u64>{1, 2, 3, 4, 5, 6}, {1, 2, 5, 6, 3, 4}}) {
    const Report report = replay(recorded(scratch, order), {.uarch = "skylake"});
    EXPECT_TRUE(report.agrees());
    EXPECT_EQ(report[Check::kRing].held, 6u);
    EXPECT_EQ(report.joined, 5u) << "first in the file after 2: " << order[2];
  }
}

}  // namespace
}  // namespace lastbranch::replay::test
