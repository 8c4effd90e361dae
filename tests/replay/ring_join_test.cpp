// Joining windows: only where it is proved, and never falsely; what was dropped or swapped is found.
#include <utility>

#include <gtest/gtest.h>

#include "tests/replay/ring_support.h"

namespace lastbranch::replay::test {
namespace {

std::vector<BranchEntry> newest_first(std::size_t n, u64 start) {
  std::vector<BranchEntry> all;
  for (std::size_t k = 0; k < n; ++k) all.push_back(entry(start - 16 * k, start - 16 * k + 8, 3));
  return all;
}

TEST(JoinWindows, equal_entries_alone_prove_nothing) {
  const auto later = newest_first(32, 0x9000);
  const auto earlier = newest_first(32, 0x9000 - 16 * 5);
  EXPECT_EQ(join_windows(earlier, later, 32, {}).overlap, Overlap::kUnknown);
  EXPECT_EQ(join_windows(earlier, later, 32, {.most = 32}).overlap, Overlap::kUnknown);
  const Join join = join_windows(earlier, later, 32, {.most = 13});
  EXPECT_EQ(join.overlap, Overlap::kProved);
  EXPECT_EQ(join.distance, 5u);
}

TEST(JoinWindows, loops_are_ambiguous) {
  std::vector<BranchEntry> loop;
  for (int k = 0; k < 40; ++k) loop.push_back(k % 4 == 0 ? entry(0x400, 0x300, 7) : entry(0x380, 0x390, 2));
  const Window all(loop);
  EXPECT_EQ(join_windows(all.subspan(8), all.first(32), 32, {.most = 15}).overlap, Overlap::kAmbiguous);
  const Join near = join_windows(all.subspan(4, 32), all.first(32), 32, {.most = 15, .places = 4});
  EXPECT_EQ(near.overlap, Overlap::kProved) << "the place of the newest decides";
  EXPECT_EQ(near.distance, 4u);
}

TEST(JoinWindows, rings_that_fill_up_must_have_grown_by_the_distance) {
  const auto later = newest_first(12, 0x9000);
  const Window all(later);
  EXPECT_EQ(join_windows(all.subspan(5), all, 32, {.most = 20}).distance, 5u);
  EXPECT_EQ(join_windows(all.subspan(5), all.first(10), 32, {.most = 20}).overlap, Overlap::kUnknown);
}

TEST(JoinWindows, the_cycles_of_a_window_may_reach_behind_the_sample_before) {
  auto later = newest_first(32, 0x9000);
  for (BranchEntry& e : later) e.flags = BranchFlags{.predicted = true, .cycles = 50'000}.pack();
  auto earlier = std::vector<BranchEntry>(later.begin() + 3, later.end());
  for (u64 k = 0; k < 3; ++k) earlier.push_back(entry(0x7000 - 16 * k, 0x7000, 50'000));
  EXPECT_EQ(join_windows(earlier, later, 32, {.nanoseconds = 50'000}).distance, 3u);
  EXPECT_EQ(join_windows(earlier, later, 32, {.nanoseconds = 50'000}).overlap, Overlap::kProved);
  EXPECT_EQ(join_windows(earlier, later, 32, {.nanoseconds = 300'000}).overlap, Overlap::kUnknown);
}

TEST(JoinWindows, windows_that_must_overlap_but_do_not_are_told) {
  const auto a = newest_first(16, 0x9000);
  const auto b = newest_first(16, 0x2'0000);
  EXPECT_EQ(join_windows(a, b, 16, {.most = 10}).overlap, Overlap::kNone);
  EXPECT_EQ(join_windows(a, Window(b).first(8), 16, {.most = 10}).overlap, Overlap::kUnknown)
      << "the ring was emptied";
}

TEST(JoinWindows, entries_that_perf_dropped_leave_their_places) {
  const auto all = newest_first(64, 0x9000);
  // Of the ring's 32 places one holds a return from the kernel, which perf does not hand out.
  const Window later = Window(all).first(31);
  EXPECT_EQ(join_windows(Window(all).subspan(5, 32), later, 32, {.most = 20, .places = 6}).overlap,
            Overlap::kUnknown);
  EXPECT_EQ(join_windows(Window(all).subspan(5, 32), later, 32, {.most = 20, .places = 4}).overlap,
            Overlap::kNone);
}

TEST(JoinWindows, events_bound_the_branches_or_do_not) {
  struct Row {
    u32 type;
    u64 config;
    u64 precise;
    std::optional<u64> most;
  };
  constexpr Row kRows[] = {{0, 0, 0, std::nullopt},
                           {0, 1, 0, 28},
                           {0, 4, 0, 28},
                           {0, 4, 2, 22},
                           {0, 5, 0, std::nullopt},
                           {4, 0x20c4, 3, 22},
                           {4, 0xc4, 0, 28},
                           {4, 0xc0, 1, 28},
                           {4, 0x1c5, 0, std::nullopt},
                           {1, 4, 0, std::nullopt},
                           {4, 0x100'00c4, 0, std::nullopt}};
  for (const Row& row : kRows) {
    perfdata::Attr attr;
    attr.type = row.type;
    attr.config = row.config;
    attr.flags = row.precise << perfdata::kAttrPreciseIpShift;
    EXPECT_EQ(most_branches(attr, 20), row.most) << row.type << " " << row.config;
  }
  EXPECT_EQ(most_branches({}, 0), std::nullopt);
}

/// A program sampled every 20 branches and a few, as it ran.
std::vector<SampleRecord> stream(unsigned depth, bool cycles, std::size_t samples = 100) {
  Program program(cycles, 3);
  program.run(depth);
  std::vector<SampleRecord> all;
  for (std::size_t k = 0; k < samples; ++k) {
    program.run(depth == 32 ? 18 + k % 7 : 6 + k % 3);
    all.push_back(program.sample(depth));
    all.back().period = depth == 32 ? 20 : 7;
    all.back().time = 1000 * k;
  }
  return all;
}

TEST(RingReplay, a_joined_stream_is_driven_once_and_read_at_every_sample) {
  for (const char* part : {"skylake", "haswell", "sapphirerapids", "westmere", "goldmont"}) {
    const LbrParams& lbr = cpu::uarch(part).lbr;
    const bool cycles = lbr.arch.depth_mask != 0 || lbr::has_cycles(lbr.format);
    Replayed replayed(part, event(kUserAny, lbr.depth == 32 ? 20 : 7));
    for (const SampleRecord& s : stream(lbr.depth, cycles)) replayed.take(s);
    EXPECT_EQ(replayed.held(), 100u) << part;
    EXPECT_EQ(replayed.report().joined, 99u) << part;
  }
}

TEST(RingReplay, the_place_of_the_newest_comes_back_over_a_joined_stream) {
  auto all = stream(32, true);
  u64 place = 5;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (k != 0) place += 18 + k % 7;
    all[k].hw_index = place % 32;
  }
  for (const bool wrong : {false, true}) {
    Replayed replayed("skylake", event(kUserAny | perfdata::kBranchHwIndex, 20));
    if (wrong) all[50].hw_index ^= 1;
    for (const SampleRecord& s : all) replayed.take(s);
    EXPECT_EQ(replayed.report().agrees(), !wrong);
    EXPECT_EQ(replayed.held(), wrong ? 98u : 100u) << "neither what leads there nor what leads on";
  }
}

TEST(RingReplay, a_place_that_the_kernel_does_not_know_is_not_compared) {
  auto all = stream(32, true);
  for (SampleRecord& s : all) s.hw_index = ~u64{0};
  Replayed replayed("skylake", event(kUserAny | perfdata::kBranchHwIndex, 20));
  for (const SampleRecord& s : all) replayed.take(s);
  EXPECT_EQ(replayed.held(), 100u);
  EXPECT_EQ(replayed.report().joined, 99u);
  EXPECT_TRUE(replayed.report().agrees());
}

TEST(RingReplay, samples_are_not_joined_over_gaps_threads_processors_or_other_events) {
  const auto all = stream(32, true, 10);
  Replayed gaps("skylake", event(kUserAny, 20));
  Replayed ended("skylake", event(kUserAny, 20));
  Replayed threads("skylake", event(kUserAny, 20));
  Replayed processors("skylake", event(kUserAny, 20));
  Replayed unbounded("skylake", [] {
    perfdata::EventInfo info = event(kUserAny, 20);
    info.attr.config = 0;
    return info;
  }());
  u32 k = 0;
  for (SampleRecord s : all) {
    gaps.ring().gap();
    gaps.take(s);
    ended.take(s);
    ended.ring().exit(s.tid);
    unbounded.take(s);
    s.tid = 1 + k;
    threads.take(s);
    s.tid = 1;
    s.cpu = ++k;
    processors.take(s);
  }
  for (const Replayed* r : {&gaps, &ended, &threads, &processors, &unbounded}) {
    EXPECT_EQ(r->report().joined, 0u);
    EXPECT_EQ(r->held(), 10u);
  }
}

TEST(RingReplay, an_entry_dropped_from_a_stream_is_found) {
  for (std::size_t entry = 0; entry < 31; ++entry) {
    auto all = stream(32, true, 3);
    auto& middle = all[1].branches;
    middle.erase(middle.begin() + static_cast<std::ptrdiff_t>(entry));
    // Once with a gap closed by what came before, once one entry short.
    for (const bool filled : {false, true}) {
      if (filled) middle.push_back(test::entry(0x40'0000, 0x40'0010, 3));
      Replayed replayed("skylake", event(kUserAny, 20));
      for (const SampleRecord& s : all) replayed.take(s);
      // An entry that no other window shows is missed by the length alone.
      EXPECT_EQ(replayed.report().shortened, filled ? 0u : 1u);
      const bool seen_elsewhere = entry > 0 && (entry < 12 || entry > 18);
      if (filled || seen_elsewhere) {
        EXPECT_GE(replayed.of(Cause::kUnexplained), 1u) << entry << ' ' << filled;
      }
    }
  }
}

TEST(RingReplay, swapped_entries_of_a_stream_are_found) {
  for (std::size_t entry = 0; entry < 31; ++entry) {
    auto all = stream(32, true, 3);
    std::swap(all[1].branches[entry], all[1].branches[entry + 1]);
    Replayed replayed("skylake", event(kUserAny, 20));
    for (const SampleRecord& s : all) replayed.take(s);
    EXPECT_FALSE(replayed.report().agrees()) << entry;
  }
}

TEST(RingReplay, loops_are_not_joined_but_come_back) {
  Replayed replayed("haswell", event(kUserAny, 7));
  SampleRecord s;
  s.tid = 1;
  s.period = 7;
  s.branches.assign(16, entry(0x401000, 0x400ff0));
  for (int k = 0; k < 10; ++k) replayed.take(s);
  EXPECT_EQ(replayed.held(), 10u);
  EXPECT_EQ(replayed.report().joined, 0u);
  EXPECT_EQ(replayed.report().ambiguous, 9u);
}

}  // namespace
}  // namespace lastbranch::replay::test
