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

// Rows: lbr-4-polarity
TEST(LbrSelect, zero_records_everything) {
  for (unsigned k = 0; k < kKinds; ++k) {
    for (unsigned cpl = 0; cpl < 4; ++cpl) EXPECT_TRUE(keeps(0, static_cast<BranchKind>(k), cpl));
  }
}

// Rows: lbr-4-jcc, lbr-4-near-rel-call, lbr-4-near-ind-call, lbr-4-near-ret, lbr-4-near-ind-jmp,
// Rows: lbr-4-near-rel-jmp, lbr-4-far-branch, lbr-6-far, lbr-6-syscall, lbr-6-sysret, lbr-6-int-n,
// Rows: lbr-6-interrupt, lbr-6-fault, lbr-6-far-set, lbr-6-jcc, lbr-6-jmp, lbr-6-ind-jmp, lbr-6-call,
// Rows: lbr-6-ind-call, lbr-6-ret
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

// Rows: lbr-4-cpl-eq-0, lbr-4-cpl-neq-0, lbr-4-kept-iff, lbr-4-cpl-destination, lbr-9-q19
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

// Rows: lbr-4-nehalem, lbr-4-near-ind-jmp, lbr-4-near-rel-jmp, lbr-9-q5
TEST(LbrSelect, early_jmp_filters_drop_calls_too) {
  // Nehalem: to see calls, software must leave both JMP classes enabled.
  EXPECT_FALSE(keeps(select::kNearRelJmp, BranchKind::kRelCall, 3, true));
  EXPECT_FALSE(keeps(select::kNearIndJmp, BranchKind::kIndCall, 3, true));
  EXPECT_FALSE(keeps(select::kNearIndJmp, BranchKind::kRet, 3, true));
  EXPECT_TRUE(keeps(select::kNearRelJmp, BranchKind::kIndCall, 3, true));
  EXPECT_TRUE(keeps(select::kNearIndJmp, BranchKind::kRelCall, 3, true));
}

// Rows: lbr-4-far-only
TEST(LbrSelect, all_near_classes_off_leave_far_branches) {
  const u64 near = 0xfc;
  for (unsigned k = 0; k < kKinds; ++k) {
    EXPECT_EQ(keeps(near, static_cast<BranchKind>(k), 3), k >= static_cast<unsigned>(BranchKind::kFar));
  }
}

// Rows: lbr-2-select-reserved
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
