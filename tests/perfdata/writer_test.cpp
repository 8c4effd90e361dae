#include "sim/perfdata/writer.h"

#include <array>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

const BuildId kBuildId{.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20},
                       .size = 20};

std::vector<Record> read_all(const std::string& path) {
  Reader reader(path);
  std::vector<Record> records;
  while (const Record* record = reader.next()) records.push_back(*record);
  return records;
}

TEST(Writer, what_is_written_is_read_back) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  Writer writer(example_config(path));
  writer.comm(7, 8, "program", true, 10);
  writer.mmap2({.pid = 7,
                .tid = 8,
                .addr = 0x400000,
                .len = 0x2000,
                .pgoff = 0x1000,
                .prot = 5,
                .flags = 2,
                .filename = "/bin/program",
                .build_id = kBuildId},
               11);
  writer.mmap2({.pid = 7,
                .tid = 8,
                .addr = 0x600000,
                .len = 0x1000,
                .prot = 3,
                .flags = 0x22,
                .filename = "//anon",
                .build_id = {},
                .major = 8,
                .minor = 1,
                .inode = 99,
                .generation = 5},
               12);
  writer.fork(9, 10, 7, 8, 13);
  const std::array<BranchEntry, 2> branches = {
      BranchEntry{0x400010, 0x400020, BranchFlags{.predicted = true, .cycles = 3}.pack()},
      BranchEntry{0x400030, 0x400000, BranchFlags{.mispredicted = true}.pack()}};
  writer.sample(
      {.ip = 0x400024, .pid = 7, .tid = 8, .time = 14, .cpu = 1, .period = 10007, .branches = branches});
  writer.exit(7, 8, 1, 1, 15);
  writer.finish();

  const auto records = read_all(path);
  ASSERT_EQ(records.size(), 6u);
  const auto& comm = std::get<CommRecord>(records[0].body);
  EXPECT_EQ(comm.name, "program");
  EXPECT_EQ(comm.pid, 7u);
  EXPECT_EQ(comm.tid, 8u);
  EXPECT_TRUE(comm.exec);
  EXPECT_EQ(comm.sample_id.pid, 7u);
  EXPECT_EQ(comm.sample_id.tid, 8u);
  EXPECT_EQ(comm.sample_id.time, 10u);
  const auto& code = std::get<MmapRecord>(records[1].body);
  EXPECT_EQ(code.filename, "/bin/program");
  EXPECT_EQ(code.addr, 0x400000u);
  EXPECT_EQ(code.len, 0x2000u);
  EXPECT_EQ(code.pgoff, 0x1000u);
  EXPECT_EQ(code.prot, 5u);
  EXPECT_EQ(code.build_id, kBuildId);
  EXPECT_EQ(records[1].header.misc, 2 | kMiscMmapBuildId);
  const auto& data = std::get<MmapRecord>(records[2].body);
  EXPECT_FALSE(data.build_id.has_value());
  EXPECT_EQ(data.major, 8u);
  EXPECT_EQ(data.minor, 1u);
  EXPECT_EQ(data.inode, 99u);
  EXPECT_EQ(data.generation, 5u);
  EXPECT_EQ(data.flags, 0x22u);
  EXPECT_EQ(records[2].header.misc, 2 | kMiscMmapData);
  const auto& fork = std::get<TaskRecord>(records[3].body);
  EXPECT_FALSE(fork.exit);
  EXPECT_EQ(fork.pid, 9u);
  EXPECT_EQ(fork.parent_tid, 8u);
  const auto& sample = std::get<SampleRecord>(records[4].body);
  EXPECT_EQ(sample.ip, 0x400024u);
  EXPECT_EQ(sample.pid, 7u);
  EXPECT_EQ(sample.tid, 8u);
  EXPECT_EQ(sample.time, 14u);
  EXPECT_EQ(sample.cpu, 1u);
  EXPECT_EQ(sample.period, 10007u);
  EXPECT_EQ(sample.branches, std::vector<BranchEntry>(branches.begin(), branches.end()));
  EXPECT_EQ(records[4].cpu_mode(), CpuMode::kUser);
  const auto& exit = std::get<TaskRecord>(records[5].body);
  EXPECT_TRUE(exit.exit);
  EXPECT_EQ(exit.time, 15u);
}

