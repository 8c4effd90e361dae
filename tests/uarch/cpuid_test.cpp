#include "models/cpu/cpuid.h"

#include <cstring>

#include <gtest/gtest.h>

namespace lastbranch::cpu {
namespace {

constexpr u32 kFeatures = 1;
constexpr u32 kExtended = 0x80000001;

bool bit(u32 reg, unsigned n) {
  return ((reg >> n) & 1) != 0;
}

TEST(Cpuid, shows_what_executes_on_skylake_and_nothing_else) {
  // Bits by the psABI's list for x86-64-v2, as the manual places them; everything else a program could try
  // must be 0.
  const CpuidResult f = cpuid(uarch("skylake"), kFeatures, 0);
  constexpr u32 kMonitoring = 1u << 2 | 1u << 4 | 1u << 15;
  EXPECT_EQ(f.ecx, kMonitoring | 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23)
      << "SSE3 DTES64 DS-CPL SSSE3 CX16 PDCM SSE4.1 SSE4.2 POPCNT, and no PCLMULQDQ FMA MOVBE AES XSAVE "
         "OSXSAVE AVX F16C RDRAND";
  for (const unsigned b : {0u, 4u, 8u, 15u, 23u, 24u, 25u, 26u})
    EXPECT_TRUE(bit(f.edx, b)) << "EDX bit " << b;
  EXPECT_FALSE(bit(f.edx, 11)) << "SYSENTER does not execute";
  EXPECT_FALSE(bit(f.edx, 28)) << "no siblings";
  EXPECT_EQ(cpuid(uarch("skylake"), 7, 0), CpuidResult{}) << "no AVX2, BMI, ERMS, FSGSBASE";

  const CpuidResult e = cpuid(uarch("skylake"), kExtended, 0);
  EXPECT_EQ(e.ecx, 1u | 1u << 8) << "LAHF PREFETCHW, and no LZCNT";
  EXPECT_EQ(e.edx, 1u << 11 | 1u << 20 | 1u << 27 | 1u << 29) << "SYSCALL NX RDTSCP LM";
}

TEST(Cpuid, never_shows_what_does_not_execute_or_what_the_part_lacks) {
  for (const Uarch& u : uarchs()) {
    const IsaSet shown = u.isa & executed_isa();
    const CpuidResult f = cpuid(u, kFeatures, 0);
    EXPECT_EQ(bit(f.ecx, 20), shown.has(Isa::kSse42)) << u.name;
    EXPECT_EQ(bit(f.ecx, 23), shown.has(Isa::kPopcnt)) << u.name;
    EXPECT_FALSE(bit(f.ecx, 28)) << "AVX on " << u.name;
  }
  EXPECT_FALSE(bit(cpuid(uarch("core2"), kFeatures, 0).ecx, 20)) << "Penryn has no SSE4.2";
  EXPECT_TRUE(bit(cpuid(uarch("core2"), kFeatures, 0).ecx, 19)) << "but SSE4.1";
}

TEST(Cpuid, gives_the_signature_of_each_part) {
  // EAX of leaf 1 in published CPUID dumps.
  const std::pair<std::string_view, u32> rows[] = {
      {"merom", 0x6f6},           {"core2", 0x1067a},
      {"bonnell", 0x106c2},       {"saltwell", 0x30661},
      {"nehalem", 0x106a5},       {"westmere", 0x206c2},
      {"sandybridge", 0x206a7},   {"ivybridge", 0x306a9},
      {"haswell", 0x306c3},       {"broadwell", 0x40671},
      {"bdx", 0x406f1},           {"silvermont", 0x406d8},
      {"airmont", 0x406c3},       {"skylake", 0x506e3},
      {"skx", 0x50654},           {"cascadelake", 0x50657},
      {"cooperlake", 0x5065b},    {"cannonlake", 0x60663},
      {"goldmont", 0x506c9},      {"goldmontplus", 0x706a1},
      {"tremont", 0x906c0},       {"knightslanding", 0x50671},
      {"knightsmill", 0x80650},   {"icelake", 0x706e5},
      {"icx", 0x606a6},           {"tigerlake", 0x806c1},
      {"rocketlake", 0xa0671},    {"lakefield", 0x806a1},
      {"alderlake-p", 0x90672},   {"raptorlake-p", 0xb0671},
      {"gracemont", 0xb06e0},     {"sapphirerapids", 0x806f8},
      {"emeraldrapids", 0xc06f2}, {"graniterapids", 0xa06d1},
      {"meteorlake-p", 0xa06a4},  {"meteorlake-e", 0xa06a4},
      {"sierraforest", 0xa06f3},  {"lunarlake-p", 0xb06d1},
      {"lunarlake-e", 0xb06d1},   {"pantherlake-p", 0xc06c2},
      {"pantherlake-e", 0xc06c2},
  };
  ASSERT_EQ(std::size(rows), uarchs().size());
  for (const auto& [name, signature] : rows)
    EXPECT_EQ(cpuid(uarch(name), kFeatures, 0).eax, signature) << name;
}

TEST(Cpuid, spells_vendor_and_brand) {
  const Uarch& u = uarch("skylake");
  const CpuidResult zero = cpuid(u, 0, 0);
  char vendor[13] = {};
  std::memcpy(vendor, &zero.ebx, 4);
  std::memcpy(vendor + 4, &zero.edx, 4);
  std::memcpy(vendor + 8, &zero.ecx, 4);
  EXPECT_STREQ(vendor, "GenuineIntel");

  char brand[49] = {};
  for (u32 i = 0; i < 3; ++i) {
    const CpuidResult part = cpuid(u, 0x80000002 + i, 0);
    std::memcpy(brand + 16 * i, &part, 16);
  }
  EXPECT_EQ(std::string_view(brand), u.brand);
}

TEST(Cpuid, describes_caches_until_the_first_null_entry) {
  for (const Uarch& u : uarchs()) {
    u32 index = 0;
    for (; index < u.caches.size() && u.caches[index].type != Cache::Type::kNone; ++index) {
      const CpuidResult leaf = cpuid(u, 4, index);
      const u64 ways = (leaf.ebx >> 22) + 1;
      const u64 partitions = ((leaf.ebx >> 12) & 0x3ff) + 1;
      const u64 line = (leaf.ebx & 0xfff) + 1;
      const u64 sets = u64{leaf.ecx} + 1;
      EXPECT_EQ(ways * partitions * line * sets, u64{u.caches[index].kib} * 1024)
          << u.name << " cache " << index;
      EXPECT_EQ((leaf.eax >> 5) & 7, u.caches[index].level) << u.name;
    }
    EXPECT_EQ(cpuid(u, 4, index).eax & 0x1f, 0u) << u.name << ": the list must end";
  }
}

TEST(Cpuid, answers_leaves_beyond_the_highest_as_the_highest_basic_one) {
  for (const Uarch& u : uarchs()) {
    const u32 max = cpuid(u, 0, 0).eax;
    EXPECT_EQ(max, u.max_leaf) << u.name;
    for (const u32 leaf : {max + 1, 0x40000000u, 0x7fffffffu, 0x80000009u, 0xffffffffu}) {
      EXPECT_EQ(cpuid(u, leaf, 0), cpuid(u, max, 0)) << u.name << ' ' << leaf;
    }
  }
}

TEST(Cpuid, gives_address_sizes_and_a_constant_tsc) {
  EXPECT_EQ(cpuid(uarch("skylake"), 0x80000008, 0).eax, 39u | 48u << 8);
  EXPECT_EQ(cpuid(uarch("skx"), 0x80000008, 0).eax, 46u | 48u << 8);
  EXPECT_TRUE(bit(cpuid(uarch("skylake"), 0x80000007, 0).edx, 8));
}

}  // namespace
}  // namespace lastbranch::cpu
