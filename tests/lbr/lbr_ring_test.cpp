// The ring one rule at a time; lbr_property_test.cpp has them all at once.
#include <algorithm>
#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

// Rows: lbr-8-lbr, lbr-4-polarity
TEST(LbrRing, records_nothing_until_enabled) {
  Lbr lbr(legacy_part(32));
  lbr.push(branch(1, 2, 3));
  EXPECT_TRUE(lbr.entries().empty());
}

// Rows: lbr-3-first-record, lbr-3-update-order, lbr-3-meaning
TEST(LbrRing, first_record_after_reset_goes_to_index_1) {
  Lbr lbr(legacy_part(16));
  lbr.enable(true);
  lbr.push(branch(0x100, 0x200, 5));
  EXPECT_EQ(lbr.tos(), 1u);
  EXPECT_EQ(lbr.slot(1).from, 0x100u);
  EXPECT_EQ(lbr.slot(0).from, 0u);
}

// Rows: lbr-3-newest-to-oldest
TEST(LbrRing, keeps_exactly_the_newest_depth_records) {
  for (const unsigned depth : {1u, 4u, 8u, 16u, 32u}) {
    Lbr lbr(legacy_part(depth));
    lbr.enable(true);
    for (u64 n = 1; n <= depth + 1; ++n) {
      lbr.push(branch(n * 16, n * 16 + 8, n));
      EXPECT_EQ(lbr.entries().size(), std::min<u64>(n, depth));
    }
    const auto all = lbr.entries();
    for (u64 i = 0; i < depth; ++i) EXPECT_EQ(all[i].from, (depth + 1 - i) * 16) << "newest first";
  }
}

// Rows: lbr-7-unit, lbr-7-includes, lbr-4-filtered-move-nothing
TEST(LbrRing, cycles_saturate_and_run_over_filtered_branches) {
  Lbr lbr(legacy_part(32));
  lbr.enable(true);
  lbr.select(select::kJcc);
  lbr.push(branch(1, 2, 1000, BranchKind::kRelJmp));
  lbr.push(branch(1, 2, 1010, BranchKind::kJcc));
  lbr.push(branch(1, 2, 1030, BranchKind::kRelJmp));
  lbr.push(branch(1, 2, 1030 + 65534, BranchKind::kRelJmp));
  lbr.push(branch(1, 2, 1030 + 65534 + 65535, BranchKind::kRelJmp));
  lbr.push(branch(1, 2, 1030 + 65534 + 65535 + 65536, BranchKind::kRelJmp));
  std::vector<u16> cycles;
  for (const Entry& e : lbr.entries()) cycles.push_back(e.cycles);
  EXPECT_EQ(cycles, (std::vector<u16>{65535, 65535, 65534, 30, 0}));
}

// Rows: lbr-7-invalid
TEST(LbrRing, counts_no_cycles_for_the_first_record_after_enabling_again) {
  Lbr lbr(legacy_part(32));
  lbr.enable(true);
  lbr.push(branch(1, 2, 100));
  lbr.enable(true);
  lbr.push(branch(1, 2, 110));
  lbr.enable(false);
  lbr.enable(true);
  lbr.push(branch(1, 2, 120));
  const auto all = lbr.entries();
  EXPECT_EQ(all[0].cycles, 0);
  EXPECT_EQ(all[1].cycles, 10) << "enabling what is on changes nothing";
}

// Rows: lbr-4-cpl-destination, lbr-9-q19, lbr-6-syscall, lbr-6-sysret
TEST(LbrRing, user_filter_drops_the_syscall_and_keeps_the_return_from_it) {
  Lbr lbr(legacy_part(32));
  lbr.enable(true);
  lbr.select(select::kCplEq0);
  lbr.push(branch(0x401000, 0xffff'ffff'8100'0000, 10, BranchKind::kSyscall, 3, 0));
  lbr.push(branch(0xffff'ffff'8100'0100, 0xffff'ffff'8100'0200, 500, BranchKind::kRelCall, 0, 0));
  lbr.push(branch(0xffff'ffff'8100'0300, 0x401002, 900, BranchKind::kSysret, 0, 3));
  const auto all = lbr.entries();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].from, 0xffff'ffff'8100'0300u);
  EXPECT_EQ(all[0].to, 0x401002u);
}

TEST(LbrRing, read_stops_at_the_room_given) {
  Lbr lbr(legacy_part(32));
  lbr.enable(true);
  for (u64 n = 1; n <= 32; ++n) lbr.push(branch(n, n, n));
  std::array<Entry, 5> five;
  EXPECT_EQ(lbr.read(five), 5u);
  EXPECT_EQ(five[4].from, 28u);
}

// Rows: lbr-8-reset
TEST(LbrRing, reset_switches_off_and_empties) {
  Lbr lbr(legacy_part(8));
  lbr.enable(true);
  lbr.select(select::kJcc);
  lbr.push(branch(1, 2, 3, BranchKind::kRet));
  lbr.reset();
  EXPECT_FALSE(lbr.enabled());
  EXPECT_TRUE(lbr.entries().empty());
  EXPECT_EQ(lbr.tos(), 0u);
  lbr.enable(true);
  lbr.push(branch(1, 2, 3, BranchKind::kJcc));
  EXPECT_EQ(lbr.entries().size(), 1u) << "the filter is cleared too";
}

TEST(LbrRing, refuses_depths_that_cannot_be) {
  for (const unsigned depth : {0u, 2u, 3u, 6u, 24u, 33u, 64u})
    EXPECT_THROW(Lbr{legacy_part(depth)}, Error) << depth;
  EXPECT_THROW(Lbr{legacy_part(16, LbrFormat::kNone)}, Error) << "no records at all";
}

}  // namespace
}  // namespace lastbranch::lbr
