#include "models/pmu/events.h"

#include <set>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "models/pmu/event_spec.h"

namespace lastbranch::pmu {
namespace {

std::vector<EventList> every_list() {
  std::vector<EventList> lists;
  for (unsigned n = 0; n < static_cast<unsigned>(EventList::kCount); ++n) {
    lists.push_back(static_cast<EventList>(n));
  }
  return lists;
}

TEST(Events, have_one_row_per_name_and_list_and_a_description) {
  for (const EventList list : every_list()) {
    std::set<std::string_view> names;
    for (const Event& e : events()) {
      if (!e.exists(list)) continue;
      EXPECT_TRUE(names.insert(e.name).second) << e.name;
      EXPECT_EQ(e.precise & ~e.lists, 0u) << e.name;
      EXPECT_EQ(e.deprecated & ~e.lists, 0u) << e.name;
    }
    EXPECT_GE(names.size(), 10u) << "list " << static_cast<unsigned>(list);
    for (const Alias& a : aliases()) EXPECT_TRUE(names.insert(a.name).second) << a.name;
  }
  for (const Event& e : events()) {
    EXPECT_FALSE(e.description.empty()) << e.name;
    EXPECT_EQ(e.description.find('\n'), std::string_view::npos) << e.name;
    EXPECT_NE(e.lists, 0u) << e.name;
  }
}

// Rows: pmu-8.2-aliases
TEST(Events, names_with_the_same_code_count_the_same) {
  for (const EventList list : every_list()) {
    for (const Event& a : events()) {
      if (!a.exists(list) || a.msr != 0) continue;
      const Event* first = find(list, a.select);
      ASSERT_NE(first, nullptr) << a.name;
      if (first->msr != 0) continue;
      EXPECT_EQ(a.state(), first->state()) << a.name << ' ' << first->name;
    }
  }
}

// Published lists number fixed counters from 0 or from 1. Rows: pmu-8.2-fixed-numbers, pmu-2.3-events
TEST(Events, of_fixed_counters_are_on_the_same_counter_in_every_list) {
  for (const EventList list : every_list()) {
    for (const Event& e : events()) {
      if (!e.exists(list) || (e.select & 0xff) != 0 || e.formula.empty()) continue;
      const bool instructions = e.name.starts_with("inst_retired");
      const bool reference = e.name.starts_with("cpu_clk_unhalted.ref");
      const bool clocks = e.name.starts_with("cpu_clk_unhalted") && !reference;
      const u64 expected = instructions ? 0x100 : clocks ? 0x200 : reference ? 0x300 : 0x400;
      EXPECT_EQ(e.select & 0xffff, expected) << e.name << ", list " << static_cast<unsigned>(list);
    }
  }
}

TEST(Events, with_a_formula_resolve_by_name_and_by_raw_code) {
  for (const EventList list : every_list()) {
    for (const Event& e : events()) {
      if (!e.exists(list) || e.formula.empty()) continue;
      EXPECT_EQ(find(list, e.name), &e);
      EXPECT_EQ(parse_event(list, "a part", e.name).event, &e);
      if (e.msr != 0 || (e.select & 0xff) == 0) continue;
      char raw[16];
      std::snprintf(raw, sizeof raw, "r%x", e.select);
      const EventSpec spec = parse_event(list, "a part", raw);
      EXPECT_EQ(spec.event->select, e.select) << e.name;
      EXPECT_EQ(spec.event->state(), e.state()) << e.name;
      EXPECT_EQ(spec.per_cycle, e.per_cycle) << e.name;
    }
  }
}

// Rows: pmu-8.2-cycle-activity, pmu-8.2-core-cycles-none
TEST(Events, with_cmask_inv_or_edge_say_how_they_count) {
  constexpr Code kModifiers = 0xff84'0000;
  for (const Event& e : events()) {
    if (e.per_cycle) {
      EXPECT_NE(e.select & kModifiers, 0u) << e.name;
      EXPECT_FALSE(e.formula.empty()) << e.name;
    }
  }
  const struct {
    EventList list;
    std::string_view name;
    bool per_cycle;
    Ev fact;
  } rows[] = {
      {EventList::kSkylake, "uops_issued.stall_cycles", true, Ev::kUopsIssued},
      {EventList::kSkylake, "cpu_clk_unhalted.ring0_trans", true, Ev::kCycles},
      {EventList::kSkylake, "inst_retired.total_cycles_ps", false, Ev::kCycles},
      {EventList::kSkylake, "idq_uops_not_delivered.cycles_0_uops_deliv.core", false,
       Ev::kCyclesNoneDelivered},
      {EventList::kSkylake, "idq_uops_not_delivered.cycles_le_3_uop_deliv.core", true,
       Ev::kSlotsNotDelivered},
      {EventList::kSkylake, "machine_clears.count", false, Ev::kMachineClears},
      {EventList::kSkylake, "cycle_activity.stalls_l3_miss", false, Ev::kStallsL3Miss},
      {EventList::kSandyBridge, "cycle_activity.stalls_l1d_pending", false, Ev::kStallsL1dMiss},
      {EventList::kHaswell, "cycle_activity.stalls_ldm_pending", false, Ev::kStallsMemory},
      {EventList::kSandyBridge, "uops_executed.core_cycles_none", false, Ev::kStalls},
      {EventList::kSandyBridge, "uops_retired.stall_cycles", true, Ev::kUopsRetired},
      {EventList::kSkylake, "uops_retired.stall_cycles", true, Ev::kSlotsRetired},
      {EventList::kIceLake, "exe_activity.bound_on_stores", false, Ev::kCyclesBoundOnStores},
      {EventList::kSapphireRapids, "exe_activity.bound_on_loads", false, Ev::kCyclesBoundOnLoads},
      {EventList::kSapphireRapids, "memory_activity.stalls_l2_miss", false, Ev::kStallsL2Miss},
  };
  for (const auto& row : rows) {
    const Event* e = find(row.list, row.name);
    ASSERT_NE(e, nullptr) << row.name;
    EXPECT_EQ(e->per_cycle, row.per_cycle) << row.name;
    ASSERT_FALSE(e->formula.empty()) << row.name;
    EXPECT_EQ(e->formula.terms()[0].ev, row.fact) << row.name << ' ' << name_of(e->formula.terms()[0].ev);
  }
}

TEST(Events, every_part_counts_what_perf_counts_by_default) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    for (const std::string_view name : {"cycles", "instructions", "branches", "ref-cycles", "cpu-cycles"}) {
      const Event* e = find(u.pmu.events, name);
      ASSERT_NE(e, nullptr) << u.name << ' ' << name;
      EXPECT_TRUE(e->supported()) << u.name << ' ' << name;
    }
    for (const std::string_view name : {"branch-misses", "cache-references", "cache-misses", "bus-cycles"}) {
      const Event* e = find(u.pmu.events, name);
      ASSERT_NE(e, nullptr) << u.name << ' ' << name;
      EXPECT_EQ(e->state(), EventState::kWaiting) << u.name << ' ' << name << ": no model supplies it";
    }
  }
}

