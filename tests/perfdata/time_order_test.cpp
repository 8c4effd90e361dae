#include "sim/perfdata/time_order.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/perfdata/raw_file.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

constexpr u64 kRound = ~u64{0};

/// The times of the samples that come out when they go in as `times`, with rounds between.
std::vector<u64> ordered(const std::vector<u64>& times, std::vector<std::string>* notes = nullptr) {
  ScratchDir scratch;
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleTime | kSampleCpu, .flags = kAttrSampleIdAll});
  u64 number = 0;
  for (const u64 time : times) {
    Encoder body;
    if (time == kRound) {
      file.add(static_cast<u32>(RecordType::kFinishedRound), body);
      continue;
    }
    body.put(time);
    body.put(number++);
    file.add(static_cast<u32>(RecordType::kSample), body);
  }
  const std::string path = scratch.file("p.data");
  file.write(path);
  const auto source = in_time_order(open_source(path));
  std::vector<u64> result;
  u64 last_number = 0;
  while (const Record* record = source->next()) {
    const auto* sample = std::get_if<SampleRecord>(&record->body);
    if (sample == nullptr) continue;
    if (!result.empty() && result.back() == sample->time) {
      EXPECT_GT(sample->cpu, last_number) << "the order among equals";
    }
    last_number = sample->cpu;
    result.push_back(sample->time);
  }
  if (notes != nullptr) *notes = source->notes();
  return result;
}

TEST(TimeOrder, sorts_what_the_buffers_of_processors_hold) {
  EXPECT_EQ(ordered({1, 3, 5, 2, 4, 6, kRound, 7, 9, 8, kRound, 10}),
            (std::vector<u64>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(ordered({5, 5, 4, 5, kRound, 5, kRound}), (std::vector<u64>{4, 5, 5, 5, 5}));
  EXPECT_EQ(ordered({}), std::vector<u64>{});
}

TEST(TimeOrder, a_round_lets_go_what_was_there_at_the_round_before) {
  // 3 is older than what the second round let go: it comes late, as with perf, and is counted.
  std::vector<std::string> notes;
  EXPECT_EQ(ordered({5, kRound, 6, kRound, 3, 7}, &notes), (std::vector<u64>{5, 3, 6, 7}));
  EXPECT_EQ(notes, std::vector<std::string>{"1 record out of the order of the times"});
  EXPECT_EQ(ordered({5, kRound, 3, kRound, 7}, &notes), (std::vector<u64>{3, 5, 7}));
  EXPECT_EQ(notes, std::vector<std::string>{});
}

TEST(TimeOrder, records_without_a_time_pass_at_once) {
  EXPECT_EQ(ordered({9, 8, 0}), (std::vector<u64>{0, 8, 9}));
}

TEST(TimeOrder, damage_comes_after_what_was_read) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleTime, .flags = kAttrSampleIdAll});
  for (const u64 time : {2, 1}) {
    Encoder body;
    body.put(time);
    file.add(static_cast<u32>(RecordType::kSample), body);
  }
  file.data.put(u64{0});
  file.write(path);
  const auto source = in_time_order(open_source(path));
  for (const u64 time : {1u, 2u}) {
    const Record* record = source->next();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(std::get<SampleRecord>(record->body).time, time);
  }
  EXPECT_NE(error_of([&] { static_cast<void>(source->next()); }).find("record of type 0: size: expected 8"),
            std::string::npos);
  EXPECT_EQ(source->next(), nullptr);
}

/// As perf does: maps and names could not be put among samples that move.
TEST(TimeOrder, without_times_in_all_records_the_order_of_the_file_stays) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleTid | kSampleTime});
  for (const u64 time : {9, 8, 7}) {
    Encoder comm;
    comm.put(u32{5});
    comm.put(u32{5});
    comm.put(u64{'n'} | ('0' + time) << 8);
    file.add(static_cast<u32>(RecordType::kComm), comm);
    Encoder body;
    body.put(u32{5});
    body.put(u32{5});
    body.put(time);
    file.add(static_cast<u32>(RecordType::kSample), body);
  }
  file.write(path);
  const auto source = in_time_order(open_source(path));
  std::vector<std::string> seen;
  while (const Record* record = source->next()) {
    const auto* comm = std::get_if<CommRecord>(&record->body);
    seen.push_back(comm != nullptr ? comm->name : fmt::to_string(record->time()));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"n9", "9", "n8", "8", "n7", "7"}));
}

/// The recorder's threads write a file each and no rounds; each may hold more than waits in memory.
TEST(TimeOrder, the_files_of_a_folder_are_read_side_by_side) {
  ScratchDir scratch;
  const std::string folder = scratch.file("p.data");
  std::filesystem::create_directory(folder);
  RawFile header;
  header.attrs.push_back({.sample_type = kSampleTime | kSampleCpu, .flags = kAttrSampleIdAll});
  header.write(folder + "/data");
  constexpr u64 kSamples = 200'000;
  for (u64 cpu = 0; cpu < 3; ++cpu) {
    Encoder out;
    for (u64 i = 1; i <= kSamples; ++i) {
      out.put(RecordHeader{.type = static_cast<u32>(RecordType::kSample), .misc = 0, .size = 24});
      out.put(i * 3 + cpu);
      out.put(cpu);
    }
    write_file(fmt::format("{}/data.{}", folder, cpu), out.bytes());
  }
  const auto source = in_time_order(open_source(folder));
  u64 expected = 3;
  while (const Record* record = source->next()) ASSERT_EQ(record->time(), expected++);
  EXPECT_EQ(expected, 3 + 3 * kSamples);
  EXPECT_EQ(source->notes(), std::vector<std::string>{});
}

}  // namespace
}  // namespace lastbranch::perfdata::test
