#include "models/cpu/uarch/uarch.h"

#include <bit>
#include <set>

#include <gtest/gtest.h>

#include "sim/base/error.h"

namespace lastbranch::cpu {
namespace {

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
    EXPECT_EQ(u.brand.find_last_not_of(' '), u.brand.size() - 1) << u.name;
    EXPECT_GT(u.frequency_hz, 0u) << u.name;
    EXPECT_EQ(u.va_bits, 48u) << u.name << ": 5-level paging does not execute";
    EXPECT_TRUE(u.isa.contains({Isa::kLm, Isa::kSyscall, Isa::kSse2})) << u.name << " runs 64-bit code";
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
  const std::pair<std::string_view, std::string_view> aliases[] = {
      {"snb", "sandybridge"},     {"penryn", "core2"},
      {"knl", "knightslanding"},  {"icl", "icelake"},
      {"spr", "sapphirerapids"},  {"adl-p", "alderlake-p"},
      {"ADL-E", "gracemont"},     {"grr", "sierraforest"},
      {"cometlake", "skylake"},   {"goldencove", "alderlake-p"},
      {"skymont", "lunarlake-e"}, {"icelake-server", "icx"}};
  for (const auto& [alias, name] : aliases) EXPECT_EQ(uarch(alias).name, name) << alias;
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

TEST(Uarch, override_refuses_fixed_and_unknown_fields) {
  Uarch u = uarch("skylake");
  for (const std::string_view field : {"brand", "perf_capabilities", "no_such_field"}) {
    try {
      override_field(u, field, 1);
      ADD_FAILURE() << field;
    } catch (const Error& e) {
      EXPECT_NE(std::string_view(e.what()).find(field), std::string_view::npos) << e.what();
    }
  }
  EXPECT_EQ(u, uarch("skylake"));
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
