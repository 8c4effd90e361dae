// What PEBS derives from a part's parameters.
#include "models/pmu/pebs_part.h"

#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

PmuParams silvermont() {
  PmuParams p = test::part(2, EventList::kSilvermont);
  p.pebs_counters = 1;
  return p;
}

PmuParams goldmont_plus() {
  PmuParams p = test::goldmont();
  p.events = EventList::kGoldmontPlus;
  p.pebs_counters = 0x7'0000'000f;
  return p;
}

struct Case {
  const char* name;
  PmuParams params;
  bool memory_reserved, retire_latency, split_latency, any_event;
};

const Case kCases[] = {
    {"Nehalem", test::nehalem(), false, false, false, false},
    {"Silvermont", silvermont(), true, false, false, false},
    {"Haswell", test::haswell(), false, false, false, false},
    {"Skylake", test::skylake(), false, false, false, false},
    {"Goldmont", test::goldmont(), true, false, false, true},
    {"Goldmont Plus", goldmont_plus(), true, false, false, true},
    {"Tremont", test::part(4, EventList::kGoldmontPlus), false, false, false, true},
    {"Ice Lake", test::icelake(), false, false, false, true},
    {"Gracemont", test::part(4, EventList::kGracemont), false, false, true, true},
    {"Sapphire Rapids, timed", test::sapphire_rapids(), false, true, true, true},
};

// Rows: pebs-6.2-silvermont, pebs-6.2-goldmont, pebs-6.3-retire-latency, pebs-6.3-memory
TEST(PebsPart, records_differ_by_part_as_documented) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const PebsLayout layout = pebs_layout(c.params);
    EXPECT_EQ(layout.format, c.params.pebs_format);
    EXPECT_EQ(layout.memory_reserved, c.memory_reserved);
    EXPECT_EQ(layout.retire_latency, c.retire_latency);
    EXPECT_EQ(layout.split_latency, c.split_latency);
    EXPECT_TRUE(layout.long_mode);
    EXPECT_EQ(samples_any_event(c.params), c.any_event);
  }
}

// Rows: pebs-5-reset-slots, pebs-5-reset-slots-fmt4, pebs-5-reset-slots-fmt5
TEST(PebsPart, reset_values_have_slots_by_format) {
  EXPECT_EQ(pebs_reset_slot(1, 0), 0x40u);
  EXPECT_EQ(pebs_reset_slot(3, 3), 0x58u);
  EXPECT_EQ(pebs_reset_slot(4, 7), 0x78u);
  EXPECT_EQ(pebs_reset_slot(4, kFixed), 0x80u);
  EXPECT_EQ(pebs_reset_slot(5, 31), 0x138u);
  EXPECT_EQ(pebs_reset_slot(5, kFixed), 0x140u);
  EXPECT_EQ(pebs_reset_slot(6, kFixed + 3), 0x158u);
}

}  // namespace
}  // namespace lastbranch::pmu
