// What real files have besides samples, and what damaged and hostile ones have.
#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/perfdata/byte_swapper.h"
#include "tests/perfdata/packed_file.h"
#include "tests/perfdata/raw_file.h"
#include "tests/perfdata/record_text.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

constexpr auto kSample = static_cast<u32>(RecordType::kSample);

template <typename... Words>
Encoder words(Words... values) {
  Encoder body;
  (body.put(static_cast<u64>(values)), ...);
  return body;
}

/// A file whose samples are an IP.
RawFile ip_file() {
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleIp});
  return file;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class Edges : public ::testing::Test {
 protected:
  /// The notes of `file`, read to its end.
  std::string notes_of(const RawFile& file) {
    file.write(path_);
    Reader reader(path_);
    while (reader.next() != nullptr) {
    }
    return joined(reader.notes());
  }

  /// What reading `bytes` throws.
  [[nodiscard]] std::string error_with(std::span<const std::byte> bytes) {
    write_file(path_, bytes);
    return error_of([&] { static_cast<void>(count_samples(path_)); });
  }

  ScratchDir scratch_;
  std::string path_ = scratch_.file("p.data");
};

TEST_F(Edges, losses_are_records_and_add_up_in_the_notes) {
  RawFile file = ip_file();
  file.add(static_cast<u32>(RecordType::kLost), words(7, 100));
  file.add(static_cast<u32>(RecordType::kLost), words(7, 11));
  file.add(static_cast<u32>(RecordType::kLostSamples), words(5));
  file.write(path_);
  Reader reader(path_);
  std::vector<std::pair<u64, u64>> losses;
  while (const Record* record = reader.next()) {
    const auto& lost = std::get<LostRecord>(record->body);
    losses.emplace_back(lost.id, lost.lost);
  }
  EXPECT_EQ(losses, (std::vector<std::pair<u64, u64>>{{7, 100}, {7, 11}, {0, 5}}));
  EXPECT_EQ(joined(reader.notes()), "3 LOST records lost while recording: 111 records and 5 samples\n");
}

TEST_F(Edges, what_is_passed_over_is_told_by_name_or_number) {
  RawFile file = ip_file();
  for (const u32 type : {5u, 5u, 17u, 68u, 69u, 1234u, 32769u}) file.add(type, words(0, 0));
  EXPECT_EQ(notes_of(file),
            "2 THROTTLE records passed over\n1 KSYMBOL record passed over\n"
            "1 record of unknown type 1234 passed over\n1 record of unknown type 32769 passed over\n");
}

