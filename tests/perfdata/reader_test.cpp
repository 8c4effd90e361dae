#include "sim/perfdata/reader.h"

#include <array>
#include <bit>

#include <gtest/gtest.h>

#include "tests/perfdata/raw_file.h"

namespace lastbranch::perfdata::test {
namespace {

constexpr auto kSample = static_cast<u32>(RecordType::kSample);

TEST(Reader, attributes_of_every_size_are_extended_with_zeros) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  for (const u32 size : {64u, 72u, 80u, 96u, 104u, 112u, 120u, 128u, 136u, 144u, 160u, 1024u}) {
    SCOPED_TRACE(size);
    RawFile file;
    file.attr_size = size;
    file.attrs.push_back({.config = 0xc4,
                          .sample_type = kSampleIp,
                          .config1 = 1,
                          .config2 = 2,
                          .branch_sample_type = 9,
                          .sig_data = 3,
                          .config3 = 4,
                          .config4 = 5});
    Encoder body;
    body.put(u64{0x1234});
    file.add(kSample, body);
    file.write(path);

    Reader reader(path);
    const Attr& attr = reader.events().at(0).attr;
    EXPECT_EQ(attr.config, 0xc4u);
    EXPECT_EQ(attr.config1, 1u);
    EXPECT_EQ(attr.config2, size >= 72 ? 2u : 0u);
    EXPECT_EQ(attr.branch_sample_type, size >= 80 ? 9u : 0u);
    EXPECT_EQ(attr.sig_data, size >= 128 ? 3u : 0u);
    EXPECT_EQ(attr.config3, size >= 136 ? 4u : 0u);
    EXPECT_EQ(attr.config4, size >= 144 ? 5u : 0u);
    EXPECT_EQ(reader.events()[0].ids, (std::vector<u64>{1, 2}));
    EXPECT_EQ(reader.events()[0].name, "type=0,config=0xc4");
    const Record* record = reader.next();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(std::get<SampleRecord>(record->body).ip, 0x1234u);
    EXPECT_EQ(reader.next(), nullptr);
  }
}

void put_words(Encoder& body, std::initializer_list<u64> words) {
  for (const u64 word : words) body.put(word);
}

/// A sample that has every field, each with a value of its own.
Encoder full_sample() {
  Encoder body;
  body.put(u64{1});  // IDENTIFIER
  body.put(u64{0x100});
  body.put(u32{0x21});  // pid
  body.put(u32{0x22});  // tid
  put_words(body, {0x300, 0x400, 1, 0x600});
  body.put(u32{0x70});  // CPU
  body.put(u32{0});
  body.put(u64{0x800});                                  // PERIOD
  put_words(body, {2, 11, 12, 13, 14, 15, 16, 17, 18});  // READ: group of two
  put_words(body, {2, 0xa01, 0xa02});                    // CALLCHAIN
  body.put(u32{4});                                      // RAW
  body.put(u32{0xb0b0b0b0});
  put_words(body, {1, 0xc00, 0xc01, 0xc02, 2, 0xc04});  // BRANCH_STACK, index, counters
  put_words(body, {2, 0xd01, 0xd02});                   // REGS_USER
  put_words(body, {8, 0xe01, 0xe02});                   // STACK_USER
  put_words(body, {0xf01, 0xf02, 0xf03});               // WEIGHT, DATA_SRC, TRANSACTION
  put_words(body, {1, 0x1001});                         // REGS_INTR
  put_words(body, {0x1101, 0x1102, 0x1103, 0x1104});    // PHYS_ADDR .. CODE_PAGE_SIZE
  put_words(body, {8, 0x1201});                         // AUX
  return body;
}

Attr full_attr() {
  return {.sample_type = kSampleBitsKnown & ~u64{kSampleWeightStruct},
          .read_format = kReadGroup | kReadTimeEnabled | kReadTimeRunning | kReadId | kReadLost,
          .branch_sample_type = kBranchAny | kBranchHwIndex | kBranchCounters,
          .sample_regs_user = 0b101,
          .sample_regs_intr = 0b1000};
}

TEST(Reader, every_field_of_a_sample_is_found_in_its_place) {
  ScratchDir scratch;
  RawFile file;
  file.attrs.push_back(full_attr());
  file.add(kSample, full_sample());
  file.write(scratch.file("p.data"));

  Reader reader(scratch.file("p.data"));
  const Record* record = reader.next();
  ASSERT_NE(record, nullptr);
  const auto& sample = std::get<SampleRecord>(record->body);
  EXPECT_EQ(sample.identifier, 1u);
  EXPECT_EQ(sample.ip, 0x100u);
  EXPECT_EQ(sample.pid, 0x21u);
  EXPECT_EQ(sample.tid, 0x22u);
  EXPECT_EQ(sample.time, 0x300u);
  EXPECT_EQ(sample.addr, 0x400u);
  EXPECT_EQ(sample.id, 1u);
  EXPECT_EQ(sample.stream_id, 0x600u);
  EXPECT_EQ(sample.cpu, 0x70u);
  EXPECT_EQ(sample.period, 0x800u);
  EXPECT_EQ(sample.read_time_enabled, 11u);
  EXPECT_EQ(sample.read_time_running, 12u);
  ASSERT_EQ(sample.read.size(), 2u);
  EXPECT_EQ(sample.read[0].value, 13u);
  EXPECT_EQ(sample.read[0].id, 14u);
  EXPECT_EQ(sample.read[0].lost, 15u);
  EXPECT_EQ(sample.read[1].lost, 18u);
  EXPECT_EQ(sample.callchain, (std::vector<u64>{0xa01, 0xa02}));
  EXPECT_EQ(sample.raw, std::vector<u8>(4, 0xb0));
  EXPECT_EQ(sample.hw_index, 0xc00u);
  EXPECT_EQ(sample.branches, (std::vector<BranchEntry>{{0xc01, 0xc02, 2}}));
  EXPECT_EQ(sample.branch_counters, std::vector<u64>{0xc04});
  EXPECT_EQ(sample.user_abi, 2u);
  EXPECT_EQ(sample.user_regs, (std::vector<u64>{0xd01, 0xd02}));
  EXPECT_EQ(sample.user_stack.size(), 8u);
  EXPECT_EQ(sample.user_stack_dynamic_size, 0xe02u);
  EXPECT_EQ(sample.weight, 0xf01u);
  EXPECT_EQ(sample.data_src, 0xf02u);
  EXPECT_EQ(sample.transaction, 0xf03u);
  EXPECT_EQ(sample.intr_abi, 1u);
  EXPECT_EQ(sample.intr_regs, std::vector<u64>{0x1001});
  EXPECT_EQ(sample.phys_addr, 0x1101u);
  EXPECT_EQ(sample.cgroup, 0x1102u);
  EXPECT_EQ(sample.data_page_size, 0x1103u);
  EXPECT_EQ(sample.code_page_size, 0x1104u);
  EXPECT_EQ(sample.aux.size(), 8u);
}

TEST(Reader, a_sample_cut_anywhere_is_an_error_that_names_the_offset) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  const Encoder whole = full_sample();
  for (std::size_t size = 0; size < whole.size(); size += 4) {
    RawFile file;
    file.attrs.push_back(full_attr());
    Encoder body;
    body.put_all(whole.bytes().first(size));
    file.add(kSample, body);
    file.write(path);
    const std::string error = error_of([&] { static_cast<void>(count_samples(path)); });
    EXPECT_NE(error.find(path + ": offset 0x"), std::string::npos) << size << ": " << error;
    EXPECT_NE(error.find("SAMPLE record: "), std::string::npos) << size << ": " << error;
  }
}