TEST(Events, say_what_they_wait_for) {
  const auto state = [](std::string_view name) { return state_text(*find(EventList::kSkylake, name)); };
  EXPECT_EQ(state("br_inst_retired.not_taken"), "supplied");
  EXPECT_EQ(state("br_misp_retired.near_call"), "waits for mispredicted_calls");
  EXPECT_EQ(state("arith.divider_active"), "not modelled");
  // Whoever supplies more facts makes more events count.
  FactSet facts = FactSet::supplied();
  facts.add(Ev::kMispredictedCalls);
  EXPECT_EQ(find(EventList::kSkylake, "br_misp_retired.near_call")->state(facts), EventState::kSupplied);
  for (const Event& e : events()) {
    EXPECT_NE(e.state(FactSet::all()), EventState::kWaiting) << e.name;
  }
}

// Rows: pmu-8.2-c4-01
TEST(Events, the_same_select_means_what_it_means_on_the_part) {
  const struct {
    Code code;
    EventList list;
    std::string_view name;
  } rows[] = {
      {0x01c4, EventList::kNehalem, "br_inst_retired.conditional"},
      {0x01c4, EventList::kSkylake, "br_inst_retired.conditional"},
      {0x01c4, EventList::kCascadeLakeX, "br_inst_retired.conditional"},
      {0x01c4, EventList::kIceLake, "br_inst_retired.cond_taken"},
      {0x01c4, EventList::kSapphireRapids, "br_inst_retired.cond_taken"},
      {0x11c4, EventList::kIceLake, "br_inst_retired.cond"},
      {0x01c5, EventList::kIceLake, "br_misp_retired.cond_taken"},
      {0x01c5, EventList::kSkylake, "br_misp_retired.conditional"},
      {0x7ec4, EventList::kGoldmont, "br_inst_retired.jcc"},
      {0x80c4, EventList::kGoldmont, "br_inst_retired.all_taken_branches"},
      {0x80c4, EventList::kGracemont, "br_inst_retired.taken"},
      {0x80c4, EventList::kIceLake, "br_inst_retired.indirect"},
      {0x01c0, EventList::kNehalem, "inst_retired.any_p"},
      {0x00c0, EventList::kNehalem, "inst_retired.any_p"},  // architectural
      {0x00c5, EventList::kNehalem, "br_misp_retired.all_branches"},
      {0x010e, EventList::kSkylake, "uops_issued.any"},
      {0x01ae, EventList::kSapphireRapids, "uops_issued.any"},
  };
  for (const auto& row : rows) {
    const Event* e = find(row.list, row.code);
    ASSERT_NE(e, nullptr) << row.name;
    EXPECT_EQ(e->name, row.name) << std::hex << row.code;
  }
  EXPECT_EQ(find(EventList::kNehalem, Code{0x20c4}), nullptr);
  EXPECT_EQ(find(EventList::kSapphireRapids, Code{0x010e}), nullptr) << "moved to AEH";
  EXPECT_EQ(find(EventList::kSkylake, kNoCode), nullptr);
}

