// Which counters count what, and what fits on them at once.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "models/pmu/constraints.h"
#include "models/pmu/events.h"
#include "sim/base/rng.h"

namespace lastbranch::pmu {
namespace {

constexpr u64 kCmask10Inv = 10u << 24 | 1u << 23;

u64 allowed(std::string_view part, u64 select, bool pebs = false) {
  const cpu::Uarch& u = cpu::uarch(part);
  return allowed_counters(u.pmu, constraint_table(u.pmu.events, u.name), {select, pebs});
}

u64 general(std::string_view part) {
  const PmuParams& p = cpu::uarch(part).pmu;
  return p.gp_bitmap != 0 ? p.gp_bitmap : (u64{1} << p.gp_counters) - 1;
}

// Rows: pmu-8.3-core2, pmu-8.3-nehalem, pmu-8.3-sandybridge, pmu-8.3-haswell, pmu-8.3-skylake
// Rows: pmu-8.3-icelake, pmu-8.3-goldencove, pmu-8.3-gracemont
TEST(PmuConstraints, events_have_the_counters_of_their_parts) {
  constexpr u64 kAll = ~u64{0};
  struct Row {
    std::string_view part;
    std::vector<u32> events;  ///< umask in 15:8, event in 7:0
    u64 counters;             ///< of those the part has
  };
  const Row rows[] = {
      {"core2", {0x10, 0x14, 0x18, 0xa1, 0xc9, 0xcb}, 1},
      {"core2", {0x11, 0x12, 0x13, 0x19}, 2},
      {"core2", {0x15, 0xc4, 0x2e}, kAll},
      {"nehalem", {0x40, 0x41, 0x42, 0x43, 0x48, 0x4e, 0x51, 0x63, 0x0f51}, 3},
      {"westmere", {0x40, 0x41, 0x42, 0x43, 0x48, 0x4e, 0x51, 0x63}, 3},
      {"nehalem", {0x3f, 0x44, 0x0b, 0xc4}, kAll},
      {"sandybridge", {0x0148, 0x02a3, 0x06a3}, 4},
      {"sandybridge", {0x01c0}, 2},
      {"sandybridge", {0x01cd, 0x02cd}, 8},
      {"ivybridge", {0x0148, 0x08a3, 0x0ca3}, 4},
      {"ivybridge", {0x0248, 0x02a3, 0x06a3}, 0xf},
      {"ivybridge", {0x81d0, 0x01d1, 0x04a3, 0x05a3, 0xd3}, 0xf},
      {"haswell", {0x0148, 0x08a3, 0x0ca3}, 4},
      {"haswell", {0x01c0}, 2},
      {"haswell", {0x01cd}, 8},
      {"haswell", {0x0248, 0x01a3}, kAll},
      {"broadwell", {0x0148, 0x08a3, 0x0ca3}, 4},
      {"broadwell", {0x01cd}, 0xf},
      {"broadwell", {0x01c0}, 2},  // by its list
      {"nehalem", {0x100b}, 8},    // by its list
      {"skylake", {0x01c0}, 2},
      {"cascadelake", {0x01c0 | kCmask10Inv}, 0xd},
      {"skylake", {0x01c6, 0x01cd, 0x81d0, 0x01d1, 0x01d2, 0x01d3, 0x20c4}, 0xf},
      {"icelake", {0x03, 0x0a, 0x1f, 0x28, 0x32, 0x48, 0x56, 0x60, 0x8b, 0x01a3, 0x0ca3}, 0xf},
      {"icelake", {0xa8, 0xb0, 0xb7, 0xbd, 0x81d0, 0xe6, 0xef, 0xf0, 0xf4}, 0xf},
      {"icelake", {0x04a3, 0x10a3, 0x14a3, 0x0b, 0x1e, 0x29, 0x57, 0xc4, 0xc5, 0xb1, 0xb6, 0xbe, 0xe7}, 0xff},
      {"icx", {0x01c0, 0x20c4, 0x0e}, 0xff},
      {"icelake", {0x0500}, 0},
      {"sapphirerapids", {0x412e, 0x013c, 0x20c4, 0x90, 0xfe, 0x04a3}, 0xff},
      {"sapphirerapids", {0x01, 0x2d, 0x2f, 0x79, 0x8f, 0x01a3, 0x02a3, 0x08a3, 0xd0, 0xdf}, 0xf},
      {"sapphirerapids", {0x04a4, 0x08a4, 0x02cd, 0x01ce}, 1},
      {"sapphirerapids", {0x01cd}, 0xfe},
      {"gracemont", {0x20c4, 0x412e, 0x81d0}, 0x3f},
      {"gracemont", {0x05d0}, 3},
      {"silvermont", {0x20c4, 0x412e}, 3},
  };
  for (const Row& row : rows) {
    for (const u32 event : row.events) {
      EXPECT_EQ(allowed(row.part, event), row.counters & general(row.part))
          << row.part << std::hex << " " << event;
    }
  }
}

// Rows: pmu-8.3-goldencove, pmu-8.3-gracemont, pmu-8.3-pebs
TEST(PmuConstraints, pebs_has_restrictions_of_its_own) {
  EXPECT_EQ(allowed("sapphirerapids", 0x02c0, true), 0xfeu) << "counter 0 would be PDist";
  EXPECT_EQ(allowed("sapphirerapids", 0x02c0, false), 0xffu);
  EXPECT_EQ(allowed("gracemont", 0x05d0, true), 3u);
  EXPECT_EQ(allowed("silvermont", 0x20c4, true), 1u);
  EXPECT_EQ(allowed("icelake", 0x0100, true), 0xff | u64{1} << 32);
  EXPECT_EQ(allowed("skylake", 0x20c4, true), 0xfu);
}

// Rows: pmu-2.3-events
TEST(PmuConstraints, fixed_counters_take_their_events_only_unmodified) {
  EXPECT_EQ(allowed("skylake", 0x00c0), 0xf | u64{1} << 32);
  EXPECT_EQ(allowed("skylake", 0x0100), 0xf | u64{1} << 32);
  EXPECT_EQ(allowed("skylake", 0x003c), 0xf | u64{1} << 33);
  EXPECT_EQ(allowed("skylake", 0x0300), u64{1} << 34);
  EXPECT_EQ(allowed("skylake", 0x0400), 0u) << "no slots counter";
  EXPECT_EQ(allowed("icelake", 0x0400), u64{1} << 35);
  EXPECT_EQ(allowed("skylake", 0x00c0 | kCmask10Inv), 0xfu);
  EXPECT_EQ(allowed("skylake", 0x003c | 1u << 21), 0xfu);
  EXPECT_EQ(general_select(0x43'0100), 0x43'00c0u);
  EXPECT_EQ(general_select(0x43'0200), 0x43'003cu);
  EXPECT_EQ(general_select(0x43'20c4), 0x43'20c4u);
}

// Rows: pmu-8.3-counters
TEST(PmuConstraints, agree_with_the_published_lists) {
  // Where core.c, by which the tables go, says other than the lists: events sampled on other counters than
  // they count on, an umask the kernel ignores, and counters that later lists opened.
  const auto known_difference = [](const cpu::Uarch& u, u32 select) {
    const u32 code = select & 0xffff;
    if (u.name == "sandybridge") return code == 0x0248;
    if (u.pmu.events == EventList::kBroadwell) return code == 0x01cd;
    return false;
  };
  std::size_t compared = 0;
  for (const cpu::Uarch& u : cpu::uarchs()) {
    const u64 gp = general(u.name);
    for (const Event& e : events()) {
      const bool fixed_only = (e.select & 0xff) == 0;
      if (!e.exists(u.pmu.events) || fixed_only || known_difference(u, e.select)) continue;
      const u64 listed = e.counters == 0 ? gp : e.counters & gp;
      EXPECT_EQ(allowed(u.name, e.select) & gp, listed)
          << u.name << " " << e.name << std::hex << " " << e.select;
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000u);
}

/// Whether requests `r`.. fit beside what is taken, by trying everything.
std::size_t most_that_fit(std::span<const u64> allowed, std::size_t r, u64 taken) {
  if (r == allowed.size()) return 0;
  std::size_t best = most_that_fit(allowed, r + 1, taken);
  for (u64 left = allowed[r] & ~taken; left != 0; left &= left - 1) {
    best = std::max(best, 1 + most_that_fit(allowed, r + 1, taken | (left & (0 - left))));
  }
  return best;
}

// Rows: pmu-8.3-scheduling
TEST(PmuConstraints, as_many_events_as_possible_get_counters) {
  constexpr u64 kEvents[] = {0x0100, 0x0200, 0x0300, 0x00c0, 0x01c0, 0x003c, 0x0148, 0x01cd, 0x02a3,
                             0x08a3, 0x81d0, 0x20c4, 0x04a4, 0x05d0, 0x0400, 0x01ce, 0x412e};
  Rng rng(7);
  for (const char* part : {"core2", "nehalem", "sandybridge", "haswell", "skylake"}) {
    const cpu::Uarch& u = cpu::uarch(part);
    const ConstraintTable table = constraint_table(u.pmu.events, u.name);
    for (unsigned round = 0; round < 200; ++round) {
      std::vector<CounterRequest> requests(1 + rng.below(7));
      std::vector<u64> options;
      for (CounterRequest& r : requests) {
        r = {kEvents[rng.below(std::size(kEvents))], rng.chance(1, 5)};
        options.push_back(allowed_counters(u.pmu, table, r));
      }
      const auto placed = schedule(u.pmu, table, requests);
      ASSERT_EQ(placed.size(), requests.size());
      u64 taken = 0;
      std::size_t count = 0;
      for (std::size_t i = 0; i < placed.size(); ++i) {
        if (!placed[i]) continue;
        ++count;
        const u64 bit = u64{1} << *placed[i];
        EXPECT_NE(options[i] & bit, 0u) << part << ": an event on a counter that cannot count it";
        EXPECT_EQ(taken & bit, 0u) << part << ": two events on a counter";
        taken |= bit;
      }
      EXPECT_EQ(count, most_that_fit(options, 0, 0)) << part;
    }
  }
}

// Rows: pmu-8.3-scheduling
TEST(PmuConstraints, earlier_events_stay_and_fixed_counters_go_first) {
  const PmuParams& p = cpu::uarch("skylake").pmu;
  const ConstraintTable table = ConstraintTable::kSkylake;
  std::vector<CounterRequest> requests = {{0x00c0}, {0x003c}, {0x20c4}, {0x01c0}, {0xc5}, {0xd1}, {0x0e}};
  const auto placed = schedule(p, table, requests);
  EXPECT_EQ(placed[0], kFixed + 0);
  EXPECT_EQ(placed[1], kFixed + 1);
  EXPECT_EQ(placed[3], 1u) << "prec_dist has counter 1 only";
  for (std::size_t i = 0; i < 6; ++i) EXPECT_TRUE(placed[i]) << i;
  EXPECT_FALSE(placed[6]) << "five events on four counters: the last waits";
}

}  // namespace
}  // namespace lastbranch::pmu
