// Overrides: every field that can be set, and what changes with it.
#include <set>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/error.h"

namespace lastbranch::cpu {
namespace {

std::string value_of(const Uarch& u, std::string_view field) {
  for (const UarchField& f : uarch_fields()) {
    if (f.name == field) return f.get(u);
  }
  return "no such field";
}

struct Case {
  std::string_view field;
  u64 value;
  std::string_view shown;
  u64 refused;
};

TEST(Override, every_changeable_field_takes_its_values_and_refuses_others) {
  constexpr Case cases[] = {
      {"frequency_hz", 1'000'000'000, "1000000000", 0},
      {"tsx", 0, "no", 2},
      {"lbr_depth", 8, "8", 5},
      {"lbr_format", 3, "3", 8},
      {"lbr_from_base", 0x700, "0x700", 0x2000'0000},
      {"lbr_to_base", 0x720, "0x720", 0x2000'0000},
      {"lbr_info_base", 0x740, "0x740", 0x2000'0000},
      {"lbr_select", 0, "no", 2},
      {"lbr_select_mask", 0x1ff, "0x1ff", 0x400},
      {"lbr_jmp_filters_drop_calls", 1, "yes", 2},
      {"lbr_call_stack", 0, "no", 2},
      {"lbr_va_bits", 57, "57", 52},
      {"lbr_debugctl_mask", 1, "0x1", 0x10000},
      {"lbr_record_suspends_on_tr", 1, "yes", 2},
      {"lbr_arch_deep_c_reset", 0, "no", 2},
      {"lbr_arch_lip", 1, "yes", 2},
      {"lbr_arch_cpl_filter", 0, "no", 2},
      {"lbr_arch_branch_filter", 0, "no", 2},
      {"lbr_arch_call_stack", 0, "no", 2},
      {"lbr_arch_mispredicted", 0, "no", 2},
      {"lbr_arch_timed", 0, "no", 2},
      {"lbr_arch_branch_type", 0, "no", 2},
      {"lbr_arch_event_log_counters", 15, "0xf", 16},
      {"lbr_fmt4_tsx_disabled", 1, "yes", 2},
      {"lbr_dup_abort_record", 1, "yes", 2},
      {"lbr_cs_freeze_tos_glitch", 1, "yes", 2},
      {"lbr_dup_top_per_mille", 1000, "1000", 1001},
      {"lbr_fmt1_with_mispred", 1, "yes", 2},
      {"lbr_no_freeze", 1, "yes", 2},
      {"lbr_pt_excludes_lbr", 0, "no", 2},
      {"lbr_c6_clears", 0, "no", 2},
      {"lbr_ler_to_garbage", 1, "yes", 2},
      {"lbr_boundary_signext", 1, "yes", 2},
      {"lbr_rsm_corrupts", 1, "yes", 2},
      {"lbr_bts_wrong_cpl_from", 1, "yes", 2},
      {"lbr_oldest_entry_bias_per_mille", 1000, "1000", 1001},
      {"lbr_cpl_filter_on_target", 0, "no", 2},
      {"lbr_underflow_moves_tos", 0, "no", 2},
      {"lbr_pop_restarts_cycles", 1, "yes", 2},
      {"lbr_arch_zeroes_kernel_from", 1, "yes", 2},
      {"lbr_record_after_enable_counts", 1, "yes", 2},
      {"lbr_freeze_clears_tr", 1, "yes", 2},
      {"lbr_tr_updates_ring", 1, "yes", 2},
      {"pmu_version", 3, "3", 7},
      {"pmu_gp_counters", 8, "8", 17},
      {"pmu_gp_width", 40, "40", 49},
      {"pmu_fixed_counters", 0, "0", 5},
      {"pmu_fixed_width", 40, "40", 31},
      {"pmu_absent_events", 0x40, "0x40", 0x2000},
      {"pmu_any_thread", 0, "no", 2},
      {"pmu_slots_per_cycle", 6, "6", 17},
      {"pmu_evtsel_mask", 0xff, "0xff", u64{1} << 63},
      {"pmu_global_ctrl_reset_enables_gp", 0, "no", 2},
      {"pmu_offcore_rsp", 0, "0", 3},
      {"ds_area", 0, "no", 2},
      {"pebs_format", 4, "4", 7},
      {"pebs_counters", 1, "0x1", u64{1} << 16},
      {"pdist_counters", 1, "0x1", u64{1} << 16},
      {"pebs_threshold_late", 1, "yes", 2},
      {"pebs_load_latency", 0, "no", 2},
      {"pebs_frontend", 0, "no", 2},
  };
  std::set<std::string_view> covered;
  for (const Case& c : cases) {
    covered.insert(c.field);
    Uarch u = uarch("skylake");
    EXPECT_NE(value_of(u, c.field), c.shown) << c.field << ": the case changes nothing";
    override_field(u, c.field, c.value);
    EXPECT_EQ(value_of(u, c.field), c.shown) << c.field;

    const Uarch before = u;
    try {
      override_field(u, c.field, c.refused);
      ADD_FAILURE() << c.field << " took " << c.refused;
    } catch (const Error& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find(c.field), std::string::npos) << what;
      EXPECT_NE(what.find("expected"), std::string::npos) << what;
      EXPECT_NE(what.find("found"), std::string::npos) << what;
    }
    EXPECT_EQ(u, before) << c.field << ": a refused override changes nothing";
  }
  for (const UarchField& f : uarch_fields()) EXPECT_EQ(covered.contains(f.name), f.set != nullptr) << f.name;
}

TEST(Override, keeps_capabilities_and_reset_masks_consistent_on_every_part) {
  for (const Uarch& original : uarchs()) {
    for (const u64 format : {u64{0}, u64{1}, u64{2}, u64{3}, u64{4}, u64{5}, u64{6}, u64{7}, u64{63}}) {
      Uarch u = original;
      override_field(u, "lbr_format", format);
      EXPECT_EQ(u.pmu.perf_capabilities & 0x3f, format) << u.name;
      EXPECT_EQ(u.lbr.arch.depth_mask != 0, format == 63) << u.name << ' ' << format;
      EXPECT_FALSE(u.lbr.has_select && format == 63) << u.name;
      EXPECT_GE(u.max_leaf, format == 63 ? 0x1cu : 0u) << u.name;
    }
    Uarch u = original;
    override_field(u, "lbr_format", static_cast<u64>(original.lbr.format));
    EXPECT_EQ(u, original) << "setting what is there changes nothing";
  }
}

TEST(Override, format_moves_the_registers_to_where_parts_with_it_have_them) {
  struct Place {
    std::string_view part;
    u64 format;
    u32 from, to, info;
  };
  constexpr Place rows[] = {{"core2", 2, 0x40, 0x60, 0xdc0},
                            {"core2", 5, 0x680, 0x6c0, 0xdc0},
                            {"skylake", 1, 0x680, 0x6c0, 0xdc0},
                            {"skylake", 63, 0x1500, 0x1600, 0x1200},
                            {"sapphirerapids", 5, 0x680, 0x6c0, 0xdc0}};
  for (const Place& row : rows) {
    Uarch u = uarch(row.part);
    override_field(u, "lbr_format", row.format);
    EXPECT_EQ(u.lbr.from_base, row.from) << row.part << ' ' << row.format;
    EXPECT_EQ(u.lbr.to_base, row.to) << row.part << ' ' << row.format;
    EXPECT_EQ(u.lbr.info_base, row.info) << row.part << ' ' << row.format;
  }
}

TEST(Override, depth_that_does_not_fit_between_other_registers_moves_them) {
  Uarch u = uarch("silvermont");
  override_field(u, "lbr_depth", 4);
  EXPECT_EQ(u.lbr.from_base, 0x40u);
  override_field(u, "lbr_depth", 16);
  EXPECT_EQ(u.lbr.from_base, 0x680u);
  EXPECT_EQ(u.lbr.to_base, 0x6c0u);
}

// Rows: lbr-1-note-1
TEST(Override, depth_follows_the_kind_of_records) {
  for (const u64 depth : {1, 4, 8, 16, 32}) {
    Uarch u = uarch("skylake");
    override_field(u, "lbr_depth", depth);
    EXPECT_EQ(u.lbr.depth, depth);
  }
  const std::pair<u64, u32> masks[] = {{8, 1}, {16, 3}, {32, 0xb}};
  for (const auto& [depth, mask] : masks) {
    Uarch u = uarch("sapphirerapids");
    override_field(u, "lbr_depth", depth);
    EXPECT_EQ(u.lbr.depth, depth);
    EXPECT_EQ(u.lbr.arch.depth_mask, mask);
  }
  Uarch u = uarch("sapphirerapids");
  for (const u64 depth : {0, 1, 4, 12, 24, 64})
    EXPECT_THROW(override_field(u, "lbr_depth", depth), Error) << depth;
}

TEST(Override, tsx_decides_event_bits_and_what_format_4_means) {
  Uarch u = uarch("haswell");
  override_field(u, "tsx", 0);
  EXPECT_TRUE(u.lbr.quirks.fmt4_tsx_disabled);
  EXPECT_EQ(u.pmu.evtsel_mask, 0xffff'ffffu);
  EXPECT_EQ(u.lbr.debugctl_mask & 0x8000, 0u);
  override_field(u, "tsx", 1);
  EXPECT_EQ(u, uarch("haswell"));

  u = uarch("skylake");
  override_field(u, "tsx", 0);
  EXPECT_FALSE(u.lbr.quirks.fmt4_tsx_disabled) << "format 5 has no such bits in FROM";
}

TEST(Override, pmu_version_brings_its_registers) {
  Uarch u = uarch("skylake");
  override_field(u, "pmu_version", 3);
  EXPECT_EQ(u.pmu.freeze, FreezeMode::kLegacy);
  override_field(u, "pmu_version", 5);
  EXPECT_EQ(u.pmu.freeze, FreezeMode::kStreamlined);
  EXPECT_EQ(u.pmu.fixed_bitmap, 7u);
  EXPECT_EQ(u.pmu.evtsel_mask & (1u << 21), 0u) << "AnyThread is gone";
  override_field(u, "pmu_version", 6);
  EXPECT_EQ(u.pmu.evtsel_mask >> 36, 0xff1u) << "EQ and UMASK2";
  EXPECT_TRUE(u.pmu.leaf_23h);
  EXPECT_GE(u.max_leaf, 0x23u);
  override_field(u, "pmu_version", 1);
  EXPECT_EQ(u.pmu.fixed_counters, 0u);
  EXPECT_EQ(u.lbr.debugctl_mask & 0x1800, 0u) << "no freezing before version 2";
  EXPECT_THROW(override_field(u, "pmu_fixed_counters", 1), Error);
}

TEST(Override, counters_that_go_take_their_pebs_with_them) {
  Uarch u = uarch("icelake");
  override_field(u, "pmu_gp_counters", 2);
  override_field(u, "pmu_fixed_counters", 1);
  EXPECT_EQ(u.pmu.pebs_counters, 3 | u64{1} << 32);
  override_field(u, "ds_area", 0);
  EXPECT_EQ(u.pmu.pebs_counters, 0u);
  EXPECT_EQ(u.lbr.debugctl_mask & 0x780, 0u) << "no BTS without a DS area";
}

}  // namespace
}  // namespace lastbranch::cpu