TEST(Writer, features_are_those_of_the_configuration) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  Writer writer(example_config(path, 2));
  const Mmap mapping{
      .pid = 1, .tid = 1, .len = 4096, .prot = 5, .filename = "/bin/program", .build_id = kBuildId};
  writer.mmap2(mapping, 1);
  writer.mmap2(mapping, 1);
  writer.sample({.event = 1, .time = 5});
  writer.sample({.event = 0, .time = 9});
  writer.finish();

  const Reader reader(path);
  const Features& features = reader.features();
  for (const u32 bit : {2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 11u, 12u, 15u, 21u, 28u})
    EXPECT_TRUE(features.present.test(bit)) << bit;
  EXPECT_EQ(features.present.count(), 14u);
  EXPECT_EQ(features.hostname, "simulated");
  EXPECT_EQ(features.os_release, "6.1.0");
  EXPECT_EQ(features.version, "0.1.0");
  EXPECT_EQ(features.arch, "x86_64");
  EXPECT_EQ(features.cpu_desc, "Skylake, simulated");
  EXPECT_EQ(features.cpu_id, "GenuineIntel,6,85,7");
  EXPECT_EQ(features.nr_cpus_online, 2u);
  EXPECT_EQ(features.mem_kb, 4096u);
  EXPECT_EQ(features.cmdline, (std::vector<std::string>{"lastbranch", "record", "-b"}));
  EXPECT_EQ(features.sample_time, std::pair(u64{5}, u64{9}));
  EXPECT_EQ(features.pmu_caps, (std::vector<std::pair<std::string, std::string>>{{"branches", "32"}}));
  ASSERT_EQ(features.build_ids.size(), 1u) << "a file mapped twice is listed once";
  EXPECT_EQ(features.build_ids[0].filename, "/bin/program");
  EXPECT_EQ(features.build_ids[0].build_id, kBuildId);

  ASSERT_EQ(reader.events().size(), 2u);
  EXPECT_EQ(reader.events()[0].name, "cycles:u");
  EXPECT_EQ(reader.events()[1].name, "br_misp_retired.all_branches:u");
  EXPECT_EQ(reader.events()[1].ids, std::vector<u64>{2});
  EXPECT_EQ(reader.events()[1].attr.config, 0x1c5u);
  EXPECT_EQ(reader.header().attr_size, 128u);
}

TEST(Writer, sample_type_follows_from_the_events) {
  constexpr u64 kBase = kSampleIp | kSampleTid | kSampleTime | kSampleCpu | kSamplePeriod;
  EventAttr event{.name = "cycles:u"};
  EXPECT_EQ(make_attr(event, false).sample_type, kBase);
  EXPECT_EQ(make_attr(event, false).branch_sample_type, 0u);
  event.branch_sample_type = kBranchUser | kBranchAny;
  EXPECT_EQ(make_attr(event, false).sample_type, 0x987u);
  EXPECT_EQ(make_attr(event, true).sample_type, 0x987u | kSampleIdentifier);
  EXPECT_EQ(make_attr(event, false).size, 112u);
  event.precise_ip = 2;
  EXPECT_EQ(make_attr(event, false).flags >> kAttrPreciseIpShift & 3, 2u);
}

TEST(Writer, events_with_and_without_branch_stacks_share_a_file) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  WriterConfig config = example_config(path, 3);
  config.events[1].branch_sample_type = 0;
  config.events[2].branch_sample_type |= kBranchHwIndex;
  Writer writer(config);
  const std::array<BranchEntry, 1> branches = {BranchEntry{1, 2, 2}};
  for (std::size_t i = 0; i < 3; ++i)
    writer.sample({.event = i, .time = i, .branches = branches, .hw_index = 5});
  writer.finish();

  const auto records = read_all(path);
  ASSERT_EQ(records.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& sample = std::get<SampleRecord>(records[i].body);
    EXPECT_EQ(sample.event, i);
    EXPECT_EQ(sample.identifier, i + 1);
    EXPECT_EQ(sample.branches.size(), i == 1 ? 0u : 1u);
    EXPECT_EQ(sample.hw_index, i == 2 ? 5u : 0u);
  }
}

TEST(Writer, the_same_recording_gives_the_same_bytes) {
  ScratchDir scratch;
  write_random(scratch.file("a.data"), {.events = 2, .samples = 3000, .seed = 3});
  write_random(scratch.file("b.data"), {.events = 2, .samples = 3000, .seed = 3});
  EXPECT_EQ(read_file(scratch.file("a.data")), read_file(scratch.file("b.data")));
}

TEST(Writer, a_file_of_several_flushes_is_whole) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  write_random(path, {.samples = 10000});
  EXPECT_GT(std::filesystem::file_size(path), 3u << 20);
  EXPECT_EQ(count_samples(path), 10000u);
}

TEST(Writer, a_recording_without_samples_is_a_valid_file) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  Writer writer(example_config(path));
  writer.finish();
  EXPECT_EQ(count_samples(path), 0u);
  EXPECT_FALSE(Reader(path).features().has(Feature::kSampleTime));
}