TEST_F(Edges, aux_data_is_passed_over_with_a_hint_at_what_makes_branch_stacks_of_it) {
  RawFile file = ip_file();
  file.add(static_cast<u32>(RecordType::kAuxtraceInfo), words(1));
  file.add(static_cast<u32>(RecordType::kAuxtrace), words(300'000, 0, 0, 0, 0));
  file.data.put_zeros(300'000);  // longer than any window
  file.add(kSample, words(0x77));
  const std::string notes = notes_of(file);
  EXPECT_NE(notes.find("300000 bytes of Intel PT data passed over: `perf inject --itrace="),
            std::string::npos)
      << notes;
  EXPECT_EQ(count_samples(path_), 1u);
}

TEST_F(Edges, raw_bytes_of_tracing_data_are_passed_over) {
  RawFile file = ip_file();
  file.add(static_cast<u32>(RecordType::kHeaderTracingData), words(13));
  file.data.put(std::array<u64, 2>{~u64{0}, ~u64{0}});
  file.add(kSample, words(0x77));
  file.write(path_);
  EXPECT_EQ(count_samples(path_), 1u);
}

TEST_F(Edges, simpleperf_has_longer_records_and_ids_in_a_record) {
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleIdentifier | kSampleIp});
  file.attrs.push_back({.sample_type = kSampleIdentifier | kSampleIp | kSampleTime});
  constexpr u32 kSize = 0x2'0010;
  file.data.put(RecordHeader{.type = 32769, .misc = kSize >> 16, .size = kSize & 0xffff});
  file.data.put_zeros(kSize - sizeof(RecordHeader));
  file.add(static_cast<u32>(RecordType::kSimpleperfEventId), words(2, 0, 501, 1, 502));
  file.add(kSample, words(502, 0x10, 99));
  file.add(kSample, words(501, 0x11));
  file.write(path_);
  for (const bool compressed : {false, true}) {
    SCOPED_TRACE(compressed);
    if (compressed) {
      const auto packed = packed_records(file.data.bytes(), Packing::kOneStream, 5000);
      file.data.clear();
      file.data.put_all(std::span(packed));
      file.write(path_);
    }
    Reader reader(path_);
    std::vector<SampleRecord> samples;
    while (const Record* record = reader.next()) {
      if (const auto* sample = std::get_if<SampleRecord>(&record->body)) samples.push_back(*sample);
    }
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_EQ(samples[0].event, 1u);
    EXPECT_EQ(samples[0].time, 99u);
    EXPECT_EQ(samples[1].event, 0u);
    EXPECT_EQ(samples[1].ip, 0x11u);
  }
  file.data.clear();
  file.add(static_cast<u32>(RecordType::kSimpleperfEventId), words(1, 2, 501));
  file.write(path_);
  EXPECT_NE(error_of([&] {
              static_cast<void>(count_samples(path_));
            }).find("simpleperf EVENT_ID record: index of an attribute: expected less than 2, found 2"),
            std::string::npos);
}

TEST_F(Edges, the_trailer_of_a_record_has_the_shape_of_its_own_event) {
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleIdentifier | kSampleTid, .flags = kAttrSampleIdAll});
  file.attrs.push_back(
      {.sample_type = kSampleIdentifier | kSampleTid | kSampleTime | kSampleCpu, .flags = kAttrSampleIdAll});
  const auto comm = [&](auto... trailer) {
    Encoder body;
    body.put(std::array<u32, 2>{7, 8});
    body.put_name("name");
    body.put_all(words(trailer...).bytes());
    file.add(static_cast<u32>(RecordType::kComm), body);
  };
  comm(0x8'0000'0007, 1);
  comm(0x8'0000'0007, 55, 3, 11);
  comm(0x8'0000'0007, 0);
  EXPECT_EQ(notes_of(file), "");
  const auto lines = record_lines(path_);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "3 0 comm 7 8 name false [7 8 0 1 0 0]");
  EXPECT_EQ(lines[1], "3 0 comm 7 8 name false [7 8 55 11 0 3]");
}

TEST_F(Edges, a_zip_bomb_is_refused_before_it_unpacks) {
  RawFile inner = ip_file();
  inner.add(kSample, words(1));
  const std::vector<std::byte> one(inner.data.bytes().begin(), inner.data.bytes().end());
  std::vector<std::byte> bomb;
  for (int i = 0; i < 9'000'000; ++i) bomb.insert(bomb.end(), one.begin(), one.end());
  for (const std::size_t piece : {bomb.size(), std::size_t{1} << 20}) {
    RawFile file = ip_file();
    const auto packed_bomb = packed_records(bomb, Packing::kOneStream, piece);
    file.data.put_all(std::span(packed_bomb));
    file.write(path_);
    const std::string error = error_of([&] { static_cast<void>(count_samples(path_)); });
    EXPECT_NE(error.find("COMPRESSED record: data: expected at most "), std::string::npos) << error;
  }
}

