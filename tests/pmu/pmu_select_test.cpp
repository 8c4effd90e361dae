// What an event select makes a counter count.
#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "tests/pmu/pmu_support.h"

namespace lastbranch::pmu {
namespace {

constexpr u64 kEdge = 1u << 18;
constexpr u64 kAny = 1u << 21;
constexpr u64 kInv = 1u << 23;
constexpr u64 kInTx = u64{1} << 32;
constexpr u64 kInTxcp = u64{1} << 33;
constexpr u64 kEqual = u64{1} << 36;

constexpr u64 cmask(u64 n) {
  return n << 24;
}

PmuParams part(std::string_view name) {
  return cpu::uarch(name).pmu;
}

/// One instruction in `ctx`: so many clocks, so many branches (more than one stands for what a timing model
/// retires in one cycle).
struct Step {
  u64 cycles;
  u64 branches;
  Ctx ctx = Ctx::kHostKernel;
};

u64 counted(const PmuParams& params, u64 select, std::span<const Step> steps, u32 counter = 0) {
  TestPmu m(params, {}, 8);
  EXPECT_TRUE(m.write(msr::kSelect + counter, select)) << std::hex << select;
  for (const Step& s : steps) {
    Horizon horizon;
    m.pmu.limit(horizon);
    m.ledger.enter(s.ctx);
    m.ledger.add(Ev::kInstructions);
    m.ledger.add(Ev::kCycles, s.cycles);
    m.ledger.add(Ev::kBranches, s.branches);
    m.pmu.service(0);
  }
  return m.pmu.value(counter);
}

// Rows: pmu-2.2-usr-os, pmu-1-v1
TEST(PmuSelect, usr_and_os_choose_the_privilege_level) {
  constexpr Step kSteps[] = {{1, 1, Ctx::kHostKernel},  {1, 0, Ctx::kHostUser},    {1, 1, Ctx::kHostUser},
                             {1, 0, Ctx::kGuestKernel}, {1, 1, Ctx::kGuestKernel}, {1, 0, Ctx::kGuestUser},
                             {1, 0, Ctx::kGuestUser}};
  const PmuParams p = part("skylake");
  const u64 enable = u64{1} << 22;
  EXPECT_EQ(counted(p, kInstructionsEvent | enable, kSteps), 0u) << "neither: never";
  EXPECT_EQ(counted(p, kInstructionsEvent | kEnableUser, kSteps), 4u);
  EXPECT_EQ(counted(p, kInstructionsEvent | kEnableKernel, kSteps), 3u);
  EXPECT_EQ(counted(p, kInstructionsEvent | kEnableBoth, kSteps), 7u);
  EXPECT_EQ(counted(p, kBranchesEvent | kEnableUser, kSteps), 1u);
  EXPECT_EQ(counted(p, kBranchesEvent | kEnableKernel, kSteps), 2u);
}

TEST(PmuSelect, contexts_outside_the_allowed_ones_never_count) {
  TestPmu m(part("skylake"));
  m.write(msr::kSelect, kInstructionsEvent | kEnableBoth);
  m.pmu.count_contexts(1u << static_cast<unsigned>(Ctx::kGuestUser) |
                       1u << static_cast<unsigned>(Ctx::kGuestKernel));
  m.retire(5);
  EXPECT_EQ(m.pmu.value(0), 0u);
  m.ledger.enter(Ctx::kGuestKernel);
  m.retire(7);
  EXPECT_EQ(m.pmu.value(0), 7u);
  m.pmu.count_contexts(kAllContexts);
  m.ledger.enter(Ctx::kHostKernel);
  m.retire(2);
  EXPECT_EQ(m.pmu.value(0), 9u);
}

// Increments of branches by cycle: 0 0 2 | 1 | (with the next) 1+2 | 0 | 0 | 3 | 1 1 2
constexpr Step kBranchy[] = {{3, 2}, {1, 1}, {0, 1}, {1, 2}, {1, 0}, {1, 0}, {1, 3}, {3, 4}};
// Spread as evenly as whole numbers allow, the larger last: 0 1 1 | 1 | 3 | 0 | 0 | 3 | 1 1 2.

// Rows: pmu-2.2-cmask, pmu-2.2-inv, pmu-2.2-edge, pmu-2.2-eq, pmu-2.2-order
TEST(PmuSelect, conditions_are_met_cycle_by_cycle) {
  struct Row {
    u64 flags;
    u64 count;
  };
  constexpr Row kRows[] = {
      {0, 13},
      {cmask(1), 8},
      {cmask(2), 3},
      {cmask(3), 2},
      {cmask(4), 0},
      {cmask(1) | kInv, 3},
      {cmask(2) | kInv, 8},
      {cmask(3) | kInv, 9},
      {cmask(4) | kInv, 11},
      {kInv, 13},             // ignored without cmask
      {cmask(1) | kEdge, 2},  // 0[1 1 1 3]0 0[3 1 1 2]
      {cmask(2) | kEdge, 3},  // 3, 3, 2
      {cmask(1) | kInv | kEdge, 2},
      {kEdge, 2},  // any increment at all
  };
  for (const Row& row : kRows) {
    for (const char* name : {"core2", "nehalem", "skylake", "sapphirerapids"}) {
      EXPECT_EQ(counted(part(name), kBranchesEvent | kEnableBoth | row.flags, kBranchy), row.count)
          << name << std::hex << " " << row.flags;
    }
  }
  constexpr Row kEqualRows[] = {{cmask(1) | kEqual, 5},         {cmask(2) | kEqual, 1},
                                {cmask(3) | kEqual, 2},         {cmask(1) | kEqual | kInv, 6},
                                {cmask(3) | kEqual | kEdge, 2}, {kEqual, 13}};
  for (const Row& row : kEqualRows) {
    EXPECT_EQ(counted(part("lunarlake-p"), kBranchesEvent | kEnableBoth | row.flags, kBranchy), row.count)
        << std::hex << row.flags;
  }
}

// Rows: pmu-2.2-order
TEST(PmuSelect, cycles_of_other_privilege_levels_end_a_condition) {
  // Entries to the kernel: cycles at CPL 0, cmask 1, edge.
  constexpr Step kSteps[] = {{1, 0, Ctx::kHostUser},   {2, 0, Ctx::kHostKernel}, {1, 0, Ctx::kHostKernel},
                             {4, 0, Ctx::kHostUser},   {1, 0, Ctx::kHostKernel}, {1, 0, Ctx::kHostUser},
                             {3, 0, Ctx::kHostKernel}, {1, 0, Ctx::kHostKernel}};
  const PmuParams p = part("haswell");
  EXPECT_EQ(counted(p, kCyclesEvent | kEnableKernel | cmask(1) | kEdge, kSteps), 3u);
  EXPECT_EQ(counted(p, kCyclesEvent | kEnableUser | cmask(1) | kEdge, kSteps), 3u);
  EXPECT_EQ(counted(p, kCyclesEvent | kEnableBoth | cmask(1) | kEdge, kSteps), 1u);
  EXPECT_EQ(counted(p, kCyclesEvent | kEnableKernel | cmask(2) | kInv, kSteps), 8u) << "only its own cycles";
}

// Rows: pmu-2.2-precise-cycles
TEST(PmuSelect, an_inverted_impossible_condition_counts_cycles) {
  constexpr Step kSteps[] = {{3, 0}, {1, 1}, {0, 0}, {7, 1}};
  EXPECT_EQ(counted(part("skylake"), kInstructionsEvent | kEnableBoth | cmask(16) | kInv, kSteps), 11u);
}

// Rows: pmu-2.2-cmask
TEST(PmuSelect, conditions_look_after_every_instruction_and_overflow_exactly) {
  TestPmu m(part("skylake"), {}, 8);
  m.write(msr::kSelect, kBranchesEvent | kEnableBoth | kInterrupt | cmask(1) | kInv);
  m.write(msr::kPmc, 0xffff'fffe);
  Horizon horizon;
  m.pmu.limit(horizon);
  EXPECT_EQ(horizon.instructions(), 1u);
  m.retire(1);
  EXPECT_EQ(m.target.pmis, 0u);
  m.retire(1);
  EXPECT_EQ(m.target.pmis, 1u);
  EXPECT_EQ(m.pmu.status(), 1u);
}

// Rows: pmu-2.2-any, pmu-2.3-any
TEST(PmuSelect, any_counts_this_thread_the_only_one) {
  constexpr Step kSteps[] = {{1, 1}, {1, 0}};
  for (const char* name : {"nehalem", "haswell", "skylake"}) {
    EXPECT_EQ(counted(part(name), kInstructionsEvent | kEnableBoth | kAny, kSteps), 2u) << name;
  }
}

// Rows: pmu-2.2-in-tx, pmu-2.2-in-txcp
TEST(PmuSelect, there_are_no_transactions_to_count_in) {
  constexpr Step kSteps[] = {{1, 1}, {1, 0}};
  EXPECT_EQ(counted(part("skylake"), kInstructionsEvent | kEnableBoth | kInTx, kSteps, 2), 0u);
  EXPECT_EQ(counted(part("skylake"), kInstructionsEvent | kEnableBoth | kInTxcp, kSteps, 2), 2u);
}

// Rows: pmu-2.2-event, pmu-2.2-umask2
TEST(PmuSelect, codes_nobody_knows_count_nothing_and_are_named) {
  TestPmu m(part("lunarlake-p"));
  m.write(msr::kSelect, 0x99ff | kEnableBoth);
  m.write(msr::kSelect + 1, kInstructionsEvent | kEnableBoth | u64{7} << 40);
  m.write(msr::kSelect + 2, kInstructionsEvent | kEnableBoth);
  m.retire(10);
  EXPECT_EQ(m.pmu.value(0), 0u);
  EXPECT_EQ(m.pmu.value(1), 0u);
  EXPECT_EQ(m.pmu.value(2), 10u);
  const std::vector<std::pair<u64, u64>> expected = {{0x99ff, 1}, {kInstructionsEvent | u64{7} << 40, 1}};
  EXPECT_EQ(m.pmu.unmodelled(), expected);
}

// Rows: pmu-1-v1
TEST(PmuSelect, the_architectural_events_work_on_every_part) {
  constexpr Step kSteps[] = {{2, 1}, {1, 0}, {3, 1}};
  for (const cpu::Uarch& u : cpu::uarchs()) {
    EXPECT_EQ(counted(u.pmu, kInstructionsEvent | kEnableBoth, kSteps), 3u) << u.name;
    EXPECT_EQ(counted(u.pmu, kCyclesEvent | kEnableBoth, kSteps), 6u) << u.name;
    EXPECT_EQ(counted(u.pmu, kBranchesEvent | kEnableBoth, kSteps), 2u) << u.name;
  }
}

TEST(PmuSelect, the_running_total_does_not_see_writes_and_wraps) {
  TestPmu m(part("skylake"));
  m.write(msr::kSelect, kInstructionsEvent | kEnableBoth);
  m.retire(10);
  EXPECT_EQ(m.pmu.total(0), 10u);
  m.write(msr::kPmc, 0xffff'fff0);
  EXPECT_EQ(m.pmu.total(0), 10u);
  m.retire(40);
  EXPECT_EQ(m.pmu.total(0), 50u);
  EXPECT_EQ(m.pmu.value(0), 24u);
  m.write(msr::kSelect, 0);
  m.retire(5);
  EXPECT_EQ(m.pmu.total(0), 50u);
}

}  // namespace
}  // namespace lastbranch::pmu
