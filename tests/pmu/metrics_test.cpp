#include "models/pmu/metrics.h"

#include <cmath>

#include <gtest/gtest.h>

namespace lastbranch::pmu {
namespace {

/// A thousand clocks of a core that issues four uops a clock.
FactCounts four_wide() {
  FactCounts f;
  f[Ev::kCycles] = 1000;
  f[Ev::kInstructions] = 2200;
  f[Ev::kSlotsNotDelivered] = 400;
  f[Ev::kCyclesNoneDelivered] = 60;
  f[Ev::kUopsIssued] = 2600;
  f[Ev::kSlotsRetired] = 2400;
  f[Ev::kRecoveryCycles] = 50;
  f[Ev::kMispredicted] = 30;
  f[Ev::kMachineClears] = 10;
  f[Ev::kStalls] = 300;
  f[Ev::kStallsMemory] = 200;
  f[Ev::kCyclesPorts1] = 100;
  f[Ev::kCyclesPorts2] = 200;
  f[Ev::kCyclesBoundOnStores] = 20;
  f[Ev::kUopsMacroFused] = 100;
  f[Ev::kUopsMsFromDsb] = 100;
  f[Ev::kUopsMsFromMite] = 60;
  f[Ev::kCyclesExecuted1] = 750;
  f[Ev::kCyclesExecuted2] = 500;
  f[Ev::kCyclesExecuted3] = 300;
  f[Ev::kResourceStallsStoreBuffer] = 20;
  f[Ev::kRsEmptyCycles] = 40;
  return f;
}

/// A thousand clocks of Ice Lake; its slots in PERF_METRICS' classes.
FactCounts ice_lake() {
  FactCounts f = four_wide();
  f[Ev::kSlotsFrontendBound] = 1000;
  f[Ev::kSlotsBackendBound] = 1500;
  f[Ev::kSlotsBadSpeculation] = 500;
  f[Ev::kSlotsRetired] = 2000;
  f[Ev::kUopsDropped] = 50;
  f[Ev::kClears] = 20;
  f[Ev::kCyclesNoneDelivered] = 100;
  f[Ev::kUopsDecoder0] = 300;
  f[Ev::kDecoder0Cycles] = 200;
  f[Ev::kUopsMite] = 500;
  return f;
}

FactCounts golden_cove() {
  FactCounts f;
  f[Ev::kCycles] = 1000;
  f[Ev::kSlotsFrontendBound] = 1200;
  f[Ev::kSlotsBackendBound] = 1800;
  f[Ev::kSlotsBadSpeculation] = 600;
  f[Ev::kSlotsRetired] = 2400;
  f[Ev::kUopsDropped] = 60;
  f[Ev::kSlotsFetchLatency] = 660;
  f[Ev::kSlotsMispredict] = 300;
  f[Ev::kSlotsMemoryBound] = 1200;
  f[Ev::kSlotsHeavy] = 300;
  return f;
}

double value(EventList list, std::string_view name, const FactCounts& facts) {
  const Metric* metric = find_metric(list, name);
  EXPECT_NE(metric, nullptr) << name;
  if (metric == nullptr) return NAN;
  return evaluate(*metric, list, facts, FactSet::all()).value.value_or(NAN);
}

// Rows: pmu-9-definition, pmu-9.1-hsw, pmu-9.1-skl, pmu-9.1-icl, pmu-9.1-spr, pmu-9.1-grt
TEST(Metrics, have_the_published_formulas) {
  FactCounts slow_fetch = four_wide();
  slow_fetch[Ev::kCyclesNoneDelivered] = 150;
  FactCounts low_ipc = four_wide();
  low_ipc[Ev::kInstructions] = 1500;
  FactCounts gracemont;
  gracemont[Ev::kCycles] = 1000;
  gracemont[Ev::kSlotsFrontendBound] = 1000;
  gracemont[Ev::kSlotsBadSpeculation] = 500;
  gracemont[Ev::kSlotsBackendBound] = 1500;
  gracemont[Ev::kSlotsRetired] = 2000;

  const EventList snb = EventList::kSandyBridge, hsw = EventList::kHaswell, skl = EventList::kSkylake,
                  icl = EventList::kIceLake, spr = EventList::kSapphireRapids, grt = EventList::kGracemont;
  const struct {
    EventList list;
    std::string_view name;
    FactCounts facts;
    double value;
  } rows[] = {
      {skl, "frontend_bound", four_wide(), 0.1},
      {skl, "bad_speculation", four_wide(), 0.1},
      {skl, "backend_bound", four_wide(), 0.2},
      {skl, "retiring", four_wide(), 0.6},
      {skl, "fetch_latency", four_wide(), 0.06},
      {skl, "fetch_bandwidth", four_wide(), 0.04},
      {skl, "branch_mispredicts", four_wide(), 0.075},
      {skl, "machine_clears", four_wide(), 0.025},
      {skl, "memory_bound", four_wide(), 0.2 * 220 / 540},
      {skl, "core_bound", four_wide(), 0.2 * 320 / 540},
      {skl, "heavy_operations", four_wide(), 0.075},
      {skl, "light_operations", four_wide(), 0.525},
      {snb, "frontend_bound", four_wide(), 0.1},
      {snb, "backend_bound", four_wide(), 0.2},
      {snb, "fetch_latency", four_wide(), 0.06},
      {hsw, "retiring", four_wide(), 0.6},
      {hsw, "fetch_latency", four_wide(), 0.06},
      {hsw, "fetch_latency", slow_fetch, 0.15},
      {hsw, "heavy_operations", four_wide(), 2400.0 / 2600 * 160 / 4000},
      {hsw, "memory_bound", four_wide(), 0.2 * 220 / (300 + 450 + 20)},
      {hsw, "memory_bound", slow_fetch, 0.2 * 220 / (300 + 450 - 40 + 20)},
      {hsw, "memory_bound", low_ipc, 0.2 * 220 / (300 + 250 + 20)},
      {hsw, "core_bound", four_wide(), 0.2 * 550 / 770},
      {icl, "frontend_bound", ice_lake(), 0.19},
      {icl, "backend_bound", ice_lake(), 0.32},
      {icl, "retiring", ice_lake(), 0.4},
      {icl, "bad_speculation", ice_lake(), 0.09},
      {icl, "fetch_latency", ice_lake(), 0.09},
      {icl, "fetch_bandwidth", ice_lake(), 0.1},
      {icl, "branch_mispredicts", ice_lake(), 0.0675},
      {icl, "machine_clears", ice_lake(), 0.0225},
      {icl, "memory_bound", ice_lake(), 0.32 * 220 / 500},
      {icl, "core_bound", ice_lake(), 0.32 * 280 / 500},
      {icl, "heavy_operations", ice_lake(), 2000.0 / 2600 * 160 / 5000 + 0.4 * 100 / 500},
      {spr, "frontend_bound", golden_cove(), 0.19},
      {spr, "backend_bound", golden_cove(), 0.3},
      {spr, "retiring", golden_cove(), 0.4},
      {spr, "bad_speculation", golden_cove(), 0.11},
      {spr, "fetch_latency", golden_cove(), 0.1},
      {spr, "fetch_bandwidth", golden_cove(), 0.09},
      {spr, "branch_mispredicts", golden_cove(), 0.05},
      {spr, "machine_clears", golden_cove(), 0.06},
      {spr, "memory_bound", golden_cove(), 0.2},
      {spr, "core_bound", golden_cove(), 0.1},
      {spr, "heavy_operations", golden_cove(), 0.05},
      {spr, "light_operations", golden_cove(), 0.35},
      {grt, "frontend_bound", gracemont, 0.2},
      {grt, "bad_speculation", gracemont, 0.1},
      {grt, "backend_bound", gracemont, 0.3},
      {grt, "retiring", gracemont, 0.4},
  };
  for (const auto& row : rows) {
    EXPECT_NEAR(value(row.list, row.name, row.facts), row.value, 1e-12)
        << row.name << " on list " << static_cast<unsigned>(row.list);
  }
}

// Rows: pmu-9.1-nhm
TEST(Metrics, exist_where_the_parts_events_allow) {
  for (unsigned n = 0; n < static_cast<unsigned>(EventList::kCount); ++n) {
    const auto list = static_cast<EventList>(n);
    FactCounts facts;
    facts.n.fill(7);
    std::size_t level1 = 0;
    std::size_t level2 = 0;
    for (const Metric& m : metrics()) {
      if ((m.lists & only(list)) == 0) continue;
      EXPECT_EQ(find_metric(list, m.name), &m) << "one formula per part";
      ++(m.level == 1 ? level1 : level2);
      EXPECT_EQ(m.parent.empty(), m.level == 1) << m.name;
      if (!m.parent.empty()) {
        ASSERT_NE(find_metric(list, m.parent), nullptr) << m.name;
      }
      EXPECT_TRUE(std::isfinite(evaluate(m, list, facts, FactSet::all()).value.value_or(NAN))) << m.name;
      EXPECT_EQ(evaluate(m, list, FactCounts(), FactSet::all()).missing, std::nullopt) << m.name;
    }
    EXPECT_TRUE(level1 == 4 || level1 == 0) << n;
    EXPECT_TRUE(level2 == 8 || level2 == 6 || level2 == 0) << n;
  }
  EXPECT_EQ(find_metric(EventList::kNehalem, "retiring"), nullptr);
  EXPECT_EQ(find_metric(EventList::kSandyBridge, "memory_bound"), nullptr);
}

TEST(Metrics, of_level_1_add_up_to_all_slots) {
  for (const EventList list : {EventList::kSandyBridge, EventList::kHaswell, EventList::kSkylake,
                               EventList::kIceLake, EventList::kSapphireRapids}) {
    const FactCounts facts = list == EventList::kIceLake          ? ice_lake()
                             : list == EventList::kSapphireRapids ? golden_cove()
                                                                  : four_wide();
    double sum = 0;
    double children = 0;
    for (const Metric& m : metrics()) {
      if ((m.lists & only(list)) == 0) continue;
      (m.level == 1 ? sum : children) += value(list, m.name, facts);
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    if (list != EventList::kSandyBridge) {
      EXPECT_NEAR(children, 1, 1e-12);
    }
  }
}

// Rows: pmu-9.1-thresholds
TEST(Metrics, are_high_above_their_threshold_if_their_parent_is) {
  const auto high = [](std::string_view name, const FactCounts& facts) {
    return evaluate(*find_metric(EventList::kSkylake, name), EventList::kSkylake, facts, FactSet::all()).high;
  };
  FactCounts facts = four_wide();
  facts[Ev::kUopsIssued] = 2610;
  EXPECT_FALSE(high("backend_bound", facts)) << "just below 0.2";
  facts[Ev::kUopsIssued] = 2400;
  facts[Ev::kSlotsRetired] = 2200;
  facts[Ev::kUopsMacroFused] = 0;
  EXPECT_TRUE(high("backend_bound", facts));
  EXPECT_TRUE(high("core_bound", facts));
  facts[Ev::kStallsMemory] = 0;
  EXPECT_FALSE(high("memory_bound", facts));
  EXPECT_FALSE(high("frontend_bound", facts));

  facts[Ev::kCyclesNoneDelivered] = 110;
  EXPECT_GT(value(EventList::kSkylake, "fetch_latency", facts), 0.1);
  EXPECT_FALSE(high("fetch_latency", facts)) << "its parent is not above 0.15";
  facts[Ev::kSlotsNotDelivered] = 700;
  EXPECT_TRUE(high("fetch_latency", facts));

  EXPECT_FALSE(high("retiring", facts));
  facts[Ev::kUopsMacroFused] = 900;
  EXPECT_TRUE(high("retiring", facts)) << "heavy operations above 0.1";

  const struct {
    std::string_view name;
    double threshold;
  } rows[] = {{"frontend_bound", 0.15}, {"bad_speculation", 0.15},   {"backend_bound", 0.2},
              {"retiring", 0.7},        {"fetch_latency", 0.1},      {"fetch_bandwidth", 0.2},
              {"machine_clears", 0.1},  {"branch_mispredicts", 0.1}, {"memory_bound", 0.2},
              {"core_bound", 0.1},      {"light_operations", 0.6},   {"heavy_operations", 0.1}};
  for (const auto& row : rows) {
    EXPECT_EQ(find_metric(EventList::kSkylake, row.name)->threshold, row.threshold) << row.name;
  }
}

TEST(Metrics, without_a_timing_model_name_the_fact_they_wait_for) {
  for (const Metric& m : metrics()) {
    for (unsigned n = 0; n < static_cast<unsigned>(EventList::kCount); ++n) {
      const auto list = static_cast<EventList>(n);
      if ((m.lists & only(list)) == 0) continue;
      const MetricValue v = evaluate(m, list, four_wide());
      EXPECT_EQ(v.value, std::nullopt) << m.name;
      EXPECT_NE(v.missing, std::nullopt) << m.name;
      EXPECT_FALSE(v.high) << m.name;
    }
  }
  const Metric& frontend = *find_metric(EventList::kSkylake, "frontend_bound");
  EXPECT_EQ(evaluate(frontend, EventList::kSkylake, {}).missing, Ev::kSlotsNotDelivered);
}

}  // namespace
}  // namespace lastbranch::pmu
