// Damaged files: an Error that says where, or a file that still reads; never a crash. Run under the
// sanitizers too.
#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

// The layout of a file with one event.
constexpr u64 kAttrAt = 112;
constexpr u64 kIdsSectionAt = kAttrAt + kAttrSizeWritten;
constexpr u64 kDataAt = 240;

class DamagedFile : public ::testing::Test {
 protected:
  DamagedFile() {
    Writer writer(example_config(path_));
    writer.comm(7, 7, "program", true, 0);  // 8 + 8 + 8 + 24 bytes
    writer.mmap2({.pid = 7,
                  .tid = 7,
                  .addr = 0x400000,
                  .len = 4096,
                  .prot = 5,
                  .flags = 2,
                  .filename = "/bin/p",
                  .build_id = BuildId{.bytes = {1, 2, 3}, .size = 20}},
                 0);
    const std::array<BranchEntry, 2> branches = {BranchEntry{1, 2, 2}, BranchEntry{3, 4, 1}};
    writer.sample({.ip = 4, .pid = 7, .tid = 7, .time = 1, .branches = branches});
    writer.exit(7, 7, 1, 1, 2);
    writer.finish();
    whole_ = read_file(path_);
    std::memcpy(&header_, whole_.data(), sizeof header_);
    Reader reader(path_);
    while (const Record* record = reader.next()) records_.push_back(record->offset);
  }

  /// What reading the file says with `bytes` in it; empty when it reads.
  [[nodiscard]] std::string error_with(std::span<const std::byte> bytes) const {
    write_file(path_, bytes);
    return error_of([&] { static_cast<void>(count_samples(path_)); });
  }

  ScratchDir scratch_;
  std::string path_ = scratch_.file("p.data");
  std::vector<std::byte> whole_;
  FileHeader header_;
  std::vector<u64> records_;
};