/// Facts of a run: 10 conditional branches, 4 taken; 3 direct jumps; 2 indirect ones; 3 calls, 1 of them
/// indirect; 3 returns; 1 SYSCALL.
void run(Ledger& ledger) {
  ledger.add(Ev::kBranches, 22);
  ledger.add(Ev::kCondBranches, 10);
  ledger.add(Ev::kCondTaken, 4);
  ledger.add(Ev::kTakenBranches, 15);
  ledger.add(Ev::kNearCalls, 3);
  ledger.add(Ev::kNearReturns, 3);
  ledger.add(Ev::kIndirect, 3);
  ledger.add(Ev::kIndirectCalls, 1);
  ledger.add(Ev::kFarBranches, 1);
  ledger.add(Ev::kCycles, 100);
}

// Rows: pmu-8.2-branch-algebra, pmu-8.5-atom-branches
TEST(Events, branch_formulas_add_up) {
  Ledger ledger;
  run(ledger);
  const auto count = [&](EventList list, std::string_view name) {
    const Event* e = find(list, name);
    EXPECT_NE(e, nullptr) << name;
    return e == nullptr ? ~u64{0} : e->formula.total(ledger, Ctx::kHostKernel);
  };
  const struct {
    EventList list;
    std::string_view name;
    u64 count;
  } rows[] = {
      {EventList::kSkylake, "branches", 22},
      {EventList::kSkylake, "br_inst_retired.conditional", 10},
      {EventList::kSkylake, "br_inst_retired.not_taken", 6},
      {EventList::kSkylake, "br_inst_retired.near_taken", 15},
      {EventList::kSkylake, "br_inst_retired.near_call", 3},
      {EventList::kSkylake, "br_inst_retired.near_return", 3},
      {EventList::kSkylake, "br_inst_retired.far_branch", 1},
      {EventList::kIceLake, "br_inst_retired.indirect", 3},
      {EventList::kIceLake, "br_inst_retired.cond_taken", 4},
      {EventList::kIceLake, "topdown.slots", 500},
      {EventList::kSapphireRapids, "topdown.slots_p", 600},
      {EventList::kGracemont, "br_inst_retired.rel_jmp", 3},
      {EventList::kGracemont, "br_inst_retired.indirect_jmp", 2},
      {EventList::kGracemont, "br_inst_retired.indirect_call", 1},
      {EventList::kGracemont, "br_inst_retired.rel_call", 2},
      {EventList::kGracemont, "br_inst_retired.near_taken", 15},
      {EventList::kGracemont, "br_inst_retired.taken", 16},
      {EventList::kGoldmont, "br_inst_retired.non_return_ind", 3},
      {EventList::kBonnell, "br_inst_type_retired.uncond", 3},
  };
  for (const auto& row : rows) EXPECT_EQ(count(row.list, row.name), row.count) << row.name;
  for (const EventList list : {EventList::kIceLake, EventList::kSapphireRapids}) {
    EXPECT_EQ(count(list, "br_inst_retired.cond") + count(list, "br_inst_retired.near_call") +
                  count(list, "br_inst_retired.near_return") + count(list, "br_inst_retired.far_branch") + 5,
              count(list, "br_inst_retired.all_branches"))
        << "and five other near jumps";
    EXPECT_EQ(count(list, "br_inst_retired.cond_ntaken") + count(list, "br_inst_retired.near_taken") +
                  count(list, "br_inst_retired.far_branch"),
              count(list, "br_inst_retired.all_branches"));
  }
}