TEST_F(Edges, compressed_records_that_are_none_are_damage) {
  struct Row {
    const char* name;
    std::vector<std::byte> data;
    const char* said;
  };
  RawFile inner = ip_file();
  inner.add(kSample, words(1));
  const auto plain = inner.data.bytes();
  const auto packed = packed_records(plain, Packing::kFrames, 100);
  const auto twice = packed_records(packed, Packing::kFrames, 100);
  const auto cut = packed_records(plain.first(10), Packing::kFrames, 100);
  RawFile broken = ip_file();
  broken.add(81, words(~u64{0}, ~u64{0}));
  RawFile longer = ip_file();
  longer.add(83, words(100, 0));
  RawFile tiny = ip_file();
  tiny.add(kSample, {}, 0);
  auto tiny_bytes = std::vector<std::byte>(tiny.data.bytes().begin(), tiny.data.bytes().end());
  tiny_bytes[6] = std::byte{4};
  const Row rows[] = {
      {"in itself", twice,
       "COMPRESSED record: COMPRESSED record: expected none in a compressed one, found one"},
      {"cut", cut,
       "COMPRESSED record: end of the last record: expected a whole record, found 10 bytes of one"},
      {"no zstd",
       {broken.data.bytes().begin(), broken.data.bytes().end()},
       "COMPRESSED record: data: expected a zstd stream, found Unknown frame descriptor"},
      {"too long",
       {longer.data.bytes().begin(), longer.data.bytes().end()},
       "COMPRESSED2 record: data size: expected 100 bytes, found 8 left"},
      {"size of a record", packed_records(tiny_bytes, Packing::kFrames, 100),
       "COMPRESSED record: SAMPLE record: size: expected 8 or more, found 4"},
  };
  for (const Row& row : rows) {
    RawFile file = ip_file();
    file.data.put_all(std::span(row.data));
    file.write(path_);
    const std::string error = error_of([&] { static_cast<void>(count_samples(path_)); });
    EXPECT_NE(error.find(row.said), std::string::npos) << row.name << ": " << error;
    EXPECT_EQ(error.find(path_ + ": offset 0x"), 0u) << row.name << ": " << error;
  }
}

/// Cut anywhere, keep_going gives a front of the records, and says what is wrong where the strict reader
/// does.
void expect_fronts(const std::string& path, std::span<const std::byte> whole, std::size_t first) {
  write_file(path, whole);
  const auto all = record_lines(path);
  ASSERT_FALSE(all.empty());
  std::size_t longest = 0;
  for (std::size_t size = first; size < whole.size(); size += 1 + size % 3) {
    write_file(path, whole.first(size));
    const auto source = open_source(path, {.keep_going = true});
    const auto lines = record_lines(*source);
    ASSERT_LE(lines.size(), all.size()) << size;
    EXPECT_TRUE(std::ranges::equal(lines, std::span(all).first(lines.size()))) << size;
    EXPECT_EQ(source->next(), nullptr);
    const std::string error = error_of([&] { static_cast<void>(record_lines(path)); });
    EXPECT_EQ(error.empty(), source->damage().empty()) << size << ": " << error << " / " << source->damage();
    if (!error.empty()) {
      EXPECT_EQ(source->damage().find(path + ": offset 0x"), 0u) << source->damage();
      EXPECT_EQ(error.find(path + ": offset 0x"), 0u) << error;
    }
    EXPECT_GE(lines.size(), longest) << "more of the file, fewer records";
    longest = lines.size();
  }
  EXPECT_GE(longest + 1, all.size());
}

TEST_F(Edges, a_file_cut_anywhere_gives_what_came_before_with_keep_going) {
  write_random(path_, {.samples = 4, .branches = 3});
  const auto whole = read_file(path_);
  constexpr std::size_t kData = 240;
  expect_fronts(path_, whole, kData);
  expect_fronts(path_, byte_swapped(whole), kData);
  expect_fronts(path_, packed_file(whole, Packing::kOneStream, 100), kData);
}

TEST_F(Edges, pipe_mode_cut_anywhere_gives_what_came_before_with_keep_going) {
  const std::string pipe = scratch_.file("pipe");
  std::FILE* const cat = popen(("cat > " + pipe).c_str(), "w");
  WriterConfig config = example_config("pipe");
  config.stream_fd = fileno(cat);
  {
    Writer writer(config);
    writer.comm(7, 7, "program", true, 0);
    for (u64 time = 1; time < 9; ++time) writer.sample({.ip = time, .pid = 7, .tid = 7, .time = time});
    writer.finish();
  }
  pclose(cat);
  const auto whole = read_file(pipe);
  constexpr std::size_t kAfterAttr = 16 + 8 + kAttrSizeWritten + 8;
  expect_fronts(path_, whole, kAfterAttr);
  // Without the end of the first record there are no events to go on with.
  EXPECT_NE(error_with(std::span(whole).first(kAfterAttr - 1)).find("HEADER_ATTR record: size"),
            std::string::npos);
}

