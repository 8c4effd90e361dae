#include "models/pmu/events.h"

#include <set>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"

namespace lastbranch::pmu {
namespace {

constexpr auto kLists = {EventList::kArchitectural, EventList::kNehalem, EventList::kSandyBridge,
                         EventList::kHaswell, EventList::kSkylake};

TEST(Events, have_one_row_per_name_and_a_description) {
  std::set<std::string_view> names;
  for (const Event& e : events()) {
    EXPECT_TRUE(names.insert(e.name).second) << e.name;
    EXPECT_FALSE(e.description.empty()) << e.name;
    bool somewhere = false;
    for (const EventList list : kLists) somewhere = somewhere || e.exists(list);
    EXPECT_TRUE(somewhere) << e.name;
  }
  for (const Alias& a : aliases()) EXPECT_TRUE(names.insert(a.name).second) << a.name;
}

TEST(Events, names_with_the_same_code_count_the_same) {
  for (const EventList list : kLists) {
    for (const Event& a : events()) {
      for (const Event& b : events()) {
        if (!a.exists(list) || a.code(list) != b.code(list)) continue;
        EXPECT_EQ(a.supported(), b.supported()) << a.name << ' ' << b.name;
      }
    }
  }
}

TEST(Events, every_part_counts_what_perf_counts_by_default) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    for (const std::string_view name : {"cycles", "instructions", "branches", "ref-cycles", "cpu-cycles"}) {
      const Event* e = find(u.pmu.events, name);
      ASSERT_NE(e, nullptr) << u.name << ' ' << name;
      EXPECT_TRUE(e->supported()) << u.name << ' ' << name;
    }
    const Event* misses = find(u.pmu.events, "branch-misses");
    ASSERT_NE(misses, nullptr) << u.name;
    EXPECT_FALSE(misses->supported()) << "no predictor yet";
  }
}

TEST(Events, formulas_give_consistent_counts) {
  // Facts of a run: 10 conditional branches, 4 taken; 3 direct jumps; 2 calls, 2 returns; 1 SYSCALL.
  Ledger ledger;
  ledger.add(Ev::kBranches, 18);
  ledger.add(Ev::kCondBranches, 10);
  ledger.add(Ev::kCondTaken, 4);
  ledger.add(Ev::kTakenBranches, 11);
  ledger.add(Ev::kNearCalls, 2);
  ledger.add(Ev::kNearReturns, 2);
  ledger.add(Ev::kFarBranches, 1);
  const auto count = [&](std::string_view name) {
    return find(EventList::kSkylake, name)->formula.total(ledger, Ctx::kHostKernel);
  };
  EXPECT_EQ(count("branches"), 18u);
  EXPECT_EQ(count("br_inst_retired.not_taken"), 6u);
  EXPECT_EQ(count("br_inst_retired.not_taken") + count("br_inst_retired.near_taken") +
                count("br_inst_retired.far_branch"),
            count("br_inst_retired.all_branches"));
}

TEST(Events, are_found_by_code) {
  EXPECT_EQ(find(EventList::kSkylake, Code{0x20c4})->name, "br_inst_retired.near_taken");
  EXPECT_EQ(find(EventList::kSkylake, Code{0x01c4})->name, "br_inst_retired.conditional");
  EXPECT_EQ(find(EventList::kNehalem, Code{0x20c4}), nullptr);
  EXPECT_EQ(find(EventList::kSkylake, kNoCode), nullptr);
}

TEST(Events, are_found_in_any_case_and_only_where_they_exist) {
  EXPECT_NE(find(EventList::kSkylake, "BR_INST_RETIRED.NEAR_TAKEN"), nullptr);
  EXPECT_NE(find(EventList::kSkylake, "l1_dcache_loads"), nullptr);
  EXPECT_EQ(find(EventList::kNehalem, "br_inst_retired.near_taken"), nullptr);
  EXPECT_EQ(find(EventList::kSkylake, "mem_inst_retired.loads"), nullptr) << "Nehalem's";
}

}  // namespace
}  // namespace lastbranch::pmu
