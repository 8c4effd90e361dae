// What the writer does on request: pipes, compression, callchains, branch counters, sizes of attributes. The
// real perf is the oracle where it is there: each variant must read as the plain file does.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <future>
#include <iterator>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

/// What goes through a fifo while `action` runs.
template <typename Action>
std::vector<std::byte> through_fifo(const std::string& fifo, const Action& action) {
  if (mkfifo(fifo.c_str(), 0600) != 0) throw std::runtime_error("mkfifo " + fifo);
  auto reader = std::async(std::launch::async, [&] {
    std::ifstream in(fifo, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    const auto bytes = std::as_bytes(std::span(text));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  });
  action();
  return reader.get();
}

/// The records of raw perf.data from `at` on, as (type, size).
std::vector<RecordHeader> headers(std::span<const std::byte> bytes, std::size_t at) {
  std::vector<RecordHeader> found;
  while (at + sizeof(RecordHeader) <= bytes.size()) {
    RecordHeader header;
    std::memcpy(&header, &bytes[at], sizeof header);
    if (header.size < sizeof header || header.size > bytes.size() - at) break;
    found.push_back(header);
    at += header.size;
  }
  EXPECT_EQ(at, bytes.size()) << "records fill it to the end";
  return found;
}

class Variants : public ::testing::Test {
 protected:
  [[nodiscard]] static std::string perf(const std::string& arguments) {
    const CommandResult result =
        run_command("PERF_CONFIG=/dev/null perf " + arguments + " 2>/dev/null </dev/null");
    EXPECT_EQ(result.status, 0) << arguments;
    return result.output;
  }
  /// All that perf tells of the records of a file.
  [[nodiscard]] static std::string script(const std::string& path, const std::string& ip = "ip") {
    return perf(
        fmt::format("script --show-mmap-events --show-task-events -F "
                    "comm,pid,tid,cpu,time,period,event,{},brstack -i {}",
                    ip, path));
  }
  [[nodiscard]] static bool has_perf() { return has_program("perf"); }

  ScratchDir scratch_;
  std::string plain_ = scratch_.file("plain.data");
  std::string path_ = scratch_.file("p.data");
};

TEST_F(Variants, compressed_files_read_as_plain_ones) {
  if (!has_perf()) GTEST_SKIP() << "perf is not installed";
  constexpr int kSamples = 3000;
  for (const std::size_t events : {1u, 3u}) {
    write_random(example_config(plain_, events), {.samples = kSamples});
    const std::string expected = script(plain_);
    EXPECT_GT(std::ranges::count(expected, '\n'), kSamples);
    for (const int level : {1, 9}) {
      SCOPED_TRACE(level);
      WriterConfig config = example_config(path_, events);
      config.compress = level;
      const WriteSummary summary = write_random(config, {.samples = kSamples});
      EXPECT_EQ(summary.bytes, std::filesystem::file_size(path_));
      EXPECT_LT(summary.bytes, std::filesystem::file_size(plain_));
      EXPECT_TRUE(script(path_) == expected);
      const std::string header = perf("script --header-only -i " + path_);
      EXPECT_NE(header.find("# compressed : Zstd, level = " + std::to_string(level) + ", ratio = "),
                std::string::npos)
          << header;
    }
  }
}

TEST_F(Variants, pipes_read_as_plain_files) {
  if (!has_perf()) GTEST_SKIP() << "perf is not installed";
  for (const std::size_t events : {1u, 2u}) {
    for (const int level : {0, 1}) {
      SCOPED_TRACE(level);
      write_random(example_config(plain_, events), {.samples = 3000});
      const std::string fifo = scratch_.file(fmt::format("fifo{}{}", events, level));
      WriterConfig config = example_config(fifo, events);
      config.compress = level;
      WriteSummary summary;
      const auto bytes = through_fifo(fifo, [&] { summary = write_random(config, {.samples = 3000}); });
      EXPECT_EQ(summary.bytes, bytes.size());
      EXPECT_EQ(summary.samples, 3000u);
      write_file(path_, bytes);
      // In pipe mode perf 6.1 prints symbols whatever -F says.
      EXPECT_TRUE(script(path_) == script(plain_, "ip,sym"));
      const CommandResult piped =
          run_command("cat " + path_ + " | PERF_CONFIG=/dev/null perf script -F ip,brstack -i - 2>/dev/null");
      EXPECT_TRUE(piped.output == perf("script -F ip,sym,brstack -i " + plain_));
      EXPECT_NE(perf("report --stdio -s comm -i " + path_).find("busybox"), std::string::npos);
      // It does not look into compressed records, of files neither.
      if (level != 0) continue;
      EXPECT_EQ(perf("buildid-list -i " + path_), perf("buildid-list -i " + plain_));
    }
  }
}

TEST_F(Variants, a_pipe_begins_with_attributes_and_features) {
  const std::string fifo = scratch_.file("fifo");
  const auto bytes = through_fifo(fifo, [&] { write_random(example_config(fifo, 2), {.samples = 10}); });
  std::array<u64, 2> header{};
  ASSERT_GE(bytes.size(), sizeof header);
  std::memcpy(header.data(), bytes.data(), sizeof header);
  EXPECT_EQ(header[0], kMagic);
  EXPECT_EQ(header[1], 16u);
  std::vector<u32> types;
  for (const RecordHeader& record : headers(bytes, 16)) {
    if (types.empty() || types.back() != record.type) types.push_back(record.type);
  }
  ASSERT_GE(types.size(), 6u);
  EXPECT_EQ(types[0], 64u);
  EXPECT_EQ(types[1], 80u);
  EXPECT_EQ(types[2], 78u);
  EXPECT_EQ(types[3], 3u);
  EXPECT_EQ(types.back(), read_build_id("/bin/busybox") ? 67u : 4u);
}

TEST_F(Variants, a_compressed_record_is_never_too_long) {
  WriterConfig config = example_config(path_);
  config.compress = 1;
  Writer writer(config);
  std::mt19937_64 random(4);
  std::vector<BranchEntry> branches(2727);
  for (u64 i = 0; i < 200; ++i) {  // 9 MB that do not compress
    branches.resize(i % 3 == 0 ? 2727 : 1500);
    for (BranchEntry& b : branches) b = {random(), random(), random() & 0xffff'ffff};
    writer.sample({.time = i, .branches = branches});
  }
  writer.finish();
  const auto bytes = read_file(path_);
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto records =
      headers(std::span(bytes).first(header.data.offset + header.data.size), header.data.offset);
  EXPECT_GT(records.size(), 100u);
  for (const RecordHeader& record : records) EXPECT_EQ(record.type, 81u);
  if (!has_perf()) return;
  EXPECT_EQ(std::ranges::count(perf("script -F ip,brstack -i " + path_), '\n'), 200);
}

TEST_F(Variants, a_reader_that_goes_away_is_an_error_and_no_signal) {
  const std::string fifo = scratch_.file("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [&] {
    const int fd = open(fifo.c_str(), O_RDONLY);
    std::array<char, 100> some{};
    const ssize_t n = read(fd, some.data(), some.size());
    close(fd);
    return n;
  });
  const auto before = std::signal(SIGPIPE, SIG_DFL);
  std::string first;
  std::string last;
  WriteSummary summary;
  {
    Writer writer(example_config(fifo));
    const std::vector<BranchEntry> branches(32);
    first = error_of([&] {
      for (u64 i = 0; i < 20'000; ++i) writer.sample({.time = i, .branches = branches});
    });
    last = error_of([&] { writer.finish(); });
    summary = writer.summary();
  }
  std::signal(SIGPIPE, before);
  EXPECT_EQ(reader.get(), 100);
  EXPECT_NE(first.find("Broken pipe"), std::string::npos) << first;
  EXPECT_NE(last.find("Broken pipe: its reader may have got the first "), std::string::npos) << last;
  EXPECT_GT(summary.lost_records, 0u);
}

TEST_F(Variants, a_full_disk_keeps_compressed_records_that_fit) {
  if (!has_perf()) GTEST_SKIP() << "perf is not installed";
  WriterConfig config = example_config("/dev/full");
  EXPECT_NE(error_of([&] { write_random(config, {.samples = 10}); }).find("No space left on device"),
            std::string::npos);
  config = example_config(path_);
  config.compress = 1;
  const std::string command = fmt::format("perf script -F time,ip,brstack -i {} 2>/dev/null | wc -l", path_);
  std::string finish_error;
  WriteSummary summary;
  {
    const FileSizeLimit limit(600'000);
    std::mt19937_64 random(2);
    Writer writer(config);
    static_cast<void>(error_of([&] {
      for (u64 i = 0; i < 6000; ++i) {
        const auto branches = random_branches(random, 32);
        writer.sample({.time = i, .branches = branches});
      }
    }));
    finish_error = error_of([&] { writer.finish(); });
    summary = writer.summary();
  }
  EXPECT_NE(finish_error.find("File too large: the file holds the first"), std::string::npos) << finish_error;
  EXPECT_GT(summary.samples, 100u);
  EXPECT_LE(summary.bytes, 600'000u);
  EXPECT_EQ(std::stoull(run_command(command).output), summary.samples);
}

TEST_F(Variants, callchains_come_before_the_branches) {
  WriterConfig config = example_config(path_, 2);
  config.events[1].max_stack = 127;
  config.events[1].branch_sample_type = kBranchUser | kBranchCallStack | kBranchNoFlags | kBranchNoCycles;
  Writer writer(config);
  const std::array<BranchEntry, 2> branches = {BranchEntry{0x401500, 0x401600, 0},
                                               BranchEntry{0x401400, 0x401450, 0}};
  const std::array<u64, 4> chain = {kContextUser, 0x401610, 0x401504, 0x401404};
  for (std::size_t i = 0; i < 4; ++i) {
    writer.sample({.event = i % 2,
                   .ip = 0x401610,
                   .pid = 1,
                   .tid = 1,
                   .time = i,
                   .branches = branches,
                   .callchain = chain});
  }
  const std::vector<u64> long_chain(2000);
  EXPECT_NE(error_of([&] {
              writer.sample({.event = 1, .time = 9, .callchain = long_chain});
            }).find("at most 1024 addresses, found 2000"),
            std::string::npos);
  writer.finish();
  Reader reader(path_);
  EXPECT_EQ(reader.events()[1].attr.sample_max_stack, 127u);
  std::size_t n = 0;
  while (const Record* record = reader.next()) {
    const auto& sample = std::get<SampleRecord>(record->body);
    EXPECT_EQ(sample.callchain,
              n % 2 == 0 ? std::vector<u64>{} : std::vector<u64>(chain.begin(), chain.end()));
    EXPECT_EQ(sample.branches, std::vector<BranchEntry>(branches.begin(), branches.end()));
    ++n;
  }
  EXPECT_EQ(n, 4u);
  if (!has_perf()) return;
  // perf makes the chain of a call-stack sample from its branches: the newest's target and the callers.
  const std::string text = perf("script -F event,ip -i " + path_);
  EXPECT_NE(text.find("401610"), std::string::npos) << text;
  EXPECT_NE(text.find("401500"), std::string::npos) << text;
  EXPECT_NE(text.find("401400"), std::string::npos) << text;
}

TEST_F(Variants, branch_counters_follow_the_branches) {
  WriterConfig config = example_config(path_, 2);
  config.one_group = true;
  for (EventAttr& event : config.events) event.branch_sample_type |= kBranchCounters | kBranchHwIndex;
  Writer writer(config);
  const std::array<BranchEntry, 2> branches = {BranchEntry{1, 2, 2}, BranchEntry{3, 4, 2}};
  const std::array<u64, 2> counters = {0b1101, 0b0010};
  writer.sample({.time = 1, .branches = branches, .hw_index = 7, .branch_counters = counters});
  EXPECT_NE(error_of([&] {
              writer.sample({.time = 2, .branches = branches});
            }).find("expected counters of 2 branches, found 0"),
            std::string::npos);
  writer.finish();
  Reader reader(path_);
  const auto& sample = std::get<SampleRecord>(reader.next()->body);
  EXPECT_EQ(sample.hw_index, 7u);
  EXPECT_EQ(sample.branches, std::vector<BranchEntry>(branches.begin(), branches.end()));
  EXPECT_EQ(sample.branch_counters, std::vector<u64>(counters.begin(), counters.end()));
  EXPECT_TRUE(reader.features().present.test(static_cast<u32>(Feature::kGroupDesc)));
  // perf 6.1 knows nothing of them and passes over them.
  if (!has_perf()) return;
  EXPECT_EQ(perf("script -F ip,brstack -i " + path_), script_text(path_, "ip,brstack"));
}

TEST_F(Variants, attributes_have_the_size_that_is_asked_for) {
  write_random(example_config(plain_, 2), {.samples = 50});
  const std::string expected = script_text(plain_, "comm,tid,time,period,event,ip,brstack");
  for (u32 size = 80; size <= 144; size += 8) {
    SCOPED_TRACE(size);
    WriterConfig config = example_config(path_, 2);
    config.attr_size = size;
    write_random(config, {.samples = 50});
    EXPECT_EQ(Reader(path_).header().attr_size, size + 16);
    EXPECT_EQ(script_text(path_, "comm,tid,time,period,event,ip,brstack"), expected);
    if (size > 128 || !has_perf()) continue;
    EXPECT_TRUE(script(path_) == script(plain_));
  }
  WriterConfig config = example_config(path_);
  for (const u32 size : {0u, 56u, 65u, 152u}) {
    config.attr_size = size;
    EXPECT_EQ(error_of([&] { const Writer writer(config); }),
              fmt::format("size of attributes: expected a multiple of 8 from 64 to 144, found {}", size));
  }
  config.attr_size = 72;
  EXPECT_EQ(error_of([&] { const Writer writer(config); }),
            "event cycles:u: expected attributes that hold all that it asks for, found 72 bytes");
  config.events[0].branch_sample_type = 0;
  EXPECT_EQ(error_of([&] { const Writer writer(config); }), "");
}

TEST_F(Variants, refuses_levels_that_zstd_does_not_have) {
  WriterConfig config = example_config(path_);
  for (const int level : {-1, 23}) {
    config.compress = level;
    EXPECT_EQ(error_of([&] { const Writer writer(config); }),
              fmt::format("compression level: expected 1 to 22, found {}", level));
  }
  EXPECT_TRUE(scratch_.names().empty());
}

}  // namespace
}  // namespace lastbranch::perfdata::test
