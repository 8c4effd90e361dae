#include "models/lbr/lbr_select.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "models/lbr/lbr.h"
#include "sim/base/error.h"

namespace lastbranch::lbr {
namespace {

constexpr unsigned kKinds = static_cast<unsigned>(BranchKind::kCount);

bool keeps(u64 select, BranchKind kind, unsigned cpl_to, bool early = false) {
  return ((keep_mask(select, early) >> keep_bit(kind, cpl_to)) & 1) != 0;
}

TEST(LbrSelect, zero_records_everything) {
  for (unsigned k = 0; k < kKinds; ++k) {
    for (unsigned cpl = 0; cpl < 4; ++cpl) EXPECT_TRUE(keeps(0, static_cast<BranchKind>(k), cpl));
  }
}

TEST(LbrSelect, each_type_bit_drops_its_class_at_every_privilege) {
  const auto far = {BranchKind::kFar,     BranchKind::kSyscall,   BranchKind::kSysret,   BranchKind::kIret,
                    BranchKind::kSoftInt, BranchKind::kException, BranchKind::kInterrupt};
  const struct {
    u64 bit;
    std::vector<BranchKind> drops;
  } rows[] = {{select::kJcc, {BranchKind::kJcc}},
              {select::kNearRelCall, {BranchKind::kRelCall}},
              {select::kNearIndCall, {BranchKind::kIndCall}},
              {select::kNearRet, {BranchKind::kRet}},
              {select::kNearIndJmp, {BranchKind::kIndJmp}},
              {select::kNearRelJmp, {BranchKind::kRelJmp}},
              {select::kFarBranch, far}};
  for (const auto& row : rows) {
    for (unsigned k = 0; k < kKinds; ++k) {
      const auto kind = static_cast<BranchKind>(k);
      const bool dropped = std::ranges::find(row.drops, kind) != row.drops.end();
      for (unsigned cpl = 0; cpl < 4; ++cpl)
        EXPECT_EQ(keeps(row.bit, kind, cpl), !dropped) << row.bit << ' ' << k;
    }
  }
}

TEST(LbrSelect, privilege_bits_test_the_destination) {
  for (unsigned k = 0; k < kKinds; ++k) {
    const auto kind = static_cast<BranchKind>(k);
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
      EXPECT_EQ(keeps(select::kCplEq0, kind, cpl), cpl != 0);
      EXPECT_EQ(keeps(select::kCplNeq0, kind, cpl), cpl == 0);
      EXPECT_FALSE(keeps(select::kCplEq0 | select::kCplNeq0, kind, cpl));
    }
  }
}

TEST(LbrSelect, early_jmp_filters_drop_calls_too) {
  // Nehalem: to see calls, software must leave both JMP classes enabled.
  EXPECT_FALSE(keeps(select::kNearRelJmp, BranchKind::kRelCall, 3, true));
  EXPECT_FALSE(keeps(select::kNearIndJmp, BranchKind::kIndCall, 3, true));
  EXPECT_FALSE(keeps(select::kNearIndJmp, BranchKind::kRet, 3, true));
  EXPECT_TRUE(keeps(select::kNearRelJmp, BranchKind::kIndCall, 3, true));
  EXPECT_TRUE(keeps(select::kNearIndJmp, BranchKind::kRelCall, 3, true));
}

TEST(LbrSelect, all_near_classes_off_leave_far_branches) {
  const u64 near = 0xfc;
  for (unsigned k = 0; k < kKinds; ++k) {
    EXPECT_EQ(keeps(near, static_cast<BranchKind>(k), 3), k >= static_cast<unsigned>(BranchKind::kFar));
  }
}

TEST(LbrSelect, refuses_bits_that_the_part_does_not_have) {
  LbrParams with;
  with.depth = 16;
  Lbr lbr(with);
  EXPECT_NO_THROW(lbr.select(0x1ff));
  EXPECT_THROW(lbr.select(0x400), Error);

  LbrParams without = with;
  without.has_select = false;
  Lbr core2(without);
  EXPECT_NO_THROW(core2.select(0));
  EXPECT_THROW(core2.select(1), Error);
}

}  // namespace
}  // namespace lastbranch::lbr
