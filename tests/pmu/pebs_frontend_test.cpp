#include "models/pmu/pebs_frontend.h"

#include <gtest/gtest.h>

namespace lastbranch::pmu {
namespace {

struct Case {
  const char* name;
  EventList list;
  u64 value;
  FrontendSelector expected;
};

constexpr auto kSkl = EventList::kSkylake;
constexpr auto kIcl = EventList::kIceLake;
constexpr auto kSpr = EventList::kSapphireRapids;

constexpr Case kCases[] = {
    {"ANY_DSB_MISS", kSkl, 0x1, {FrontendEvent::kAnyDsbMiss}},
    {"ANY_DSB_MISS", kIcl, 0x1, {FrontendEvent::kAnyDsbMiss}},
    {"MS_FLOWS", kSpr, 0x8, {FrontendEvent::kMsFlows}},
    {"MS_FLOWS is new", kIcl, 0x8, {FrontendEvent::kNone}},
    {"DSB_MISS", kSkl, 0x11, {FrontendEvent::kDsbMiss}},
    {"L1I_MISS", kIcl, 0x12, {FrontendEvent::kL1iMiss}},
    {"L2_MISS", kSpr, 0x13, {FrontendEvent::kL2Miss}},
    {"ITLB_MISS", kSkl, 0x14, {FrontendEvent::kItlbMiss}},
    {"STLB_MISS", kSkl, 0x15, {FrontendEvent::kStlbMiss}},
    {"UNKNOWN_BRANCH", kSpr, 0x17, {FrontendEvent::kUnknownBranch}},
    {"UNKNOWN_BRANCH is new", kSkl, 0x17, {FrontendEvent::kNone}},
    {"UNKNOWN_BRANCH_CYCLES", kSpr, 0x7, {FrontendEvent::kUnknownBranchCycles}},
    {"LATENCY_GE_2", kSkl, 0x40'0206, {FrontendEvent::kLatency, 2, 4}},
    {"LATENCY_GE_512", kSkl, 0x42'0006, {FrontendEvent::kLatency, 512, 4}},
    {"LATENCY_GE_16", kIcl, 0x50'1006, {FrontendEvent::kLatency, 16, 5}},
    {"LATENCY_GE_256", kSpr, 0x61'0006, {FrontendEvent::kLatency, 256, 6}},
    {"LATENCY_GE_2_BUBBLES_GE_1", kSkl, 0x10'0206, {FrontendEvent::kLatency, 2, 1}},
    {"LATENCY_GE_2_BUBBLES_GE_3", kSkl, 0x30'0206, {FrontendEvent::kLatency, 2, 3}},
    {"nothing", kSkl, 0x0, {FrontendEvent::kNone}},
    {"no such part", EventList::kHaswell, 0x11, {FrontendEvent::kNone}},
};

// Rows: pebs-8.4-frontend-values
TEST(PebsFrontend, selector_names_the_event_and_its_thresholds) {
  for (const Case& c : kCases) EXPECT_EQ(frontend_selector(c.list, c.value), c.expected) << c.name;
}

TEST(PebsFrontend, every_value_of_the_lists_is_writable) {
  for (const Case& c : kCases) {
    if (c.expected.event != FrontendEvent::kNone) {
      EXPECT_EQ(c.value & ~frontend_writable(c.list), 0u) << c.name;
    }
  }
  EXPECT_EQ(frontend_writable(EventList::kHaswell), 0u);
}

}  // namespace
}  // namespace lastbranch::pmu