// Rows: pmu-8.5-atom-selects
TEST(Events, of_the_atoms_have_the_data_sheets_selects) {
  const struct {
    std::string_view name;
    Code goldmont, gracemont;  // 0: the list has no such event
  } rows[] = {
      {"br_inst_retired.all_branches", 0x00c4, 0x00c4},
      {"br_inst_retired.jcc", 0x7ec4, 0x7ec4},
      {"br_inst_retired.taken_jcc", 0xfec4, 0xfec4},
      {"br_inst_retired.cond", 0, 0x7ec4},
      {"br_inst_retired.cond_taken", 0, 0xfec4},
      {"br_inst_retired.call", 0xf9c4, 0xf9c4},
      {"br_inst_retired.near_call", 0, 0xf9c4},
      {"br_inst_retired.rel_call", 0xfdc4, 0xfdc4},
      {"br_inst_retired.ind_call", 0xfbc4, 0xfbc4},
      {"br_inst_retired.return", 0xf7c4, 0xf7c4},
      {"br_inst_retired.non_return_ind", 0xebc4, 0xebc4},
      {"br_inst_retired.indirect_jmp", 0, 0xefc4},
      {"br_inst_retired.rel_jmp", 0, 0xdfc4},
      {"br_inst_retired.all_taken_branches", 0x80c4, 0},
      {"br_inst_retired.near_taken", 0, 0xc0c4},
      {"br_inst_retired.taken", 0, 0x80c4},
      {"br_inst_retired.far_branch", 0xbfc4, 0xbfc4},
      {"br_misp_retired.all_branches", 0x00c5, 0x00c5},
      {"br_misp_retired.jcc", 0x7ec5, 0x7ec5},
      {"br_misp_retired.near_taken", 0, 0x80c5},
      {"br_misp_retired.indirect_jmp", 0, 0xefc5},
      {"machine_clears.all", 0x00c3, 0},
      {"machine_clears.smc", 0x01c3, 0x01c3},
      {"machine_clears.memory_ordering", 0x02c3, 0x02c3},
      {"machine_clears.fp_assist", 0x04c3, 0x04c3},
      {"machine_clears.disambiguation", 0x08c3, 0x08c3},
      {"machine_clears.fast", 0, 0x10c3},
      {"machine_clears.page_fault", 0, 0x20c3},
      {"machine_clears.slow", 0, 0x6fc3},
      {"machine_clears.mrn_nuke", 0, 0x80c3},
      {"topdown_retiring.all", 0, 0x00c2},
      {"topdown_fe_bound.all", 0, 0x0071},
      {"topdown_bad_speculation.all", 0, 0x0073},
      {"topdown_be_bound.all", 0, 0x0074},
      {"uops_not_delivered.any", 0x009c, 0},
      {"misc_retired.lbr_inserts", 0, 0x01e4},
      {"uops_issued.any", 0x000e, 0x000e},
      {"uops_retired.any", 0x00c2, 0},
  };
  for (const auto& row : rows) {
    for (const auto& [list, code] :
         {std::pair(EventList::kGoldmont, row.goldmont), std::pair(EventList::kGracemont, row.gracemont)}) {
      const Event* e = find(list, row.name);
      ASSERT_EQ(e != nullptr, code != 0) << row.name;
      if (code == 0) continue;
      EXPECT_EQ(e->select, code) << row.name;
      EXPECT_FALSE(e->formula.empty()) << row.name;
    }
  }
}

// Rows: pmu-8.3-counters
TEST(Events, that_few_counters_have_say_which) {
  const struct {
    EventList list;
    std::string_view name;
    u16 counters;
  } rows[] = {
      {EventList::kSkylake, "inst_retired.prec_dist", 0x02},
      {EventList::kSkylake, "inst_retired.total_cycles_ps", 0x0d},
      {EventList::kSkylake, "mem_inst_retired.all_loads", 0x0f},
      {EventList::kSkylake, "br_inst_retired.near_taken", 0},
      {EventList::kSandyBridge, "l1d_pend_miss.pending", 0x04},
      {EventList::kIceLake, "mem_inst_retired.all_loads", 0x0f},
      {EventList::kIceLake, "br_inst_retired.near_taken", 0},
      {EventList::kSapphireRapids, "topdown.bad_spec_slots", 0x01},
      {EventList::kSapphireRapids, "mem_trans_retired.store_sample", 0x01},
      {EventList::kSapphireRapids, "mem_trans_retired.load_latency_gt_4", 0xfe},
  };
  for (const auto& row : rows) {
    const Event* e = find(row.list, row.name);
    ASSERT_NE(e, nullptr) << row.name;
    EXPECT_EQ(e->counters, row.counters) << row.name;
  }
}

