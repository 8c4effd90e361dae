// The last-branch resources of every part against the data sheet's table, value by value.
#include <iterator>

#include <gtest/gtest.h>

#include "models/cpu/uarch/lbr_shapes.h"
#include "models/cpu/uarch/uarch.h"

namespace lastbranch::cpu {
namespace {

enum Filter : u8 { kNoFilter, kNehalemFilter, kSelect, kSelectStack, kControl };

struct Row {
  std::string_view name;
  unsigned model;
  unsigned depth;
  unsigned format;
  u32 from, to, info;  ///< info 0: none
  Filter filter;
  bool streamlined;
};

constexpr Row kRows[] = {
    {"merom", 0x0f, 4, 1, 0x40, 0x60, 0, kNoFilter, false},
    {"core2", 0x17, 4, 1, 0x40, 0x60, 0, kNoFilter, false},
    {"bonnell", 0x1c, 8, 1, 0x40, 0x60, 0, kNoFilter, false},
    {"nehalem", 0x1a, 16, 3, 0x680, 0x6c0, 0, kNehalemFilter, false},
    {"westmere", 0x2c, 16, 3, 0x680, 0x6c0, 0, kNehalemFilter, false},
    {"sandybridge", 0x2a, 16, 3, 0x680, 0x6c0, 0, kSelect, false},
    {"saltwell", 0x36, 8, 1, 0x40, 0x60, 0, kNoFilter, false},
    {"ivybridge", 0x3a, 16, 3, 0x680, 0x6c0, 0, kSelect, false},
    {"haswell", 0x3c, 16, 4, 0x680, 0x6c0, 0, kSelectStack, false},
    {"silvermont", 0x4d, 8, 1, 0x40, 0x60, 0, kNehalemFilter, false},
    {"broadwell", 0x47, 16, 4, 0x680, 0x6c0, 0, kSelectStack, false},
    {"bdx", 0x4f, 16, 4, 0x680, 0x6c0, 0, kSelectStack, false},
    {"airmont", 0x4c, 8, 1, 0x40, 0x60, 0, kNehalemFilter, false},
    {"skylake", 0x5e, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"goldmont", 0x5c, 32, 6, 0x680, 0x6c0, 0, kSelectStack, true},
    {"knightslanding", 0x57, 8, 1, 0x680, 0x6c0, 0, kSelect, false},
    {"skx", 0x55, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"goldmontplus", 0x7a, 32, 7, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"knightsmill", 0x85, 8, 1, 0x680, 0x6c0, 0, kSelect, false},
    {"cannonlake", 0x66, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"cascadelake", 0x55, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"icelake", 0x7e, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"cooperlake", 0x55, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"lakefield", 0x8a, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"tremont", 0x9c, 32, 7, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"tigerlake", 0x8c, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"rocketlake", 0xa7, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"icx", 0x6a, 32, 5, 0x680, 0x6c0, 0xdc0, kSelectStack, true},
    {"alderlake-p", 0x97, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"gracemont", 0xbe, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"raptorlake-p", 0xb7, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"sapphirerapids", 0x8f, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"meteorlake-p", 0xaa, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"meteorlake-e", 0xaa, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"emeraldrapids", 0xcf, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"sierraforest", 0xaf, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"graniterapids", 0xad, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"lunarlake-p", 0xbd, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"lunarlake-e", 0xbd, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"pantherlake-p", 0xcc, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
    {"pantherlake-e", 0xcc, 32, 0x3f, 0x1500, 0x1600, 0x1200, kControl, true},
};

// Rows: lbr-1.1-core2, lbr-1.1-penryn, lbr-1.1-bonnell, lbr-1.1-silvermont, lbr-1.1-goldmont
// Rows: lbr-1.1-goldmontplus, lbr-1.1-tremont, lbr-1.1-gracemont, lbr-1.1-nehalem, lbr-1.1-westmere
// Rows: lbr-1.1-sandybridge, lbr-1.1-ivybridge, lbr-1.1-haswell, lbr-1.1-broadwell, lbr-1.1-skylake
// Rows: lbr-1.1-skx, lbr-1.1-cannonlake, lbr-1.1-icelake, lbr-1.1-lakefield, lbr-1.1-sapphirerapids
// Rows: lbr-1.1-graniterapids, lbr-1.1-alderlake-p, lbr-1.1-meteorlake, lbr-1.1-lunarlake
// Rows: lbr-1.1-sierraforest, lbr-1.1-knightslanding, lbr-1-note-3, lbr-1-note-4
TEST(LbrTable, parts_have_the_depth_format_addresses_and_filter_of_their_row) {
  ASSERT_EQ(std::size(kRows), uarchs().size());
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const Uarch& u = uarch(row.name);
    EXPECT_EQ(u.model, row.model);
    EXPECT_EQ(u.lbr.depth, row.depth);
    EXPECT_EQ(static_cast<unsigned>(u.lbr.format), row.format);
    EXPECT_EQ(u.lbr.from_base, row.from);
    EXPECT_EQ(u.lbr.to_base, row.to);
    if (row.info != 0) {
      EXPECT_EQ(u.lbr.info_base, row.info);
    }
    EXPECT_EQ(u.lbr.tos, 0x1c9u);
    EXPECT_EQ(u.lbr.select, 0x1c8u);
    EXPECT_EQ(u.lbr.ler_from, 0x1ddu);
    EXPECT_EQ(u.lbr.has_select, row.filter != kNoFilter && row.filter != kControl);
    EXPECT_EQ(u.lbr.jmp_filters_drop_calls, row.filter == kNehalemFilter);
    EXPECT_EQ(u.lbr.has_call_stack, row.filter == kSelectStack || row.filter == kControl);
    if (u.lbr.has_select) {
      EXPECT_EQ(u.lbr.select_mask, row.filter == kSelectStack ? 0x3ffu : 0x1ffu);
    }
    EXPECT_EQ(u.lbr.arch.depth_mask, row.filter == kControl ? 0xbu : 0u);
    EXPECT_EQ(u.pmu.freeze, row.streamlined ? FreezeMode::kStreamlined : FreezeMode::kLegacy);
  }
}

struct QuirkRow {
  std::string_view name;
  LbrQuirks quirks;
};

/// The quirks that are a core's own; every other quirk is off.
constexpr LbrQuirks kCore2Quirks = {.boundary_signext = true, .bts_wrong_cpl_from = true};
constexpr LbrQuirks kDeepC = {.c6_clears = true};
constexpr QuirkRow kQuirkRows[] = {
    {"merom", kCore2Quirks},
    {"core2", kCore2Quirks},
    {"bonnell", {.no_freeze = true, .freeze_clears_tr = true}},
    {"nehalem", {.boundary_signext = true}},
    {"westmere", {.boundary_signext = true}},
    {"sandybridge", {}},
    {"saltwell", {.freeze_clears_tr = true}},
    {"ivybridge", {}},
    {"haswell", {.dup_abort_record = true}},
    {"silvermont", {}},
    {"broadwell", {.pt_excludes_lbr = true}},
    {"bdx", {.pt_excludes_lbr = true, .ler_to_garbage = true}},
    {"airmont", {}},
    {"skylake", {.pt_excludes_lbr = true, .c6_clears = true}},
    {"goldmont", kDeepC},
    {"knightslanding", {.fmt1_with_mispred = true}},
    {"skx", kDeepC},
    {"goldmontplus", kDeepC},
    {"knightsmill", {.fmt1_with_mispred = true}},
};

// Rows: lbr-1.1-bonnell, lbr-1.1-knightslanding, lbr-1.1-haswell
TEST(LbrTable, quirks_are_on_where_they_are_the_cores_own) {
  for (const Uarch& u : uarchs()) {
    LbrQuirks expected = kDeepC;  // everything after Skylake
    for (const QuirkRow& row : kQuirkRows) {
      if (row.name == u.name) expected = row.quirks;
    }
    EXPECT_EQ(u.lbr.quirks, expected) << u.name;
  }
}

// Rows: lbr-1.1-core2, lbr-1.1-bonnell
TEST(LbrTable, only_core_2_stops_recording_while_tr_is_set) {
  for (const Uarch& u : uarchs()) {
    EXPECT_EQ(u.lbr.record_suspends_on_tr, u.name == "merom" || u.name == "core2") << u.name;
  }
}

TEST(LbrTable, debugctl_has_the_bits_of_the_parts_features) {
  // 7C3H: LBR, BTF, TR, BTS, BTINT, OFF_OS, OFF_USR; 1800H: both freezes; 2000H: uncore; 4000H: SMM;
  // 8000H: RTM.
  const std::pair<std::string_view, u64> rows[] = {
      {"merom", 0x1fc3},       {"core2", 0x1fc3},          {"bonnell", 0x1fc3},
      {"nehalem", 0x7fc3},     {"silvermont", 0x5fc3},     {"ivybridge", 0x7fc3},
      {"haswell", 0xffc3},     {"skylake", 0xffc3},        {"icelake", 0x7fc3},
      {"icx", 0xffc3},         {"goldmont", 0x5fc3},       {"gracemont", 0x7fc3},
      {"alderlake-p", 0x7fc3}, {"sapphirerapids", 0xffc3}, {"knightslanding", 0x5fc3}};
  for (const auto& [name, mask] : rows) EXPECT_EQ(uarch(name).lbr.debugctl_mask, mask) << name;
}

// Rows: lbr-1-note-2
TEST(LbrTable, cores_of_a_hybrid_part_differ_by_the_kind_of_address) {
  const std::pair<std::string_view, std::string_view> pairs[] = {{"alderlake-p", "gracemont"},
                                                                 {"meteorlake-p", "meteorlake-e"},
                                                                 {"lunarlake-p", "lunarlake-e"},
                                                                 {"pantherlake-p", "pantherlake-e"}};
  for (const auto& [performance, efficiency] : pairs) {
    LbrParams p = uarch(performance).lbr;
    const LbrParams& e = uarch(efficiency).lbr;
    EXPECT_FALSE(p.arch.lip) << performance;
    EXPECT_TRUE(e.arch.lip) << efficiency;
    p.arch.lip = true;
    EXPECT_EQ(p, e) << performance;
  }
}

// Rows: lbr-1.1-p6, lbr-1.1-netburst, lbr-1.1-prescott, lbr-1.1-pentium-m, lbr-1.1-yonah
TEST(LbrTable, shapes_before_core_2_are_there_for_a_bare_lbr) {
  struct Shape {
    std::string_view name;
    unsigned depth;
    unsigned format;
    u32 from, to, tos;
  };
  constexpr Shape rows[] = {{"p6", 1, 2, 0x1db, 0x1dc, 0x1c9},
                            {"netburst", 4, 0, 0x1db, 0, 0x1da},
                            {"prescott", 16, 1, 0x680, 0x6c0, 0x1da},
                            {"pentium-m", 8, 0, 0x40, 0, 0x1c9},
                            {"yonah", 8, 0, 0x40, 0, 0x1c9}};
  ASSERT_EQ(std::size(rows), kLbrShapes.size());
  for (std::size_t i = 0; i < kLbrShapes.size(); ++i) {
    const LbrParams& lbr = kLbrShapes.at(i).lbr;
    EXPECT_EQ(kLbrShapes.at(i).name, rows[i].name);
    EXPECT_EQ(lbr.depth, rows[i].depth) << rows[i].name;
    EXPECT_EQ(static_cast<unsigned>(lbr.format), rows[i].format) << rows[i].name;
    EXPECT_EQ(lbr.from_base, rows[i].from) << rows[i].name;
    if (rows[i].to != 0) {
      EXPECT_EQ(lbr.to_base, rows[i].to) << rows[i].name;
    }
    EXPECT_EQ(lbr.tos, rows[i].tos) << rows[i].name;
    EXPECT_FALSE(lbr.has_select) << rows[i].name;
    EXPECT_FALSE(lbr.has_call_stack) << rows[i].name;
  }
}

}  // namespace
}  // namespace lastbranch::cpu
