#include "sim/perfdata/branch_entry.h"

#include <gtest/gtest.h>

namespace lastbranch::perfdata {
namespace {

TEST(BranchEntry, flags_lie_where_perf_event_h_has_them) {
  struct Row {
    const char* name;
    BranchFlags flags;
    u64 word;
  };
  const Row rows[] = {
      {"none", {}, 0},
      {"mispredicted", {.mispredicted = true}, 1},
      {"predicted", {.predicted = true}, 2},
      {"in_tx", {.in_tx = true}, 4},
      {"abort", {.abort = true}, 8},
      {"cycles", {.cycles = 0x1234}, 0x12340},
      {"type", {.type = BranchType::kNoTx}, 14u << 20},
      {"spec", {.spec = 3}, 3u << 24},
      {"new_type", {.type = BranchType::kExtendAbi, .new_type = 9}, 15u << 20 | 9u << 26},
      {"priv", {.priv = 3}, u64{3} << 30},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(row.flags.pack(), row.word) << row.name;
    EXPECT_EQ(BranchFlags::unpack(row.word), row.flags) << row.name;
  }
}

TEST(BranchEntry, cycles_saturate) {
  EXPECT_EQ(BranchFlags::unpack(BranchFlags{.cycles = 0x10000}.pack()).cycles, 0xffffu);
  EXPECT_EQ((BranchFlags{.cycles = ~u64{0}, .type = BranchType::kCond}.pack()), 0x1ffff0u);
}

TEST(BranchEntry, reserved_bits_are_ignored_when_read) {
  EXPECT_EQ(BranchFlags::unpack(~u64{0} << 33), BranchFlags{});
}

TEST(BranchEntry, every_kind_of_near_branch_has_a_type_of_its_own) {
  EXPECT_EQ(branch_type(BranchKind::kJcc), BranchType::kCond);
  EXPECT_EQ(branch_type(BranchKind::kRelJmp), BranchType::kUncond);
  EXPECT_EQ(branch_type(BranchKind::kIndJmp), BranchType::kInd);
  EXPECT_EQ(branch_type(BranchKind::kRelCall), BranchType::kCall);
  EXPECT_EQ(branch_type(BranchKind::kIndCall), BranchType::kIndCall);
  EXPECT_EQ(branch_type(BranchKind::kRet), BranchType::kRet);
  EXPECT_EQ(branch_type(BranchKind::kSysret), BranchType::kSysret);
  EXPECT_EQ(branch_type(BranchKind::kFar), BranchType::kUnknown);
}

}  // namespace
}  // namespace lastbranch::perfdata
