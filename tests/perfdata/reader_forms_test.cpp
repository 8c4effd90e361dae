// The same records in every form that a file may have: each must read as the plain one does.
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/perfdata/event_reader.h"
#include "tests/perfdata/byte_swapper.h"
#include "tests/perfdata/packed_file.h"
#include "tests/perfdata/raw_file.h"
#include "tests/perfdata/record_text.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

constexpr auto kSample = static_cast<u32>(RecordType::kSample);

/// A recording in file mode, read.
class Forms : public ::testing::TestWithParam<std::size_t> {
 protected:
  Forms() {
    write_random(path_, {.events = GetParam(), .samples = 300, .seed = 5});
    whole_ = read_file(path_);
    Reader reader(path_);
    records_ = record_lines(reader);
    events_ = event_lines(reader);
    features_ = feature_lines(reader.features());
  }

  /// `bytes` read as the recording does.
  void expect_same(std::span<const std::byte> bytes) {
    const std::string path = scratch_.file("other");
    write_file(path, bytes);
    Reader reader(path);
    EXPECT_EQ(record_lines(reader), records_);
    EXPECT_EQ(event_lines(reader), events_);
    EXPECT_EQ(feature_lines(reader.features()), features_);
    EXPECT_EQ(reader.notes(), std::vector<std::string>{});
    EXPECT_EQ(reader.damage(), "");
  }

  ScratchDir scratch_;
  std::string path_ = scratch_.file("p.data");
  std::vector<std::byte> whole_;
  std::vector<std::string> records_;
  std::vector<std::string> events_;
  std::vector<std::string> features_;
};

INSTANTIATE_TEST_SUITE_P(Events, Forms, ::testing::Values(1u, 3u));

TEST_P(Forms, the_other_byte_order_reads_the_same) {
  ASSERT_GT(records_.size(), 300u);
  const auto swapped = byte_swapped(whole_);
  ASSERT_EQ(std::memcmp(swapped.data(), "2ELIFREP", 8), 0);
  expect_same(swapped);
}

