// Which instruction a record is about.
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

using test::Platform;

constexpr u64 kRip = 0x40'1000;
constexpr u64 kPrecDist = 0x01c0, kInstAny = 0x00c0, kNearTaken = 0x20c4, kUopsRetired = 0x02c2;
constexpr u64 kEdge = 1u << 18, kAny = 1u << 21, kInv = 1u << 23, kCmask = 1u << 24;

struct Case {
  const char* name;
  PmuParams params;
  CounterBit counter;
  u64 control;
  bool exact;
};

const Case kCases[] = {
    {"Sandy Bridge, PMC1", test::sandybridge(), 1, kPrecDist, true},
    {"PMC0 of it", test::sandybridge(), 0, kPrecDist, false},
    {"another event", test::sandybridge(), 1, kNearTaken, false},
    {"Haswell, PMC1", test::haswell(), 1, kPrecDist, true},
    {"Skylake, PMC1", test::skylake(), 1, kPrecDist, true},
    {"Skylake, PMC2", test::skylake(), 2, kPrecDist, false},
    {"cycles by INV and CMASK", test::skylake(), 1, kPrecDist | kInv | 10 * kCmask, false},
    {"Nehalem has none", test::nehalem(), 1, kPrecDist, false},
    {"Goldmont, any event", test::goldmont(), 0, kUopsRetired, true},
    {"Goldmont, edge", test::goldmont(), 0, kUopsRetired | kEdge, false},
    {"Goldmont, any thread", test::goldmont(), 0, kUopsRetired | kAny, false},
    {"Goldmont, inv", test::goldmont(), 0, kUopsRetired | kInv, false},
    {"Goldmont, cmask", test::goldmont(), 0, kUopsRetired | kCmask, false},
    {"Ice Lake, fixed 0", test::icelake(), kFixed, 0x3, true},
    {"Ice Lake, fixed 1", test::icelake(), kFixed + 1, 0x3, false},
    {"Ice Lake, PMC0", test::icelake(), 0, kNearTaken, false},
    {"Golden Cove, fixed 0", test::sapphire_rapids(), kFixed, 0x3, true},
    {"Golden Cove, PMC0, branches", test::sapphire_rapids(), 0, kNearTaken, true},
    {"Golden Cove, PMC0, misses", test::sapphire_rapids(), 0, 0x20d1, true},
    {"Golden Cove, PMC0, stores", test::sapphire_rapids(), 0, 0x02cd, true},
    {"Golden Cove, PMC0, loads over a latency", test::sapphire_rapids(), 0, 0x01cd, false},
    {"Golden Cove, PMC0, instructions", test::sapphire_rapids(), 0, kInstAny, false},
    {"Golden Cove, PMC1", test::sapphire_rapids(), 1, kNearTaken, false},
};

// Rows: pebs-6.5-pdir, pebs-6.5-reduced-skid, pebs-6.5-pdist
TEST(PebsPrecision, the_overflowing_instruction_itself_where_the_part_can) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Platform p(c.params, c.params.pebs_format >= 4 ? 0x20 : 200);
    p.enable(u64{1} << c.counter);
    p.counters.controls[c.counter] = c.control;
    ASSERT_TRUE(p.pebs.takes(c.counter));
    EXPECT_EQ(p.pebs.exact(c.counter), c.exact);
    p.overflow(c.counter, kRip);
    EXPECT_EQ(p.pebs.records(), c.exact ? 1u : 0u);
    EXPECT_EQ(p.pebs.armed(c.counter), !c.exact);
    p.occurrence(c.counter, kRip + 4);
    EXPECT_EQ(p.pebs.records(), 1u);
    if (c.params.pebs_format >= 4) {
      EXPECT_EQ(p.word(0x08), c.exact ? kRip : kRip + 4);
    }
  }
}

// Rows: pebs-6.5-non-precise
TEST(PebsPrecision, events_that_are_not_precise_are_recorded_where_retirement_stands) {
  for (const PmuParams& params : {test::goldmont(), test::icelake(), test::sapphire_rapids()}) {
    const bool adaptive = params.pebs_format >= 4;
    Platform p(params, adaptive ? 0x20 : 200);
    p.enable(1);
    p.counters.imprecise = 1;
    p.source.sample.rip = kRip + 100;
    ASSERT_TRUE(p.pebs.takes(0));

    p.overflow(0, kRip);

    EXPECT_EQ(p.pebs.records(), 1u);
    EXPECT_EQ(p.word(adaptive ? 0x08 : 0xb0), kRip + 100);
  }
}

TEST(PebsPrecision, other_parts_do_not_take_events_that_are_not_precise) {
  for (const PmuParams& params : {test::nehalem(), test::haswell(), test::skylake()}) {
    Platform p(params, 200);
    p.enable(1);
    p.counters.imprecise = 1;
    EXPECT_FALSE(p.pebs.takes(0));
  }
}

// Rows: pebs-2.1-status-set-goldmont
TEST(PebsPrecision, setting_an_overflow_bit_makes_a_record_on_goldmont_only) {
  Platform goldmont(test::goldmont(), 200);
  goldmont.enable(1);
  goldmont.source.sample.rip = kRip;
  goldmont.counters.status_bits = 1;
  goldmont.pebs.status_set(1);
  EXPECT_TRUE(goldmont.pebs.busy());
  goldmont.pebs.assist();
  EXPECT_EQ(goldmont.pebs.records(), 1u);
  EXPECT_EQ(goldmont.word(0xb0), kRip);
  EXPECT_EQ(goldmont.counters.status_bits, 0u);

  Platform skylake(test::skylake(), 200);
  skylake.enable(1);
  skylake.pebs.status_set(1);
  skylake.pebs.assist();
  EXPECT_TRUE(skylake.nothing_written());
}

}  // namespace
}  // namespace lastbranch::pmu