TEST_F(Edges, a_recording_that_was_not_finished_is_read_with_keep_going) {
  for (const bool features : {false, true}) {
    SCOPED_TRACE(features);
    write_random(path_, {.samples = 50});
    auto bytes = read_file(path_);
    FileHeader header;
    std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
    bytes.resize(header.data.offset + header.data.size);  // the features were not written yet
    header.data.size = 0;
    if (!features) header.features = {};  // old versions of perf leave the bits in
    std::memcpy(bytes.data(), &header, sizeof header);
    EXPECT_FALSE(error_with(bytes).empty());
    const auto source = open_source(path_, {.keep_going = true});
    const auto lines = record_lines(*source);
    EXPECT_EQ(std::ranges::count_if(lines, [](const std::string& l) { return l.find("sample") < 5; }), 50);
    EXPECT_NE(source->damage().find("offset 0x30: header: size of data section: expected"), std::string::npos)
        << source->damage();
  }
}

TEST_F(Edges, damaged_features_do_not_keep_records_from_keep_going) {
  write_random(path_, {.samples = 50});
  auto bytes = read_file(path_);
  FileHeader header;
  std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
  const u64 huge = u64{1} << 40;
  std::memcpy(&bytes[header.data.offset + header.data.size], &huge, sizeof huge);
  EXPECT_NE(error_with(bytes).find("section of feature 2"), std::string::npos);
  const auto source = open_source(path_, {.keep_going = true});
  EXPECT_GT(record_lines(*source).size(), 50u);
  EXPECT_NE(source->damage().find("section of feature 2"), std::string::npos);
}

TEST_F(Edges, damage_in_pipe_mode_names_record_and_field) {
  struct Row {
    const char* name;
    u32 type;
    Encoder body;
    const char* said;
  };
  Encoder attr;
  attr.put(Attr{.size = 63});
  Encoder unknown_fields;
  unknown_fields.put(Attr{.size = 144, .sample_type = u64{1} << 40});
  Encoder build_id;
  build_id.put_zeros(28);
  build_id.put(~u64{0});
  const Row rows[] = {
      {"attr", 64, attr, "offset 0x1c: HEADER_ATTR record: attr 0 size: expected 64 to 144, found 63"},
      {"sample type", 64, unknown_fields, "HEADER_ATTR record: attr 0 sample_type: expected bits of"},
      {"feature", 80, words(256, 1), "HEADER_FEATURE record: number of the feature: expected less than 256"},
      {"feature text", 80, words(3, 1000), "feature HOSTNAME: text: expected 1000 bytes, found 4 left"},
      {"build-id", 67, build_id, "BUILD_ID record: filename: expected a NUL"},
      {"sample", 9, words(1), "SAMPLE record: event: expected an attribute in the file, found none"},
      {"update", 78, words(2), "EVENT_UPDATE record: id: expected 8 bytes, found 0 left"},
  };
  for (const Row& row : rows) {
    RawFile records;
    records.add(row.type, row.body);
    Encoder file = words(kMagic, kPipeHeaderSize);
    file.put_all(records.data.bytes());
    const std::string error = error_with(file.bytes());
    EXPECT_NE(error.find(row.said), std::string::npos) << row.name << ": " << error;
  }
}

u64 resident_bytes() {
  std::ifstream file("/proc/self/statm");
  u64 pages = 0;
  u64 resident = 0;
  file >> pages >> resident;
  return resident * static_cast<u64>(sysconf(_SC_PAGESIZE));
}

TEST_F(Edges, memory_does_not_grow_with_the_file) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory";
#endif
  write_random(path_, {.samples = 2000});
  const auto bytes = read_file(path_);
  FileHeader header;
  std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
  const auto data = std::span(bytes).subspan(header.data.offset, header.data.size);
  {
    std::ofstream out(path_, std::ios::binary | std::ios::trunc);
    const auto put = [&](std::span<const std::byte> piece) {
      out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    };
    constexpr u64 kTimes = 100;
    header.features = {};
    header.data.size *= kTimes;
    put(std::as_bytes(std::span(&header, 1)));
    put(std::span(bytes).subspan(sizeof header, header.data.offset - sizeof header));
    for (u64 i = 0; i < kTimes; ++i) put(data);
  }
  constexpr u64 kAllowed = u64{8} << 20;
  ASSERT_GT(header.data.size, 8 * kAllowed);
  const u64 before = resident_bytes();
  EXPECT_EQ(count_samples(path_), 200'000u);
  EXPECT_LT(resident_bytes(), before + kAllowed);
}

}  // namespace
}  // namespace lastbranch::perfdata::test
