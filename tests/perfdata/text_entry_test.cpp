// Single entries, in every variant that a perf prints.
#include "sim/perfdata/text_entry.h"

#include <gtest/gtest.h>

#include "tests/perfdata/text_support.h"

namespace lastbranch::perfdata::test {
namespace {

struct Row {
  const char* text;
  BranchEntry entry;
};

BranchEntry entry(u64 from, u64 to, const BranchFlags& flags, bool not_taken = false) {
  return {from, to, flags.pack() | (not_taken ? kBranchNotTaken : 0)};
}

const Row kRows[] = {
    {"0x40062f/0x4005b0/P/-/-/9", entry(0x40062f, 0x4005b0, {.predicted = true, .cycles = 9})},
    {"0x40062f/0x4005b0/P/-/-/9/", entry(0x40062f, 0x4005b0, {.predicted = true, .cycles = 9})},
    {"0x0/0x0/-/-/-/0", entry(0, 0, {})},
    {"0xffffffffffffffff/0xffffffff81000000/M/X/A/65535",
     entry(~u64{0}, 0xffffffff81000000,
           {.mispredicted = true, .in_tx = true, .abort = true, .cycles = 65535})},
    {"0x1/0x2/P/-/-/-", entry(1, 2, {.predicted = true})},
    {"0x1/0x2/P/-/-/0/CALL", entry(1, 2, {.predicted = true, .type = BranchType::kCall})},
    {"0x1/0x2/P/-/-/3/IND_CALL", entry(1, 2, {.predicted = true, .cycles = 3, .type = BranchType::kIndCall})},
    {"0x1/0x2/P/-/-/3/-", entry(1, 2, {.predicted = true, .cycles = 3})},
    {"0x1/0x2/P/-/-/3/N/A", entry(1, 2, {.predicted = true, .cycles = 3})},
    {"0x1/0x2/P/-/-/3/N/A/-", entry(1, 2, {.predicted = true, .cycles = 3})},
    {"0x401310/0x4012f0/P/-/-/22//-", entry(0x401310, 0x4012f0, {.predicted = true, .cycles = 22})},
    {"0x1/0x2/P/-/-/3//NON_SPEC_CORRECT_PATH", entry(1, 2, {.predicted = true, .cycles = 3, .spec = 2})},
    {"0x1/0x2/M/-/-/3/COND/SPEC_WRONG_PATH",
     entry(1, 2, {.mispredicted = true, .cycles = 3, .type = BranchType::kCond, .spec = 1})},
    {"0x1/0x2/P/-/-/3/RET/SPEC_CORRECT_PATH",
     entry(1, 2, {.predicted = true, .cycles = 3, .type = BranchType::kRet, .spec = 3})},
    {"0x1/0x2/P/-/-/3/ARCH_3/-",
     entry(1, 2, {.predicted = true, .cycles = 3, .type = BranchType::kExtendAbi, .new_type = 5})},
    {"0x1/0x2/PN/-/-/0/COND/-", entry(1, 2, {.predicted = true, .type = BranchType::kCond}, true)},
    {"0x1/0x2/MN/-/-/0//-", entry(1, 2, {.mispredicted = true}, true)},
    {"0x1/0x2/N/-/-/0//-", entry(1, 2, {}, true)},
    // With the file, before perf 6.2 without a blank; names hold slashes, blanks and parentheses.
    {"0xa (/lib/x)/0xb (/lib/y)/P/-/-/1/", entry(0xa, 0xb, {.predicted = true, .cycles = 1})},
    {"0xa(/lib/x)/0xb(/lib/y)/P/-/-/1/COND",
     entry(0xa, 0xb, {.predicted = true, .cycles = 1, .type = BranchType::kCond})},
    {"0xa (/my lib/x (deleted))/0xb ([kernel.kallsyms])/M/-/-/1",
     entry(0xa, 0xb, {.mispredicted = true, .cycles = 1})},
    {"0xa (/a/P/-/-/1/b)/0xb (/0x1/0x2/P/-/-/5/x)/-/-/-/7//-", entry(0xa, 0xb, {.cycles = 7})},
    {"0xa (inlined)/x)/0xb ([unknown])/P/-/-/1/", entry(0xa, 0xb, {.predicted = true, .cycles = 1})},
    // With build-ids before the addresses.
    {"aabb1122:0x40062f/aabb1122:0x4005b0/P/-/-/9",
     entry(0x40062f, 0x4005b0, {.predicted = true, .cycles = 9})},
    {"aabb1122:0x40062f/0x4005b0/P/-/-/9//-", entry(0x40062f, 0x4005b0, {.predicted = true, .cycles = 9})},
};

TEST(TextEntry, reads_every_variant) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.text);
    const std::string_view text = row.text;
    const char* at = text.data();
    BranchEntry read;
    EntryCounts counts;
    const auto fault = parse_address_entry(at, text.data() + text.size(), read, counts);
    ASSERT_FALSE(fault.has_value()) << fault->field << ": expected " << fault->expected << " at "
                                    << fault->at;
    EXPECT_EQ(at, text.data() + text.size());
    EXPECT_EQ(to_text(read), to_text(row.entry));
    EXPECT_EQ(read.flags, row.entry.flags);
  }
}