TEST(Reader, events_are_told_apart_by_id_where_there_is_no_identifier) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleIp | kSampleId});
  file.attrs.push_back({.sample_type = kSampleIp | kSampleId | kSamplePeriod});
  for (const u64 id : {2u, 11u, 12u, 1u}) {
    Encoder body;
    body.put(u64{0x1000});
    body.put(id);
    if (id > 10) body.put(u64{77});
    file.add(kSample, body);
  }
  file.write(path);

  Reader reader(path);
  for (const std::size_t event : {0u, 1u, 1u, 0u}) {
    const Record* record = reader.next();
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(std::get<SampleRecord>(record->body).event, event);
    EXPECT_EQ(std::get<SampleRecord>(record->body).period, event == 1 ? 77u : 0u);
  }
}

TEST(Reader, refuses_samples_that_no_id_assigns) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  RawFile different;
  different.attrs = {{.sample_type = kSampleIp}, {.sample_type = kSampleIp | kSampleTime}};
  different.write(path);
  EXPECT_NE(error_of([&] { const Reader reader(path); }).find("sample types that differ"), std::string::npos);

  RawFile unknown;
  unknown.attrs = {{.sample_type = kSampleIdentifier}, {.sample_type = kSampleIdentifier}};
  Encoder body;
  body.put(u64{99});
  unknown.add(kSample, body);
  unknown.write(path);
  EXPECT_NE(error_of([&] {
              static_cast<void>(count_samples(path));
            }).find("SAMPLE record: id: expected one of 4 known ids, found 99"),
            std::string::npos);
}