TEST_F(DamagedFile, each_field_that_matters_is_named_with_its_offset) {
  ASSERT_EQ(header_.data.offset, kDataAt);
  ASSERT_EQ(records_.size(), 4u);
  const u64 comm = records_[0];
  const u64 mmap2 = records_[1];
  const u64 sample = records_[2];
  const u64 features = header_.data.offset + header_.data.size;
  u64 build_id = 0;  // the body of the first section
  std::memcpy(&build_id, &whole_[features], sizeof build_id);
  const auto huge = u64{1} << 60;
  struct Row {
    const char* name;
    u64 at;
    std::size_t size;
    u64 value;
    u64 told_at;
    const char* said;
  };
  const Row rows[] = {
      {"magic", 0, 8, 1, 0, "header: magic: expected PERFILE2"},
      {"header size", 8, 8, 105, 8, "header: size: expected 104, 72 or 16, found 105"},
      {"attr entry size, small", 16, 8, 79, 16, "header: attr entry size: expected 80 to 4096, found 79"},
      {"attr entry size, large", 16, 8, huge, 16, "header: attr entry size"},
      {"attr entry size, other", 16, 8, 120, 32, "one or more entries of 120 bytes, found 128"},
      {"attrs offset", 24, 8, huge, 24, "header: attrs section: expected a range within the file's"},
      {"attrs offset, wrapping", 24, 8, ~u64{0} - 63, 24, "header: attrs section"},
      {"attrs size", 32, 8, huge, 24, "header: attrs section"},
      {"no attrs", 32, 8, 0, 32,
       "header: size of attrs section: expected one or more entries of 128 bytes, found 0"},
      {"data offset", 40, 8, huge, 40, "header: data section"},
      {"data size", 48, 8, huge, 40, "header: data section"},
      {"data size, wrapping", 48, 8, ~u64{0} - 200, 40, "header: data section"},
      {"attr size, small", kAttrAt + 4, 4, 63, kAttrAt + 4, "attr 0 size: expected 64 to 112, found 63"},
      {"attr size, large", kAttrAt + 4, 4, 136, kAttrAt + 4, "attr 0 size: expected 64 to 112, found 136"},
      {"sample type", kAttrAt + 24, 8, u64{1} << 40, kAttrAt + 24,
       "attr 0 sample_type: expected bits of 0x1ffffff"},
      {"ids offset", kIdsSectionAt, 8, huge, kIdsSectionAt, "attr 0 ids: expected a range within"},
      {"ids size", kIdsSectionAt + 8, 8, huge, kIdsSectionAt, "attr 0 ids: expected a range within"},
      {"ids size, odd", kIdsSectionAt + 8, 8, 7, kIdsSectionAt + 8,
       "attr 0 size of ids: expected a multiple of 8"},
      {"record size 0", comm + 6, 2, 0, comm + 6, "COMM record: size: expected 8 to"},
      {"record size, large", comm + 6, 2, 0xfff8, comm + 6, "COMM record: size: expected 8 to"},
      {"comm without room", comm + 6, 2, 16, comm + 8,
       "COMM record: sample_id: expected 24 bytes, found 8 left"},
      {"comm without NUL", comm + 16, 8, ~u64{0}, comm + 16, "COMM record: name: expected a NUL"},
      {"mmap2 build-id size", mmap2 + 40, 1, 21, 0,
       "MMAP2 record: build-id size: expected at most 20, found 21"},
      {"mmap2 without NUL", mmap2 + 72, 8, ~u64{0}, mmap2 + 72, "MMAP2 record: filename: expected a NUL"},
      {"branch count", sample + 48, 8, 3, sample + 56,
       "SAMPLE record: BRANCH_STACK count: expected at most 2 elements of 24 bytes, found 3"},
      {"branch count, wrapping", sample + 48, 8, u64{1} << 61, sample + 56,
       "BRANCH_STACK count: expected at most 2"},
      {"sample cut", sample + 6, 2, 40, sample + 40, "SAMPLE record: PERIOD: expected 8 bytes, found 0 left"},
      {"feature bits", 72, 8, ~u64{0}, 0, "feature"},
      {"feature offset", features, 8, huge, features,
       "section of feature 2: expected a range within the file's"},
      {"feature size", features + 8, 8, huge, features,
       "section of feature 2: expected a range within the file's"},
      {"hostname cut", features + 16 + 8, 8, 3, 0, "feature HOSTNAME: text: expected 4 bytes, found 3 left"},
      {"build-id record size", build_id + 6, 2, 35, 0,
       "feature BUILD_ID: record size: expected at least 36, found 35"},
      {"build-id size", build_id + 32, 1, 21, 0,
       "feature BUILD_ID: build-id size: expected at most 20, found 21"},
  };
  for (const Row& row : rows) {
    auto bytes = whole_;
    std::memcpy(&bytes[row.at], &row.value, row.size);
    const std::string error = error_with(bytes);
    EXPECT_NE(error.find(row.said), std::string::npos) << row.name << ": " << error;
    EXPECT_EQ(error.find(path_ + ": offset 0x"), 0u) << row.name << ": " << error;
    if (row.told_at == 0) continue;
    EXPECT_EQ(error.find(fmt::format("{}: offset {:#x}: ", path_, row.told_at)), 0u)
        << row.name << ": " << error;
  }
}

TEST_F(DamagedFile, any_byte_may_be_wrong) {
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole_.size(); ++at) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      auto bytes = whole_;
      bytes[at] ^= static_cast<std::byte>(flip);
      const std::string error = error_with(bytes);
      if (error.empty()) continue;
      ++refused;
      EXPECT_NE(error.find(path_ + ": offset 0x"), std::string::npos) << at << ": " << error;
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST_F(DamagedFile, may_end_anywhere) {
  for (std::size_t size = 0; size < whole_.size(); size += 3) {
    const std::string error = error_with(std::span(whole_).first(size));
    // The padding of the last section is all that may go unnoticed.
    if (size + 64 < whole_.size()) {
      EXPECT_NE(error.find("offset 0x"), std::string::npos) << size;
    }
  }
}

TEST_F(DamagedFile, words_of_it_may_be_anything) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 3000; ++i) {
    auto bytes = whole_;
    for (u64 n = 1 + random() % 4; n != 0; --n) {
      const std::size_t at = random() % (bytes.size() / 8) * 8;
      const u64 word = random() % 2 == 0 ? random() >> random() % 64 : random() % bytes.size();
      std::memcpy(&bytes[at], &word, sizeof word);
    }
    const std::string error = error_with(bytes);
    if (error.empty()) continue;
    EXPECT_EQ(error.find(path_), 0u) << error;
  }
}

}  // namespace
}  // namespace lastbranch::perfdata::test
