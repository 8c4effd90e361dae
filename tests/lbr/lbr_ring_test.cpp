// The ring against a naive model in this file: a list of everything recorded, with the filter as the manual
// words it.
#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "models/lbr/lbr.h"
#include "sim/base/error.h"
#include "sim/base/rng.h"

namespace lastbranch::lbr {
namespace {

LbrParams params_of(unsigned depth, LbrFormat format = LbrFormat::kInfo) {
  LbrParams p;
  p.depth = depth;
  p.format = format;
  p.select_mask = 0x3ff;
  return p;
}

RetiredBranch branch(u64 from, u64 to, u64 time, BranchKind kind = BranchKind::kJcc, u8 cpl_to = 3) {
  return {.from = from, .to = to, .time = time, .kind = kind, .length = 2, .cpl_from = 3, .cpl_to = cpl_to};
}

/// MSR_LBR_SELECT, sentence by sentence.
bool suppressed(u64 select, const RetiredBranch& b, bool early) {
  const auto set = [&](unsigned bit) { return ((select >> bit) & 1) != 0; };
  if (set(0) && b.cpl_to == 0) return true;
  if (set(1) && b.cpl_to != 0) return true;
  switch (b.kind) {
    case BranchKind::kJcc:
      return set(2);
    case BranchKind::kRelCall:
      return set(3) || (early && set(7));
    case BranchKind::kIndCall:
      return set(4) || (early && set(6));
    case BranchKind::kRet:
      return set(5) || (early && set(6));
    case BranchKind::kIndJmp:
      return set(6);
    case BranchKind::kRelJmp:
      return set(7);
    default:
      return set(8);
  }
}

/// Remembers every record since the ring was empty.
struct NaiveLbr {
  LbrParams params;
  bool on = false;
  u64 select = 0;
  std::deque<Entry> newest_first{};
  bool time_known = false;
  u64 last_time = 0;