TEST_P(Forms, compressed_records_read_the_same) {
  for (const Packing packing : {Packing::kOneStream, Packing::kFrames, Packing::kOneFrameCutUp}) {
    // Small pieces cut records, also their headers.
    for (const std::size_t piece : {7u, 1000u, 4096u, 60'000u}) {
      SCOPED_TRACE(fmt::format("{} {}", static_cast<int>(packing), piece));
      expect_same(packed_file(whole_, packing, piece));
      expect_same(packed_file(whole_, packing, piece, RecordType::kCompressed2));
    }
  }
}

/// In pipe mode features may follow the records.
void expect_same_pipe(RecordSource& source, const std::vector<std::string>& records,
                      const std::vector<std::string>& events) {
  EXPECT_EQ(source.kind(), SourceKind::kPerfDataPipe);
  EXPECT_EQ(event_lines(source), events) << "before the first record";
  EXPECT_EQ(record_lines(source), records);
  EXPECT_EQ(event_lines(source), events);
  EXPECT_EQ(source.features().cpu_id, "GenuineIntel,6,85,7");
  EXPECT_EQ(source.features().pmu_caps,
            (std::vector<std::pair<std::string, std::string>>{{"branches", "32"}}));
}

/// Lets `action` write to a pipe, and calls `read` with what may open its other end by name.
template <typename Write, typename Read>
void through_pipe(const ScratchDir& scratch, const Write& write, const Read& read) {
  const std::string fifo = scratch.file("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&] { write(fifo); });
  read(fifo);
  writer.join();
  unlink(fifo.c_str());
}

TEST_P(Forms, pipe_mode_reads_the_same_from_a_pipe_and_from_a_file) {
  through_pipe(
      scratch_,
      [&](const std::string& fifo) { write_random(fifo, {.events = GetParam(), .samples = 300, .seed = 5}); },
      [&](const std::string& fifo) { expect_same_pipe(*open_source(fifo), records_, events_); });
  std::vector<std::byte> bytes;
  through_pipe(
      scratch_,
      [&](const std::string& fifo) { write_random(fifo, {.events = GetParam(), .samples = 300, .seed = 5}); },
      [&](const std::string& fifo) {
        std::ifstream in(fifo, std::ios::binary);
        for (char c = 0; in.get(c);) bytes.push_back(static_cast<std::byte>(c));
      });
  const std::string path = scratch_.file("pipe.data");
  write_file(path, bytes);
  expect_same_pipe(*open_source(path), records_, events_);
  write_file(path, byte_swapped(bytes));
  expect_same_pipe(*open_source(path), records_, events_);
}

TEST_P(Forms, file_mode_reads_the_same_from_a_pipe) {
  through_pipe(
      scratch_, [&](const std::string& fifo) { write_file(fifo, whole_); },
      [&](const std::string& fifo) {
        const auto source = open_source(fifo);
        EXPECT_EQ(source->kind(), SourceKind::kPerfData);
        EXPECT_EQ(record_lines(*source), records_);
        EXPECT_EQ(event_lines(*source), events_);
      });
}

TEST_P(Forms, standard_input_is_read_under_the_name_of_a_dash) {
  const int saved = dup(STDIN_FILENO);
  const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  dup2(file, STDIN_FILENO);
  close(file);
  const auto source = open_source("-");
  EXPECT_EQ(source->path(), "standard input");
  EXPECT_EQ(record_lines(*source), records_);
  dup2(saved, STDIN_FILENO);
  close(saved);
}

TEST_P(Forms, a_folder_of_several_files_reads_as_one) {
  // "data" has the header and the first records; the others have records only.
  FileHeader header;
  std::memcpy(static_cast<void*>(&header), whole_.data(), sizeof header);
  Reader reader(path_);
  std::vector<u64> offsets;
  while (const Record* record = reader.next()) offsets.push_back(record->offset);
  const u64 data = header.data.offset;
  const u64 size = header.data.size;
  const u64 first = offsets[100] - data;
  const u64 second = offsets[200] - data;
  const auto part = [&](u64 from, u64 to) { return std::span(whole_).subspan(data + from, to - from); };

  const std::filesystem::path folder = scratch_.path() / "folder.data";
  std::filesystem::create_directory(folder);
  header.data.size = first;
  header.features = {};
  auto head =
      std::vector<std::byte>(whole_.begin(), whole_.begin() + static_cast<std::ptrdiff_t>(data + first));
  std::memcpy(head.data(), &header, sizeof header);
  write_file(folder / "data", head);
  const u64 last = offsets.back() - data;
  write_file(folder / "data.2", packed_records(part(second, last), Packing::kOneStream, 999));
  write_file(folder / "data.10", part(last, size));
  write_file(folder / "data.0", packed_records(part(first, second), Packing::kOneStream, 4096));
  // Side by side, without the rounds, which are of one file: only the times say where a record belongs.
  const auto sorted = [](const std::string& path) {
    std::vector<std::string> lines = record_lines(path);
    std::erase_if(lines, [](const std::string& line) { return line.starts_with("68 "); });
    std::ranges::sort(lines);
    return lines;
  };
  const auto parts = sorted(folder.string());
  const auto whole = sorted(path_);
  ASSERT_EQ(parts.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_EQ(parts[i], whole[i]) << i;
}

TEST(ReaderForms, every_field_of_a_sample_reads_the_same_in_the_other_byte_order) {
  ScratchDir scratch;
  RawFile file;
  file.attr_size = 144;
  file.attrs.push_back(
      {.type = 4,
       .config = 0xc4,
       .sample_period = 3,
       .sample_type = kSampleBitsKnown & ~u64{kSampleWeightStruct},
       .read_format = kReadGroup | kReadTimeEnabled | kReadTimeRunning | kReadId | kReadLost,
       .flags = kAttrDisabled | kAttrSampleIdAll | u64{1} << kAttrPreciseIpShift | kAttrBuildId,
       .branch_sample_type = kBranchAny | kBranchHwIndex | kBranchCounters,
       .sample_regs_user = 0b101,
       .sample_regs_intr = 0b1000,
       .sample_max_stack = 127});
  Encoder body;
  const auto words = [&](std::initializer_list<u64> values) {
    for (const u64 value : values) body.put(value);
  };
  words({1, 0x100, 0x22'0000'0021, 0x300, 0x400, 1, 0x600, 0x70, 0x800});
  words({2, 11, 12, 13, 14, 15, 16, 17, 18, 2, 0xa01, 0xa02});
  body.put(u32{12});
  body.put(u32{0x01020304});
  words({0x05060708090a0b0c});
  words({2, 0xc00, 0xc01, 0xc02, 0x0000'0001'd6ab'cde5, 0xc03, 0xc04, 0x0000'0001'5234'567a, 0xc05, 0xc06});
  words({2, 0xd01, 0xd02, 8, 0xe01, 0xe02, 0xf01, 0xf02, 0xf03, 1, 0x1001});
  words({0x1101, 0x1102, 0x1103, 0x1104, 8, 0x1201});
  file.add(kSample, body);
  Encoder lost;
  lost.put(std::array<u64, 8>{1, 7, 0x2'0000'0001, 3, 4, 5, 6, 1});
  file.add(static_cast<u32>(RecordType::kLost), lost);
  const std::string path = scratch.file("p.data");
  file.write(path);
  Reader plain(path);
  const auto records = record_lines(plain);
  ASSERT_EQ(records.size(), 2u);
  const auto events = event_lines(plain);
  write_file(path, byte_swapped(read_file(path)));
  Reader swapped(path);
  EXPECT_TRUE(swapped.swapped());
  EXPECT_EQ(record_lines(swapped), records);
  EXPECT_EQ(event_lines(swapped), events);
  EXPECT_EQ(swapped.events()[0].attr.flags >> kAttrPreciseIpShift & 3, 1u);
}

TEST(ReaderForms, the_bitmap_of_features_may_be_words_of_32_bits_in_the_other_byte_order) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  write_random(path, {.samples = 3});
  auto bytes = byte_swapped(read_file(path));
  for (std::size_t at = offsetof(FileHeader, features); at < sizeof(FileHeader); at += 8) {
    for (std::size_t i = 0; i < 4; ++i) std::swap(bytes[at + i], bytes[at + i + 4]);
  }
  write_file(path, bytes);
  EXPECT_EQ(Reader(path).features().cpu_desc, "Skylake, simulated");
}

TEST(ReaderForms, a_header_without_features_is_read) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleIp});
  Encoder body;
  body.put(u64{0x77});
  file.add(kSample, body);
  file.write(path);
  auto bytes = read_file(path);
  const u64 size = kHeaderSizeWithoutFeatures;
  std::memcpy(&bytes[8], &size, sizeof size);
  std::memset(&bytes[72], 0xff, 32);  // no longer the header's
  write_file(path, bytes);
  EXPECT_EQ(count_samples(path), 1u);
}

/// perf itself as the writer. Where it may not record, there is nothing to read.
TEST(ReaderForms, compressed_recordings_of_perf_read_as_perf_reads_them) {
  if (!has_program("perf")) GTEST_SKIP() << "perf is not installed";
  ScratchDir scratch;
  const std::string path = scratch.file("z.data");
  const auto recorded =
      run_command("perf record -q -z -e cpu-clock -F 20000 -o " + path +
                  " -- sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done' 2>/dev/null");
  if (recorded.status != 0) GTEST_SKIP() << "perf may not record here";
  const auto perfs = run_command("PERF_CONFIG=/dev/null perf script -F tid,time,period,ip -i " + path +
                                 " 2>/dev/null </dev/null");
  ASSERT_EQ(perfs.status, 0);
  EXPECT_GT(perfs.output.size(), 100u);
  EXPECT_EQ(script_text(path, "tid,time,period,ip"), perfs.output);
}

}  // namespace
}  // namespace lastbranch::perfdata::test