TEST(Writer, leaves_nothing_without_finish) {
  ScratchDir scratch;
  {
    Writer writer(example_config(scratch.file("p.data")));
    writer.comm(1, 1, "program", true, 0);
    EXPECT_EQ(scratch.names().size(), 1u);
    EXPECT_NE(scratch.names()[0], "p.data");
  }
  EXPECT_TRUE(scratch.names().empty());
}

TEST(Writer, replaces_an_older_file_only_when_it_is_whole) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  const std::string old = "old";
  write_file(path, std::as_bytes(std::span(old)));
  {
    Writer writer(example_config(path));
    EXPECT_EQ(read_file(path).size(), old.size());
    writer.finish();
  }
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"p.data"});
  EXPECT_EQ(count_samples(path), 0u);
}

TEST(Writer, follows_a_symbolic_link) {
  ScratchDir scratch;
  std::filesystem::create_directory(scratch.path() / "there");
  std::filesystem::create_symlink("there/real.data", scratch.path() / "p.data");
  Writer writer(example_config(scratch.file("p.data")));
  writer.finish();
  EXPECT_TRUE(std::filesystem::is_symlink(scratch.path() / "p.data"));
  EXPECT_EQ(count_samples(scratch.file("there/real.data")), 0u);
}

TEST(Writer, leaves_devices_where_they_are) {
  Writer writer(example_config("/dev/null"));
  writer.sample({.time = 1});
  writer.finish();
  struct stat status {};
  ASSERT_EQ(stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
}

TEST(Writer, says_what_is_wrong_with_a_target) {
  ScratchDir scratch;
  const auto open = [](const std::string& path) {
    return error_of([&] { const Writer writer(example_config(path)); });
  };
  EXPECT_EQ(open(scratch.path().string()),
            scratch.path().string() + ": cannot be written: expected a regular file, found a directory");
  const std::string missing = scratch.file("missing/p.data");
  EXPECT_EQ(open(missing), missing + ": cannot create a file beside it: No such file or directory");
}

TEST(Writer, refuses_wrong_use_by_name) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  WriterConfig no_events = example_config(path);
  no_events.events.clear();
  EXPECT_EQ(error_of([&] { const Writer writer(no_events); }),
            path + ": expected at least one event, found none");

  Writer writer(example_config(path));
  writer.sample({.time = 100});
  EXPECT_EQ(error_of([&] { writer.sample({.time = 99}); }),
            path + ": records must come in the order of their times: expected at least 100 ns, found 99 ns");
  EXPECT_EQ(error_of([&] { writer.sample({.event = 1, .time = 100}); }),
            path + ": sample of event 1: expected less than 1");
  const std::vector<BranchEntry> many(3000);
  EXPECT_NE(error_of([&] { writer.sample({.time = 100, .branches = many}); }).find("found 3000"),
            std::string::npos);
  const std::string long_name(70000, 'x');
  EXPECT_NE(error_of([&] {
              writer.mmap2({.filename = long_name, .build_id = {}}, 100);
            }).find("at most 65528 bytes"),
            std::string::npos);
  writer.sample({.time = 101});
  writer.finish();
  EXPECT_EQ(writer.summary().samples, 2u);
  EXPECT_EQ(count_samples(path), 2u) << "refused records must leave no trace";
  EXPECT_EQ(error_of([&] { writer.finish(); }), path + ": finish() called twice");
  EXPECT_EQ(error_of([&] { writer.sample({.time = 102}); }), path + ": a record after finish()");
}

TEST(Writer, holds_the_largest_branch_stack_that_fits) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  Writer writer(example_config(path, 2));
  const std::vector<BranchEntry> branches(2727, BranchEntry{1, 2, 2});
  EXPECT_EQ(error_of([&] { writer.sample({.time = 1, .branches = branches}); }), "");
  writer.finish();
  EXPECT_EQ(std::get<SampleRecord>(read_all(path).at(0).body).branches.size(), 2727u);
}

TEST(Writer, rounds_are_finished_in_time_order) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  write_random(path, {.samples = 1000});
  Reader reader(path);
  u64 round_end = 0;
  u64 last = 0;
  std::size_t in_round = 0;
  std::size_t rounds = 0;
  while (const Record* record = reader.next()) {
    if (record->header.type == static_cast<u32>(RecordType::kFinishedRound)) {
      EXPECT_EQ(in_round, 64u);
      round_end = last;
      in_round = 0;
      ++rounds;
      continue;
    }
    ++in_round;
    if (const auto* sample = std::get_if<SampleRecord>(&record->body)) {
      EXPECT_GE(sample->time, round_end);
      last = sample->time;
    }
  }
  EXPECT_GT(rounds, 15u);
}

}  // namespace
}  // namespace lastbranch::perfdata::test