  void enable(bool value) {
    if (value && !on) time_known = false;
    on = value;
  }
  void push(const RetiredBranch& b) {
    if (!on || suppressed(select, b, params.jmp_filters_drop_calls)) return;
    Entry e{.from = b.from, .to = b.to, .kind = b.kind};
    const int format = static_cast<int>(params.format);
    if (format >= 5 && time_known) e.cycles = static_cast<u16>(std::min<u64>(b.time - last_time, 65535));
    if (format >= 3) e.mispredicted = b.mispredicted;
    if (format == 4 || format == 5) {
      e.in_tx = b.in_tx;
      e.abort = b.abort;
    }
    if (format == 0) {
      e.from = static_cast<u32>(e.from);
      e.to = static_cast<u32>(e.to);
    }
    time_known = true;
    last_time = b.time;
    newest_first.push_front(e);
    if (newest_first.size() > params.depth) newest_first.pop_back();
  }
};

RetiredBranch random_branch(Rng& rng, u64 time) {
  const bool kernel_from = rng.chance(1, 3);
  const bool kernel_to = rng.chance(1, 3);
  const auto address = [&](bool kernel) {
    return kernel ? 0xffff'8000'0000'0000 | rng.below(u64{1} << 46) | 1 : rng.below(u64{1} << 46) | 1;
  };
  RetiredBranch b{.from = address(kernel_from),
                  .to = address(kernel_to),
                  .time = time,
                  .kind = static_cast<BranchKind>(rng.below(static_cast<u64>(BranchKind::kCount))),
                  .length = 2,
                  .cpl_from = static_cast<u8>(kernel_from ? 0 : 3),
                  .cpl_to = static_cast<u8>(kernel_to ? 0 : 1 + rng.below(3))};
  b.mispredicted = rng.chance(1, 4);
  b.in_tx = rng.chance(1, 8);
  b.abort = rng.chance(1, 16);
  return b;
}

TEST(LbrRing, agrees_with_the_naive_model_on_random_streams) {
  Rng rng(42);
  for (const unsigned depth : {4u, 8u, 16u, 32u}) {
    for (unsigned format = 0; format <= 7; ++format) {
      for (const bool early : {false, true}) {
        LbrParams params = params_of(depth, static_cast<LbrFormat>(format));
        params.jmp_filters_drop_calls = early;
        Lbr lbr(params);
        NaiveLbr naive{.params = params};
        u64 time = 0;
        for (int step = 0; step < 3000; ++step) {
          time += rng.chance(1, 20) ? rng.below(200'000) : rng.below(30);
          switch (rng.below(60)) {
            case 0: {
              const bool on = rng.chance(4, 5);
              lbr.enable(on);
              naive.enable(on);
              break;
            }
            case 1: {
              const u64 select = rng.chance(1, 2) ? 0 : rng.below(1 << 9) & rng.below(1 << 9);
              lbr.select(select);
              naive.select = select;
              break;
            }
            case 2:
              lbr.clear();
              naive.newest_first.clear();
              break;
            default: {
              const RetiredBranch b = random_branch(rng, time);
              lbr.push(b);
              naive.push(b);
            }
          }
          const std::vector<Entry> expected(naive.newest_first.begin(), naive.newest_first.end());
          ASSERT_EQ(lbr.entries(), expected) << "depth " << depth << " format " << format << " step " << step;
        }
      }
    }
  }
}

TEST(LbrRing, records_nothing_until_enabled) {
  Lbr lbr(params_of(32));
  lbr.push(branch(1, 2, 3));
  EXPECT_TRUE(lbr.entries().empty());
}

TEST(LbrRing, first_record_after_reset_goes_to_index_1) {
  Lbr lbr(params_of(16));
  lbr.enable(true);
  lbr.push(branch(0x100, 0x200, 5));
  EXPECT_EQ(lbr.tos(), 1u);
  EXPECT_EQ(lbr.slot(1).from, 0x100u);
  EXPECT_EQ(lbr.slot(0).from, 0u);
}

TEST(LbrRing, keeps_exactly_the_newest_depth_records) {
  for (const unsigned depth : {8u, 16u, 32u}) {
    Lbr lbr(params_of(depth));
    lbr.enable(true);
    for (u64 n = 1; n <= depth + 1; ++n) {
      lbr.push(branch(n * 16, n * 16 + 8, n));
      EXPECT_EQ(lbr.entries().size(), std::min<u64>(n, depth));
    }
    const auto all = lbr.entries();
    for (u64 i = 0; i < depth; ++i) EXPECT_EQ(all[i].from, (depth + 1 - i) * 16) << "newest first";
  }
}

TEST(LbrRing, cycles_saturate_and_run_over_filtered_branches) {
  Lbr lbr(params_of(32));
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

TEST(LbrRing, counts_no_cycles_for_the_first_record_after_enabling_again) {
  Lbr lbr(params_of(32));
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

TEST(LbrRing, user_filter_drops_the_syscall_and_keeps_the_return_from_it) {
  Lbr lbr(params_of(32));
  lbr.enable(true);
  lbr.select(select::kCplEq0);
  lbr.push(branch(0x401000, 0xffff'ffff'8100'0000, 10, BranchKind::kSyscall, 0));
  lbr.push(branch(0xffff'ffff'8100'0100, 0xffff'ffff'8100'0200, 500, BranchKind::kRelCall, 0));
  lbr.push(branch(0xffff'ffff'8100'0300, 0x401002, 900, BranchKind::kSysret, 3));
  const auto all = lbr.entries();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].from, 0xffff'ffff'8100'0300u);
  EXPECT_EQ(all[0].to, 0x401002u);
}

TEST(LbrRing, read_stops_at_the_room_given) {
  Lbr lbr(params_of(32));
  lbr.enable(true);
  for (u64 n = 1; n <= 32; ++n) lbr.push(branch(n, n, n));
  std::array<Entry, 5> five;
  EXPECT_EQ(lbr.read(five), 5u);
  EXPECT_EQ(five[4].from, 28u);
}

TEST(LbrRing, reset_switches_off_and_empties) {
  Lbr lbr(params_of(8));
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
  for (const unsigned depth : {0u, 1u, 2u, 3u, 6u, 24u, 33u, 64u})
    EXPECT_THROW(Lbr{params_of(depth)}, Error) << depth;
}

}  // namespace
}  // namespace lastbranch::lbr