// Rows: pmu-8.4-load-latency, pmu-8.4-frontend
TEST(Events, that_an_msr_refines_name_it) {
  const struct {
    EventList list;
    std::string_view name;
    Code select;
    u16 msr;
    u32 value;
  } rows[] = {
      {EventList::kNehalem, "mem_inst_retired.latency_above_threshold_4", 0x100b, 0x3f6, 4},
      {EventList::kSandyBridge, "mem_trans_retired.load_latency_gt_512", 0x01cd, 0x3f6, 512},
      {EventList::kSandyBridge, "mem_trans_retired.precise_store", 0x02cd, 0, 0},
      {EventList::kSapphireRapids, "mem_trans_retired.load_latency_gt_1024", 0x01cd, 0x3f6, 1024},
      {EventList::kGracemont, "mem_uops_retired.load_latency_gt_128", 0x05d0, 0x3f6, 128},
      {EventList::kSkylake, "frontend_retired.dsb_miss", 0x01c6, 0x3f7, 0x11},
      {EventList::kSkylake, "frontend_retired.latency_ge_2", 0x01c6, 0x3f7, 0x400206},
      {EventList::kSkylake, "frontend_retired.latency_ge_2_bubbles_ge_1", 0x01c6, 0x3f7, 0x100206},
      {EventList::kSkylake, "frontend_retired.latency_ge_2_bubbles_ge_3", 0x01c6, 0x3f7, 0x300206},
      {EventList::kIceLake, "frontend_retired.latency_ge_16", 0x01c6, 0x3f7, 0x501006},
      {EventList::kIceLake, "frontend_retired.stlb_miss", 0x01c6, 0x3f7, 0x15},
      {EventList::kSapphireRapids, "frontend_retired.any_dsb_miss", 0x01c6, 0x3f7, 0x1},
      {EventList::kSapphireRapids, "frontend_retired.ms_flows", 0x01c6, 0x3f7, 0x8},
      {EventList::kSapphireRapids, "frontend_retired.unknown_branch", 0x01c6, 0x3f7, 0x17},
      {EventList::kSapphireRapids, "frontend_retired.latency_ge_8", 0x01c6, 0x3f7, 0x600806},
      {EventList::kSapphireRapids, "int_misc.unknown_branch_cycles", 0x40ad, 0x3f7, 0x7},
  };
  for (const auto& row : rows) {
    const Event* e = find(row.list, row.name);
    ASSERT_NE(e, nullptr) << row.name;
    EXPECT_EQ(e->select, row.select) << row.name;
    EXPECT_EQ(e->msr, row.msr) << row.name;
    EXPECT_EQ(e->msr_value, row.value) << row.name;
    EXPECT_TRUE(e->is_precise(row.list) || row.select == 0x40ad) << row.name;
  }
}

TEST(Events, with_formulas_are_many_on_skylake) {
  std::size_t with_formula = 0;
  std::size_t counted = 0;
  for (const Event& e : events()) {
    if (!e.exists(EventList::kSkylake)) continue;
    with_formula += e.formula.empty() ? 0 : 1;
    counted += e.supported() ? 1 : 0;
  }
  EXPECT_GE(with_formula, 150u);
  EXPECT_GE(counted, 35u);
}

TEST(Events, are_found_in_any_case_and_only_where_they_exist) {
  EXPECT_NE(find(EventList::kSkylake, "BR_INST_RETIRED.NEAR_TAKEN"), nullptr);
  EXPECT_NE(find(EventList::kSkylake, "l1_dcache_loads"), nullptr);
  EXPECT_EQ(find(EventList::kNehalem, "br_inst_retired.near_taken"), nullptr);
  EXPECT_EQ(find(EventList::kSkylake, "mem_inst_retired.loads"), nullptr) << "Nehalem's";
}

}  // namespace
}  // namespace lastbranch::pmu
