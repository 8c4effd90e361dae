// CPUID's monitoring leaves against raw dumps of real parts.
#include <iterator>

#include <gtest/gtest.h>

#include "models/cpu/cpuid.h"

namespace lastbranch::cpu {
namespace {

struct Dump {
  std::string_view name;
  CpuidResult leaf;
};

// Rows: pmu-2.6-0ah, pmu-2.6-0ah-raw, lbr-1.2-merom, lbr-1.2-bonnell, lbr-9-q18-hybrid-0ah
TEST(MonitoringLeaves, leaf_0ah_says_what_dumps_say) {
  constexpr CpuidResult kSkylake = {0x07300404, 0, 0, 0x603};
  constexpr CpuidResult kIceLake = {0x08300805, 0, 0xf, 0x8604};
  constexpr CpuidResult kAlderLake = {0x07300605, 0, 7, 0x8603};
  constexpr CpuidResult kMeteorLake = {0x07300805, 0, 7, 0x8603};
  constexpr CpuidResult kLunarLake = {0x0d300806, 0x280, 7, 0x8603};
  const Dump dumps[] = {
      {"merom", {0x07280202, 0, 0, 0}},
      {"core2", {0x07280202, 0, 0, 0x503}},
      {"bonnell", {0x07280203, 0, 0, 0x2501}},
      {"saltwell", {0x07280203, 0, 0, 0x503}},
      {"nehalem", {0x07300403, 0, 0, 0x603}},
      {"westmere", {0x07300403, 4, 0, 0x603}},
      {"sandybridge", {0x07300403, 0, 0, 0x603}},
      {"ivybridge", {0x07300403, 0, 0, 0x603}},
      {"haswell", {0x07300403, 0, 0, 0x603}},
      {"broadwell", {0x07300403, 0, 0, 0x603}},
      {"bdx", {0x07300403, 0, 0, 0x603}},
      {"skylake", kSkylake},
      {"skx", kSkylake},
      {"cascadelake", kSkylake},
      {"cooperlake", kSkylake},
      {"cannonlake", kSkylake},
      {"goldmont", kSkylake},
      {"goldmontplus", {0x07300404, 0, 0, 0x8603}},
      {"tremont", {0x07300405, 0, 7, 0x8603}},
      {"icelake", kIceLake},
      {"icx", kIceLake},
      {"tigerlake", kIceLake},
      {"rocketlake", kIceLake},
      {"lakefield", kIceLake},
      {"sapphirerapids", kIceLake},
      {"emeraldrapids", kIceLake},
      {"graniterapids", kIceLake},
      {"alderlake-p", kAlderLake},
      {"raptorlake-p", kAlderLake},
      {"gracemont", kAlderLake},
      {"meteorlake-p", kMeteorLake},
      {"meteorlake-e", kMeteorLake},
      {"sierraforest", kMeteorLake},
      {"lunarlake-p", kLunarLake},
      {"lunarlake-e", kLunarLake},
      {"pantherlake-p", kLunarLake},
      {"pantherlake-e", kLunarLake},
      {"silvermont", {0x07280203, 0, 0, 0x503}},
      {"airmont", {0x07280203, 0, 0, 0x503}},
      {"knightslanding", {0x07280203, 0, 0, 0x503}},
      {"knightsmill", {0x07280203, 0, 0, 0x503}},
  };
  ASSERT_EQ(std::size(dumps), uarchs().size());
  for (const Dump& dump : dumps) EXPECT_EQ(cpuid(uarch(dump.name), 0xa, 0), dump.leaf) << dump.name;
}

// Rows: pmu-2.6-0ah-exists
TEST(MonitoringLeaves, leaf_0ah_never_claims_a_counter_that_the_part_lacks) {
  for (const Uarch& u : uarchs()) {
    const CpuidResult leaf = cpuid(u, 0xa, 0);
    EXPECT_LE((leaf.eax >> 8) & 0xff, u.pmu.gp_counters) << u.name;
    const u32 said = leaf.ecx | ((1u << (leaf.edx & 0x1f)) - 1);
    const u32 real = u.pmu.fixed_bitmap | ((1u << u.pmu.fixed_counters) - 1);
    EXPECT_EQ(said & ~real, 0u) << u.name;
  }
}

// Rows: pmu-2.6-1ch, lbr-1.1-gracemont, lbr-1.1-sapphirerapids, lbr-1.1-meteorlake, lbr-1.1-lunarlake
// Rows: lbr-1.1-sierraforest
TEST(MonitoringLeaves, leaf_1ch_says_what_dumps_say) {
  constexpr CpuidResult kPerformance = {0x4000000b, 7, 7, 0};
  constexpr CpuidResult kPerformanceLogs = {0x4000000b, 7, 0x000f0007, 0};
  constexpr CpuidResult kEfficiency = {0xc000000b, 7, 7, 0};
  constexpr CpuidResult kEfficiencyLogs = {0xc000000b, 7, 0x000f0007, 0};
  const Dump dumps[] = {
      {"alderlake-p", kPerformance},      {"raptorlake-p", kPerformance},
      {"sapphirerapids", kPerformance},   {"emeraldrapids", kPerformance},
      {"graniterapids", kPerformance},    {"meteorlake-p", kPerformance},
      {"gracemont", kEfficiency},         {"meteorlake-e", kEfficiency},
      {"sierraforest", kEfficiencyLogs},  {"lunarlake-p", kPerformanceLogs},
      {"lunarlake-e", kEfficiencyLogs},   {"pantherlake-p", kPerformanceLogs},
      {"pantherlake-e", kEfficiencyLogs},
  };
  std::size_t parts = 0;
  for (const Uarch& u : uarchs()) {
    if (u.max_leaf < 0x1c) continue;
    ++parts;
    for (const Dump& dump : dumps) {
      if (dump.name == u.name) {
        EXPECT_EQ(cpuid(u, 0x1c, 0), dump.leaf) << u.name;
      }
    }
  }
  EXPECT_EQ(parts, std::size(dumps));
}

// Rows: pmu-2.6-07h
TEST(MonitoringLeaves, leaf_7_shows_architectural_records_exactly_where_leaf_1ch_describes_them) {
  for (const Uarch& u : uarchs()) {
    const bool shown = ((cpuid(u, 7, 0).edx >> 19) & 1) != 0;
    EXPECT_EQ(shown, u.lbr.format == LbrFormat::kNone) << u.name;
    EXPECT_EQ(shown, u.max_leaf >= 0x1c) << u.name;
    constexpr u32 kNotExecuted = 1u << 4 | 1u << 11 | 1u << 25;  // HLE, RTM, Intel PT
    EXPECT_EQ(cpuid(u, 7, 0).ebx & kNotExecuted, 0u) << u.name;
  }
}

// Rows: pmu-2.6-01h
TEST(MonitoringLeaves, leaf_1_shows_capabilities_and_the_ds_area) {
  constexpr u32 kEcx = 1u << 2 | 1u << 4 | 1u << 15;  // DTES64, DS-CPL, PDCM
  constexpr u32 kDs = 1u << 21;
  for (Uarch u : uarchs()) {
    EXPECT_EQ(cpuid(u, 1, 0).ecx & kEcx, kEcx) << u.name;
    EXPECT_EQ(cpuid(u, 1, 0).edx & kDs, kDs) << u.name;
    u.pmu.perf_capabilities = 0;
    u.pmu.ds_area = false;
    EXPECT_EQ(cpuid(u, 1, 0).ecx & kEcx, 0u) << u.name;
    EXPECT_EQ(cpuid(u, 1, 0).edx & kDs, 0u) << u.name;
  }
}

// Rows: pmu-2.6-23h-0, pmu-2.6-23h-1, pmu-2.6-23h-3, lbr-1.2-crestmont, lbr-1.2-skymont
// Rows: lbr-1.2-graniterapids, lbr-1.2-lioncove
TEST(MonitoringLeaves, leaf_23h_tells_the_counters_of_this_kind_of_core) {
  struct Leaf {
    std::string_view name;
    u32 ebx0, slots, gp, fixed, events;
  };
  constexpr Leaf rows[] = {
      {"graniterapids", 0, 0, 0xff, 0xf, 0xdff},   {"meteorlake-p", 0, 0, 0xff, 0xf, 0xff},
      {"meteorlake-e", 0, 6, 0xff, 7, 0x7f},       {"sierraforest", 0, 6, 0xff, 7, 0x7f},
      {"lunarlake-p", 3, 0, 0x3ff, 0xf, 0x1dff},   {"lunarlake-e", 3, 8, 0xff, 0x77, 0x1f7f},
      {"pantherlake-p", 3, 0, 0x3ff, 0xf, 0x1dff}, {"pantherlake-e", 3, 8, 0xff, 0x77, 0x1f7f}};
  std::size_t parts = 0;
  for (const Uarch& u : uarchs()) parts += u.max_leaf >= 0x23 ? 1 : 0;
  EXPECT_EQ(parts, std::size(rows));
  for (const Leaf& row : rows) {
    const Uarch& u = uarch(row.name);
    const u32 subleaves = u.arch_pebs != 0 ? 0x3b : 0xb;
    EXPECT_EQ(cpuid(u, 0x23, 0), (CpuidResult{subleaves, row.ebx0, row.slots, 0})) << row.name;
    EXPECT_EQ(cpuid(u, 0x23, 1), (CpuidResult{row.gp, row.fixed, 0, 0})) << row.name;
    EXPECT_EQ(cpuid(u, 0x23, 3), (CpuidResult{row.events, 0, 0, 0})) << row.name;
    for (u32 absent = 0; absent < 32; ++absent) {
      if (((subleaves >> absent) & 1) != 0) continue;
      EXPECT_EQ(cpuid(u, 0x23, absent), CpuidResult{}) << row.name << ' ' << absent;
    }
  }
}

// Rows: pmu-2.6-23h-4, pmu-2.6-23h-5, lbr-1.2-cougarcove
TEST(MonitoringLeaves, leaf_23h_tells_architectural_pebs) {
  EXPECT_EQ(cpuid(uarch("ptl-p"), 0x23, 4), (CpuidResult{0, 0x60060378, 0, 0}));
  EXPECT_EQ(cpuid(uarch("ptl-p"), 0x23, 5), (CpuidResult{0x3ff, 3, 0xf, 1}));
  EXPECT_EQ(cpuid(uarch("ptl-e"), 0x23, 4), (CpuidResult{0, 0x60060338, 0, 0}));
  EXPECT_EQ(cpuid(uarch("ptl-e"), 0x23, 5), (CpuidResult{0xff, 3, 0x77, 1}));
}

TEST(MonitoringLeaves, follow_overrides) {
  Uarch u = uarch("skylake");
  override_field(u, "pmu_gp_counters", 8);
  EXPECT_EQ(cpuid(u, 0xa, 0).eax, 0x07300804u);
  override_field(u, "pmu_version", 5);
  EXPECT_EQ(cpuid(u, 0xa, 0), (CpuidResult{0x07300805, 0, 7, 0x8603}));

  u = uarch("skylake");
  override_field(u, "lbr_format", 63);
  EXPECT_EQ(cpuid(u, 0x1c, 0), (CpuidResult{0xc000000b, 7, 7, 0}));
  EXPECT_EQ(cpuid(u, 7, 0).edx, 1u << 19);
  override_field(u, "lbr_depth", 16);
  EXPECT_EQ(cpuid(u, 0x1c, 0).eax, 0xc0000003u);

  u = uarch("alderlake-p");
  override_field(u, "pmu_gp_counters", 7);
  EXPECT_EQ((cpuid(u, 0xa, 0).eax >> 8) & 0xff, 7u) << "the truth, not what a hybrid part reports";
  override_field(u, "lbr_format", 5);
  EXPECT_EQ(cpuid(u, 7, 0).edx, 0u);
  EXPECT_EQ(cpuid(u, 0x1c, 0), CpuidResult{});
}

}  // namespace
}  // namespace lastbranch::cpu
