#include "models/cpu/uarch/uarch.h"

#include <bit>
#include <set>

#include <gtest/gtest.h>

#include "sim/base/error.h"

namespace lastbranch::cpu {
namespace {

/// LBR resources of the parts, as the manual and Linux's driver give them.
struct LbrRow {
  std::string_view name;
  unsigned depth;
  unsigned format;
  u32 from_base;
  u32 to_base;
  bool has_select;
  u64 select_mask;
  bool drops_calls;
};
constexpr LbrRow kLbrRows[] = {
    {"core2", 4, 1, 0x40, 0x60, false, 0, false},
    {"nehalem", 16, 3, 0x680, 0x6c0, true, 0x1ff, true},
    {"westmere", 16, 3, 0x680, 0x6c0, true, 0x1ff, true},
    {"sandybridge", 16, 3, 0x680, 0x6c0, true, 0x1ff, false},
    {"ivybridge", 16, 3, 0x680, 0x6c0, true, 0x1ff, false},
    {"haswell", 16, 4, 0x680, 0x6c0, true, 0x3ff, false},
    {"broadwell", 16, 4, 0x680, 0x6c0, true, 0x3ff, false},
    {"silvermont", 8, 1, 0x40, 0x60, true, 0x1ff, true},
    {"skylake", 32, 5, 0x680, 0x6c0, true, 0x3ff, false},
    {"skx", 32, 5, 0x680, 0x6c0, true, 0x3ff, false},
};

TEST(Uarch, has_the_documented_lbr_resources) {
  ASSERT_EQ(std::size(kLbrRows), uarchs().size());
  for (const LbrRow& row : kLbrRows) {
    const LbrParams& lbr = uarch(row.name).lbr;
    EXPECT_EQ(lbr.depth, row.depth) << row.name;
    EXPECT_EQ(static_cast<unsigned>(lbr.format), row.format) << row.name;
    EXPECT_EQ(lbr.from_base, row.from_base) << row.name;
    EXPECT_EQ(lbr.to_base, row.to_base) << row.name;
    EXPECT_EQ(lbr.has_select, row.has_select) << row.name;
    if (row.has_select) {
      EXPECT_EQ(lbr.select_mask, row.select_mask) << row.name;
    }
    EXPECT_EQ(lbr.jmp_filters_drop_calls, row.drops_calls) << row.name;
  }
}

TEST(Uarch, agrees_with_itself) {
  std::set<std::string_view> names;
  for (const Uarch& u : uarchs()) {
    EXPECT_TRUE(names.insert(u.name).second) << u.name;
    EXPECT_LE(u.brand.size(), 48u) << "CPUID has room for 48 characters";
    EXPECT_TRUE(std::has_single_bit(u.lbr.depth)) << u.name;
    // IA32_PERF_CAPABILITIES repeats two other fields.
    if (u.pmu.perf_capabilities != 0) {
      EXPECT_EQ(u.pmu.perf_capabilities & 0x3f, static_cast<u64>(u.lbr.format)) << u.name;
      EXPECT_EQ((u.pmu.perf_capabilities >> 8) & 0xf, u.pmu.pebs_format) << u.name;
    }
    EXPECT_EQ(u.pmu.freeze == FreezeMode::kStreamlined, u.pmu.version >= 4) << u.name;
    for (const Cache& c : u.caches) {
      if (c.type == Cache::Type::kNone) continue;
      EXPECT_EQ(u64{c.sets()} * c.ways * Cache::kLine, u64{c.kib} * 1024) << u.name << " L" << c.level;
    }
  }
  EXPECT_TRUE(names.contains(kDefaultUarch));
}

TEST(Uarch, is_found_by_name_and_alias) {
  EXPECT_EQ(uarch("skylake").name, "skylake");
  EXPECT_EQ(uarch("SKL").name, "skylake");
  EXPECT_EQ(uarch("snb").name, "sandybridge");
}

TEST(Uarch, lists_the_known_names_when_there_is_no_such_record) {
  try {
    (void)uarch("zen");
    FAIL() << "expected an Error";
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_NE(what.find("'zen'"), std::string::npos) << what;
    for (const Uarch& u : uarchs()) EXPECT_NE(what.find(u.name), std::string::npos) << what;
  }
}

TEST(Uarch, override_changes_one_field_of_a_copy) {
  Uarch u = uarch("skylake");
  override_field(u, "lbr_depth", 8);
  EXPECT_EQ(u.lbr.depth, 8u);
  EXPECT_EQ(uarch("skylake").lbr.depth, 32u);

  u.lbr.depth = 32;
  EXPECT_EQ(u, uarch("skylake"));
}

TEST(Uarch, override_refuses_what_cannot_be) {
  Uarch u = uarch("skylake");
  for (const u64 depth : {u64{0}, u64{1}, u64{2}, u64{5}, u64{64}, ~u64{0}}) {
    EXPECT_THROW(override_field(u, "lbr_depth", depth), Error) << depth;
  }
  EXPECT_THROW(override_field(u, "lbr_format", 8), Error);
  EXPECT_THROW(override_field(u, "frequency_hz", 0), Error);
  EXPECT_THROW(override_field(u, "brand", 1), Error) << "fixed";
  EXPECT_THROW(override_field(u, "no_such_field", 1), Error);
  EXPECT_EQ(u, uarch("skylake")) << "a refused override changes nothing";
}

TEST(Uarch, configuration_shows_overrides_under_each_field_once) {
  Uarch u = uarch("skylake");
  override_field(u, "lbr_depth", 16);
  const auto config = configuration(u);
  ASSERT_EQ(config.size(), uarch_fields().size());
  EXPECT_EQ(config.front(), (std::pair<std::string, std::string>{"uarch", "skylake"}));
  std::set<std::string> keys;
  for (const auto& [key, value] : config) {
    EXPECT_TRUE(keys.insert(key).second) << key;
    if (key == "lbr_depth") {
      EXPECT_EQ(value, "16");
    }
    if (key == "cpuid") {
      EXPECT_EQ(value, "GenuineIntel,6,94,3");
    }
  }
  EXPECT_TRUE(keys.contains("lbr_depth"));
}

}  // namespace
}  // namespace lastbranch::cpu