TEST(Reader, passes_over_what_it_does_not_know_and_counts_it) {
  ScratchDir scratch;
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleIp});
  Encoder ip;
  ip.put(u64{5});
  Encoder auxtrace;
  auxtrace.put(std::array<u64, 5>{24});  // followed by 24 bytes that no header counts
  file.add(1234, ip);
  file.add(kSample, ip);
  file.add(static_cast<u32>(RecordType::kAuxtrace), auxtrace);
  file.data.put(std::array<u64, 3>{~u64{0}, ~u64{0}, ~u64{0}});
  file.add(1234, {});
  file.add(kSample, ip);
  file.write(scratch.file("p.data"));

  Reader reader(scratch.file("p.data"));
  u64 samples = 0;
  while (const Record* record = reader.next()) samples += std::holds_alternative<SampleRecord>(record->body);
  EXPECT_EQ(samples, 2u);
  EXPECT_EQ(reader.passed_over(), (std::map<u32, u64>{{71, 1}, {1234, 2}}));
}

TEST(Reader, refuses_other_kinds_of_file_by_name) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  struct Row {
    const char* name;
    std::vector<u64> words;
    const char* said;
  };
  const Row rows[] = {
      {"empty", {}, "offset 0x0: header: expected a range within the file's 0 bytes, found 16 bytes at 0x0"},
      {"text", {0x6568206f6c6c6568, 0x2e6572}, "expected PERFILE2, found 0x6568206f6c6c6568"},
      {"version 1, big-endian", {kMagicVersion1Swapped, 0}, "PERFFILE, the format before"},
      {"header size", {kMagic, 17}, "offset 0x8: header: size: expected 104, 72 or 16, found 17"},
      {"version 1", {kMagicVersion1, 0}, "PERFFILE, the format before"},
      {"short", {kMagic, 104, 0}, "within the file's 24 bytes, found 104 bytes at 0x0"},
  };
  for (const Row& row : rows) {
    write_file(path, std::as_bytes(std::span(row.words)));
    const std::string error = error_of([&] { const Reader reader(path); });
    EXPECT_NE(error.find(row.said), std::string::npos) << row.name << ": " << error;
  }
  EXPECT_EQ(error_of([&] { const Reader reader(scratch.file("missing")); }),
            scratch.file("missing") + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of([&] { const Reader reader(scratch.path().string()); }),
            scratch.path().string() +
                ": expected a file, or a folder of `perf record --threads`, found a "
                "folder without 'data'");
}

}  // namespace
}  // namespace lastbranch::perfdata::test