TEST(TextEntry, the_short_cut_reads_the_same_or_nothing) {
  std::size_t taken = 0;
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.text);
    const std::string text = std::string(row.text) + " ";  // the end may be a blank, too
    for (const std::size_t size : {text.size() - 1, text.size()}) {
      const char* at = text.data();
      BranchEntry read;
      EntryCounts counts;
      if (!parse_plain_entry(at, text.data() + size, read, counts)) continue;
      ++taken;
      EXPECT_EQ(at, text.data() + text.size() - 1);
      EXPECT_EQ(read, row.entry);
    }
  }
  EXPECT_EQ(taken, 2 * 15u);
}

TEST(TextEntry, every_field_that_is_wrong_is_named) {
  struct Bad {
    const char* text;
    const char* field;
    std::size_t column;
  };
  const Bad rows[] = {
      {"0x/0x2/P/-/-/1", "from", 0},
      {"0x11111111111111111/0x2/P/-/-/1", "from", 0},
      {"0x1", "from", 3},
      {"0x1/", "to", 4},
      {"0x1/zz/P/-/-/1", "to", 4},
      {"0x1/0x2", "prediction", 7},
      {"0x1/0x2/Q/-/-/1", "prediction", 8},
      {"0x1/0x2/P", "transaction", 9},
      {"0x1/0x2/P/Y/-/1", "transaction", 10},
      {"0x1/0x2/P/-/B/1", "abort", 12},
      {"0x1/0x2/P/-/-", "cycles", 13},
      {"0x1/0x2/P/-/-/x", "cycles", 14},
      {"0x1/0x2/P/-/-/1x", "entry", 15},
      {"0x1 (/lib/x/0x2/P/-/-/1", "file of from", 3},
      {"0x1 (/lib/x)/0x2 (/lib/y/P/-/-/1", "file of to", 16},
  };
  for (const Bad& row : rows) {
    SCOPED_TRACE(row.text);
    const std::string_view text = row.text;
    const char* at = text.data();
    BranchEntry read;
    EntryCounts counts;
    EXPECT_FALSE(parse_plain_entry(at, text.data() + text.size(), read, counts));
    const auto fault = parse_address_entry(at, text.data() + text.size(), read, counts);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(at, text.data());
    EXPECT_EQ(fault->field, row.field);
    EXPECT_EQ(static_cast<std::size_t>(fault->at - text.data()), row.column);
  }
}

TEST(TextEntry, counts_what_an_entry_cannot_hold) {
  EntryCounts counts;
  const auto read = [&](std::string_view text) {
    const char* at = text.data();
    BranchEntry result;
    EXPECT_FALSE(parse_address_entry(at, text.data() + text.size(), result, counts).has_value());
    return result;
  };
  EXPECT_EQ(BranchFlags::unpack(read("0x1/0x2/P/-/-/65536").flags).cycles, 65535u);
  EXPECT_EQ(BranchFlags::unpack(read("0x1/0x2/P/-/-/99999999999999999999").flags).cycles, 65535u);
  EXPECT_EQ(counts.saturated_cycles, 2u);
  EXPECT_EQ(read("1f/0x2/P/-/-/1").from, 0x1fu);
  EXPECT_EQ(counts.without_0x, 1u);
  EXPECT_EQ(read("0x1/0x2/P/-/-/1/NEWKIND/NEWOUTCOME"), (BranchEntry{1, 2, 2 | 1 << 4}));
  EXPECT_EQ(counts.unknown_types, 2u);
  EXPECT_EQ(counts.build_ids, 0u);
  EXPECT_EQ(counts.not_taken, 0u);
}

TEST(TextEntry, finds_where_entries_and_flags_start) {
  const auto entry_at = [](std::string_view text) {
    const char* found = find_address_entry(text.data(), text.data() + text.size());
    return found == nullptr ? -1 : static_cast<int>(found - text.data());
  };
  EXPECT_EQ(entry_at("  401000 0x1/0x2/P/-/-/1"), 9);
  EXPECT_EQ(entry_at("0x1/0x2/P/-/-/1"), 0);
  EXPECT_EQ(entry_at("0x401000 0x1/0x2/P/-/-/1"), 9);
  EXPECT_EQ(entry_at("cpu/event=0xc4,umask=0x20/u: 401000 0x1/0x2/P/-/-/1"), 36);
  EXPECT_EQ(entry_at("401000 (/x) 0x1(/lib/x)/0x2(/lib/x)/P/-/-/1"), 12);
  EXPECT_EQ(entry_at("401000 (/x) 0x1 (/lib/x)/0x2 (/lib/x)/P/-/-/1"), 12);
  EXPECT_EQ(entry_at("ab12:401000 ab12:0x1/ab12:0x2/P/-/-/1"), 12);
  EXPECT_EQ(entry_at("0x401000 main (/x)main+0x1/main+0x2/P/-/-/1"), -1);
  EXPECT_EQ(entry_at("main+0x1/main+0x2/P/-/-/1"), -1);
  EXPECT_EQ(entry_at("0x"), -1);
  EXPECT_EQ(entry_at(""), -1);
  const auto flags_at = [](std::string_view text) {
    const char* found = find_flags(text.data(), text.data() + text.size());
    return found == nullptr ? -1 : static_cast<int>(found - text.data());
  };
  EXPECT_EQ(flags_at("main+0x1/main+0x2/P/-/-/1"), 17);
  EXPECT_EQ(flags_at("operator/+0x1/f(a, b)+0x2/M/X/A/-"), 25);
  EXPECT_EQ(flags_at("/usr/lib/P/-/x"), -1);
  EXPECT_EQ(flags_at(""), -1);
}

}  // namespace
}  // namespace lastbranch::perfdata::test
