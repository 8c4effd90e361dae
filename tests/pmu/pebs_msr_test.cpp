// PEBS's registers of each part: every bit's write and fault behaviour, and reset.
#include "models/pmu/pebs_frontend.h"
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

using test::Platform;

struct Register {
  const char* part;
  PmuParams params;
  u32 index;
  const char* name;
  u64 writable;
};

PmuParams traced() {
  PmuParams params = test::sapphire_rapids();
  params.perf_capabilities |= 0x1'0000;
  return params;
}

const Register kRegisters[] = {
    {"Core 2", test::part(0, EventList::kArchitectural), 0x3f1, "IA32_PEBS_ENABLE", 0xf'0000'000f},
    {"Nehalem", test::nehalem(), 0x3f1, "IA32_PEBS_ENABLE", 0xf'0000'000f},
    {"Sandy Bridge", test::sandybridge(), 0x3f1, "IA32_PEBS_ENABLE", 0x8000'000f'0000'000f},
    {"Skylake", test::skylake(), 0x3f1, "IA32_PEBS_ENABLE", 0xf'0000'000f},
    {"Goldmont", test::goldmont(), 0x3f1, "IA32_PEBS_ENABLE", 0x1},
    {"Ice Lake", test::icelake(), 0x3f1, "IA32_PEBS_ENABLE", 0xf'0000'00ff},
    {"with trace", traced(), 0x3f1, "IA32_PEBS_ENABLE", 0x7000'000f'0000'00ff},
    {"Ice Lake", test::icelake(), 0x3f2, "MSR_PEBS_DATA_CFG", 0xff00'000f},
    {"format 6", test::sapphire_rapids(6), 0x3f2, "MSR_PEBS_DATA_CFG", 0x00ff'ffff'ff00'003f},
    {"Nehalem", test::nehalem(), 0x3f6, "MSR_PEBS_LD_LAT_THRESHOLD", 0xffff},
    {"Skylake", test::skylake(), 0x3f7, "MSR_PEBS_FRONTEND", 0x7f'ff17},
    {"Sapphire Rapids", test::sapphire_rapids(), 0x3f7, "MSR_PEBS_FRONTEND", 0x7f'ff1f},
    {"with trace", traced(), 0x14c1, "MSR_RELOAD_PMC0", 0xffff'ffff'ffff},
    {"with trace", traced(), 0x14c8, "MSR_RELOAD_PMC7", 0xffff'ffff'ffff},
    {"with trace", traced(), 0x1309, "MSR_RELOAD_FIXED_CTR0", 0xffff'ffff'ffff},
    {"with trace", traced(), 0x130c, "MSR_RELOAD_FIXED_CTR3", 0xffff'ffff'ffff},
};

// Rows: pebs-2.1-enable, pebs-2.1-data-cfg, pebs-2.1-ld-lat, pebs-2.1-frontend, pebs-2.1-reload
// Rows: pebs-6.4-counters, pebs-6.4-fixed, pebs-6.4-precise-store, pebs-6.3-config, pebs-6.3-config-fmt6
TEST(PebsMsr, each_bit_of_each_register_is_there_or_faults) {
  for (const Register& r : kRegisters) {
    SCOPED_TRACE(std::string(r.part) + " " + r.name);
    Platform p(r.params, 0x20);
    ASSERT_EQ(p.bus.find(r.name), r.index);
    EXPECT_EQ(p.bus.read(r.index).value, 0u) << "reset";
    for (unsigned n = 0; n < 64; ++n) {
      const u64 value = u64{1} << n;
      // Bit 62 alone would be the reserved output 10b.
      const bool output_10b = r.index == 0x3f1 && n == 62 && (r.writable & value) != 0;
      const MsrFault expected = output_10b                  ? MsrFault::kValue
                                : (r.writable & value) != 0 ? MsrFault::kNone
                                                            : MsrFault::kReserved;
      EXPECT_EQ(p.bus.write(r.index, value), expected) << n;
      if (expected == MsrFault::kNone) {
        EXPECT_EQ(p.bus.read(r.index).value, value) << n;
      }
    }
    p.pebs.reset(true);
    EXPECT_NE(p.bus.read(r.index).value, 0u) << "INIT keeps it";
    p.pebs.reset();
    EXPECT_EQ(p.bus.read(r.index).value, 0u);
  }
}

TEST(PebsMsr, registers_a_part_does_not_have_do_not_exist) {
  const struct {
    PmuParams params;
    u32 index;
  } absent[] = {{test::skylake(), 0x3f2},  {test::haswell(), 0x3f7},  {test::icelake(), 0x3f4},
                {test::icelake(), 0x3f5},  {test::icelake(), 0x14c1}, {traced(), 0x14c9},
                {test::icelake(), 0x1309}, {traced(), 0x130d},        {test::icelake(), 0x1903}};
  for (const auto& a : absent) {
    Platform p(a.params, 0x20);
    EXPECT_EQ(p.bus.write(a.index, 0), MsrFault::kUnknown) << std::hex << a.index;
    EXPECT_EQ(p.bus.read(a.index).fault, MsrFault::kUnknown) << std::hex << a.index;
  }
}

TEST(PebsMsr, a_part_without_pebs_counters_has_no_enable_register) {
  PmuParams params = test::skylake();
  params.pebs_counters = 0;
  Platform p(params, 200);
  EXPECT_FALSE(p.bus.find("IA32_PEBS_ENABLE").has_value());
}

// Rows: pebs-2.1-ld-lat
TEST(PebsMsr, the_least_latency_threshold_is_three) {
  Platform p(test::nehalem(), 176);
  EXPECT_EQ(p.pebs.load_latency_threshold(), 3u);
  ASSERT_EQ(p.bus.write(0x3f6, 2), MsrFault::kNone);
  EXPECT_EQ(p.pebs.load_latency_threshold(), 3u);
  ASSERT_EQ(p.bus.write(0x3f6, 0x100), MsrFault::kNone);
  EXPECT_EQ(p.pebs.load_latency_threshold(), 0x100u);
}

// Rows: pebs-6.4-load-latency, pebs-6.4-fixed, pebs-6.4-precise-store
TEST(PebsMsr, bits_from_32_up_mean_load_latency_or_fixed_counters_by_part) {
  Platform skylake(test::skylake(), 200);
  skylake.enable(0x2'0000'0002);
  EXPECT_TRUE(skylake.pebs.load_latency(1));
  EXPECT_FALSE(skylake.pebs.load_latency(0));
  EXPECT_FALSE(skylake.pebs.takes(kFixed + 1));

  Platform icelake(test::icelake(), 0x20);
  icelake.enable(0x2'0000'0002);
  EXPECT_FALSE(icelake.pebs.load_latency(1));
  EXPECT_TRUE(icelake.pebs.takes(kFixed + 1));

  Platform sandybridge(test::sandybridge(), 176);
  EXPECT_FALSE(sandybridge.pebs.precise_store());
  sandybridge.enable(u64{1} << 63 | 0x8);
  EXPECT_TRUE(sandybridge.pebs.precise_store());
}

}  // namespace
}  // namespace lastbranch::pmu
