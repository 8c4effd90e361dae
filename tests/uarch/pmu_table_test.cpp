// The monitoring resources of every part against the data sheet's table, value by value.
#include <iterator>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"

namespace lastbranch::cpu {
namespace {

struct Row {
  std::string_view name;
  unsigned version;
  unsigned gp, gp_width;
  u32 fixed;  ///< bitmap
  unsigned fixed_width;
  u64 pebs;  ///< counters
  u64 capabilities;
};

constexpr u64 fixed_pebs(u64 bitmap) {
  return bitmap << 32;
}

constexpr Row kRows[] = {
    {"merom", 2, 2, 40, 7, 40, 1, 0x81},
    {"core2", 2, 2, 40, 7, 40, 1, 0xc1},
    {"bonnell", 3, 2, 40, 7, 40, 1, 0xc1},
    {"nehalem", 3, 4, 48, 7, 48, 0xf, 0x11c3},
    {"westmere", 3, 4, 48, 7, 48, 0xf, 0x11c3},
    {"sandybridge", 3, 4, 48, 7, 48, 0xf, 0x31c3},
    {"saltwell", 3, 2, 40, 7, 40, 1, 0xc1},
    {"ivybridge", 3, 4, 48, 7, 48, 0xf, 0x31c3},
    {"haswell", 3, 4, 48, 7, 48, 0xf, 0x32c4},
    {"silvermont", 3, 2, 40, 7, 40, 1, 0x32c1},
    {"broadwell", 3, 4, 48, 7, 48, 0xf, 0x32c4},
    {"bdx", 3, 4, 48, 7, 48, 0xf, 0x32c4},
    {"airmont", 3, 2, 40, 7, 40, 1, 0x32c1},
    {"skylake", 4, 4, 48, 7, 48, 0xf, 0x33c5},
    {"goldmont", 4, 4, 48, 7, 48, 1, 0x33c6},
    {"knightslanding", 3, 2, 40, 7, 40, 1, 0x32c1},
    {"skx", 4, 4, 48, 7, 48, 0xf, 0x33c5},
    {"goldmontplus", 4, 4, 48, 7, 48, 0xf | fixed_pebs(7), 0x33c7},
    {"knightsmill", 3, 2, 40, 7, 40, 1, 0x32c1},
    {"cannonlake", 4, 4, 48, 7, 48, 0xf, 0x33c5},
    {"cascadelake", 4, 4, 48, 7, 48, 0xf, 0x33c5},
    {"icelake", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4c5},
    {"cooperlake", 4, 4, 48, 7, 48, 0xf, 0x33c5},
    {"lakefield", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4c5},
    {"tremont", 5, 4, 48, 7, 48, 0xf | fixed_pebs(7), 0x174c7},
    {"tigerlake", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4c5},
    {"rocketlake", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4c5},
    {"icx", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4c5},
    {"alderlake-p", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4ff},
    {"gracemont", 5, 6, 48, 7, 48, 0x3f | fixed_pebs(7), 0x174ff},
    {"raptorlake-p", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4ff},
    {"sapphirerapids", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4ff},
    {"meteorlake-p", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0x2f4ff},
    {"meteorlake-e", 5, 8, 48, 7, 48, 0xff | fixed_pebs(7), 0x374ff},
    {"emeraldrapids", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0xf4ff},
    {"sierraforest", 5, 8, 48, 7, 48, 0xff | fixed_pebs(7), 0x374ff},
    {"graniterapids", 5, 8, 48, 0xf, 48, 0xff | fixed_pebs(0xf), 0x2f4ff},
    {"lunarlake-p", 6, 10, 48, 0xf, 48, 0x3ff | fixed_pebs(0xf), 0x2f6ff},
    {"lunarlake-e", 6, 8, 48, 0x77, 48, 0xff | fixed_pebs(0x77), 0x376ff},
    {"pantherlake-p", 6, 10, 48, 0xf, 48, 0x3ff | fixed_pebs(0xf), 0xb03f},
    {"pantherlake-e", 6, 8, 48, 0x77, 48, 0xff | fixed_pebs(0x77), 0x303f},
};

// Rows: lbr-1.2-merom, lbr-1.2-penryn, lbr-1.2-bonnell, lbr-1.2-saltwell, lbr-1.2-silvermont
// Rows: lbr-1.2-goldmont, lbr-1.2-goldmontplus, lbr-1.2-tremont, lbr-1.2-gracemont, lbr-1.2-crestmont
// Rows: lbr-1.2-skymont, lbr-1.2-nehalem, lbr-1.2-sandybridge, lbr-1.2-haswell, lbr-1.2-skylake
// Rows: lbr-1.2-icelake, lbr-1.2-sapphirerapids, lbr-1.2-graniterapids, lbr-1.2-goldencove
// Rows: lbr-1.2-lioncove, lbr-1.2-cougarcove, lbr-1.2-knightslanding
// Rows: pmu-2.5-lbr-fmt, pmu-2.5-pebs-trap, pmu-2.5-arch-reg, pmu-2.5-pebs-fmt, pmu-2.5-smm-freeze
// Rows: pmu-2.5-fw-write, pmu-2.5-baseline, pmu-2.5-metrics, pmu-2.5-pebs-pt, pmu-2.5-timing
// Rows: pmu-2.5-reserved, pmu-2.5-hybrid
TEST(PmuTable, parts_have_the_counters_and_capabilities_of_their_row) {
  ASSERT_EQ(std::size(kRows), uarchs().size());
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const PmuParams& p = uarch(row.name).pmu;
    EXPECT_EQ(p.version, row.version);
    EXPECT_EQ(p.gp_counters, row.gp);
    EXPECT_EQ(p.gp_width, row.gp_width);
    EXPECT_EQ(p.fixed_width, row.fixed_width);
    if (row.version >= 5) {
      EXPECT_EQ(p.fixed_bitmap, row.fixed);
    } else {
      EXPECT_EQ(p.fixed_bitmap, 0u) << "enumerated from version 5 on";
      EXPECT_EQ((1u << p.fixed_counters) - 1, row.fixed);
    }
    EXPECT_EQ(p.pebs_counters, row.pebs);
    EXPECT_EQ(p.perf_capabilities, row.capabilities);
    EXPECT_EQ(p.perf_capabilities >> 18, 0u);
    EXPECT_EQ(p.pebs_format, (row.capabilities >> 8) & 0xf);
    EXPECT_TRUE(p.ds_area);
  }
}

// Rows: lbr-1.2-silvermont, lbr-1.2-goldmont, lbr-1.2-goldmontplus, lbr-1.2-knightslanding
TEST(PmuTable, any_thread_counts_exists_or_is_gone) {
  constexpr u64 kAny = 1u << 21;
  struct AnyRow {
    std::string_view name;
    bool exists, counts, deprecated;
  };
  constexpr AnyRow rows[] = {{"merom", false, false, false},         {"bonnell", true, true, false},
                             {"nehalem", true, true, false},         {"silvermont", true, false, false},
                             {"goldmont", true, false, false},       {"goldmontplus", false, false, true},
                             {"skylake", true, true, false},         {"cannonlake", true, true, false},
                             {"icelake", false, false, true},        {"tremont", false, false, true},
                             {"sapphirerapids", false, false, true}, {"knightslanding", true, false, false}};
  for (const AnyRow& row : rows) {
    const PmuParams& p = uarch(row.name).pmu;
    EXPECT_EQ((p.evtsel_mask & kAny) != 0, row.exists) << row.name;
    EXPECT_EQ(p.any_thread, row.counts) << row.name;
    EXPECT_EQ(p.any_thread_deprecated, row.deprecated) << row.name;
  }
}

TEST(PmuTable, event_selects_have_the_bits_of_the_parts_features) {
  const std::pair<std::string_view, u64> rows[] = {
      {"core2", 0xffdf'ffff},
      {"nehalem", 0xffff'ffff},
      {"haswell", 0x3'ffff'ffff},  // IN_TX, IN_TXCP
      {"skylake", 0x3'ffff'ffff},
      {"icelake", 0x4'ffdf'ffff},  // adaptive, no TSX
      {"icx", 0x7'ffdf'ffff},
      {"sapphirerapids", 0x7'ffdf'ffff},
      {"gracemont", 0x4'ffdf'ffff},
      {"sierraforest", 0xc'ffdf'ffff},    // and the log of events in records
      {"lunarlake-p", 0xff1c'ffdf'ffff},  // and EQ, UMASK2
  };
  for (const auto& [name, mask] : rows) EXPECT_EQ(uarch(name).pmu.evtsel_mask, mask) << name;
}

TEST(PmuTable, parts_have_the_event_list_that_intel_publishes_for_them) {
  const std::pair<std::string_view, EventList> rows[] = {{"core2", EventList::kArchitectural},
                                                         {"saltwell", EventList::kBonnell},
                                                         {"nehalem", EventList::kNehalem},
                                                         {"westmere", EventList::kWestmere},
                                                         {"sandybridge", EventList::kSandyBridge},
                                                         {"ivybridge", EventList::kIvyBridge},
                                                         {"airmont", EventList::kSilvermont},
                                                         {"haswell", EventList::kHaswell},
                                                         {"bdx", EventList::kBroadwell},
                                                         {"skylake", EventList::kSkylake},
                                                         {"skx", EventList::kSkylakeX},
                                                         {"cooperlake", EventList::kCascadeLakeX},
                                                         {"goldmont", EventList::kGoldmont},
                                                         {"tremont", EventList::kGoldmontPlus},
                                                         {"rocketlake", EventList::kIceLake},
                                                         {"icx", EventList::kIceLakeX},
                                                         {"raptorlake-p", EventList::kGoldenCove},
                                                         {"gracemont", EventList::kGracemont},
                                                         {"emeraldrapids", EventList::kSapphireRapids},
                                                         {"knightslanding", EventList::kArchitectural}};
  for (const auto& [name, list] : rows) EXPECT_EQ(uarch(name).pmu.events, list) << name;
}

// Rows: lbr-1.2-sandybridge, lbr-1.2-silvermont, lbr-1.2-goldmont
TEST(PmuTable, pebs_has_the_extensions_of_its_generation) {
  constexpr u64 kLoadLatency = u64{0xf} << 32;
  constexpr u64 kStore = u64{1} << 63;
  constexpr u64 kFixed0 = u64{1} << 32;
  constexpr u64 kToPt = u64{7} << 60;
  struct PebsRow {
    std::string_view name;
    u64 extra, pdist;
    bool load_latency, frontend;
    u32 offcore;
  };
  constexpr PebsRow rows[] = {
      {"core2", 0, 0, false, false, 0},
      {"nehalem", kLoadLatency, 0, true, false, 1},
      {"westmere", kLoadLatency, 0, true, false, 2},
      {"sandybridge", kLoadLatency | kStore, 2, true, false, 2},
      {"ivybridge", kLoadLatency | kStore, 2, true, false, 2},
      {"haswell", kLoadLatency, 2, true, false, 2},
      {"skylake", kLoadLatency, 2, true, true, 2},
      {"icelake", 0, kFixed0, true, true, 2},
      {"sapphirerapids", 0, 1 | kFixed0, true, true, 2},
      {"silvermont", 0, 0, false, false, 2},
      {"goldmont", 0, 1, false, false, 2},
      {"tremont", kToPt, 1 | kFixed0, false, false, 2},
      {"gracemont", kToPt, 1 | kFixed0, true, false, 2},
  };
  for (const PebsRow& row : rows) {
    const PmuParams& p = uarch(row.name).pmu;
    EXPECT_EQ(p.pebs_enable_extra, row.extra) << row.name;
    EXPECT_EQ(p.pdist_counters, row.pdist) << row.name;
    EXPECT_EQ(p.load_latency, row.load_latency) << row.name;
    EXPECT_EQ(p.frontend_msr, row.frontend) << row.name;
    EXPECT_EQ(p.offcore_rsp, row.offcore) << row.name;
    EXPECT_EQ(p.pdist_counters & ~p.pebs_counters & ~u64{2}, 0u) << row.name << ": counters that PEBS has";
  }
}

}  // namespace
}  // namespace lastbranch::cpu
