// Counters against one that looks at every event.
#include "models/pmu/counter.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "sim/base/rng.h"

namespace lastbranch::pmu {
namespace {

constexpr u32 kMostCycles = 7;
const FactCounts kMost = most_per_instruction(kMostCycles);

constexpr CtxSet only(Ctx ctx) {
  return static_cast<CtxSet>(1u << static_cast<unsigned>(ctx));
}

/// One instruction of a made-up program: facts as the core would add them.
void retire_one(Rng& rng, Ledger& ledger) {
  if (rng.chance(1, 50)) ledger.enter(context_of(rng.chance(1, 2) ? 0 : 3));
  ledger.add(Ev::kInstructions);
  ledger.add(Ev::kCycles, rng.below(kMostCycles + 1));
  if (rng.chance(1, 5)) {
    ledger.add(Ev::kBranches);
    ledger.add(Ev::kCondBranches);
    if (rng.chance(1, 2)) {
      ledger.add(Ev::kCondTaken);
      ledger.add(Ev::kTakenBranches);
    }
  }
}

TEST(Counter, counts_only_its_contexts_while_running) {
  Ledger ledger;
  Counter user(ledger, Ev::kInstructions, only(Ctx::kHostUser), kMost);
  Counter both(ledger, Ev::kInstructions, kAllContexts, kMost);
  ledger.enter(Ctx::kHostUser);
  ledger.add(Ev::kInstructions, 100);
  user.start();
  both.start();
  ledger.add(Ev::kInstructions, 10);
  ledger.enter(Ctx::kHostKernel);
  ledger.add(Ev::kInstructions, 5);
  EXPECT_EQ(user.value(), 10u);
  EXPECT_EQ(both.value(), 15u);

  both.stop();
  ledger.add(Ev::kInstructions, 1000);
  EXPECT_EQ(both.value(), 15u);
  both.start();
  ledger.add(Ev::kInstructions, 1);
  EXPECT_EQ(both.value(), 16u);
  both.set_value(3);
  ledger.add(Ev::kInstructions, 1);
  EXPECT_EQ(both.value(), 4u);
}

TEST(Counter, subtracts_what_its_formula_subtracts) {
  Ledger ledger;
  const Formula not_taken = {{Ev::kCondBranches}, {Ev::kCondTaken, true}};
  Counter counter(ledger, not_taken, kAllContexts, kMost);
  counter.start();
  ledger.add(Ev::kCondBranches, 100);
  ledger.add(Ev::kCondTaken, 30);
  EXPECT_EQ(counter.value(), 70u);
}

TEST(Counter, overflows_at_the_instruction_a_watchful_counter_names) {
  const struct {
    Formula formula;
    CtxSet contexts;
    u64 period;
  } rows[] = {{Ev::kInstructions, kAllContexts, 1},
              {Ev::kInstructions, kAllContexts, 997},
              {Ev::kInstructions, only(Ctx::kHostUser), 1000},
              {Ev::kCycles, kAllContexts, 12345},
              {Ev::kCycles, only(Ctx::kHostKernel), 5},
              {Ev::kTakenBranches, kAllContexts, 101},
              {{{Ev::kCondBranches}, {Ev::kCondTaken, true}}, only(Ctx::kHostUser), 77}};
  constexpr u64 kRun = 200'000;
  for (const auto& row : rows) {
    // The watchful one: looks after every instruction.
    std::vector<u64> expected;
    {
      Rng rng(6);
      Ledger ledger;
      u64 next = row.period;
      for (u64 n = 1; n <= kRun; ++n) {
        retire_one(rng, ledger);
        u64 total = 0;
        for (std::size_t c = 0; c < kCtxCount; ++c) {
          if (((row.contexts >> c) & 1) != 0) total += row.formula.total(ledger, static_cast<Ctx>(c));
        }
        for (; total >= next; next += row.period) expected.push_back(n);
      }
    }
    // The counter: looks only where its horizon says.
    std::vector<u64> found;
    u64 looks = 0;
    {
      Rng rng(6);
      Ledger ledger;
      Counter counter(ledger, row.formula, row.contexts, kMost);
      counter.start();
      counter.arm(row.period);
      for (u64 n = 0; n < kRun; ++looks) {
        Horizon horizon;
        horizon.within(kRun - n);
        counter.limit(horizon);
        ASSERT_GT(horizon.instructions(), 0u);
        for (u64 i = 0; i < horizon.instructions(); ++i) retire_one(rng, ledger);
        n += horizon.instructions();
        while (counter.overflowed()) {
          found.push_back(n);
          counter.next_period();
        }
      }
    }
    EXPECT_EQ(found, expected) << "period " << row.period;
    EXPECT_FALSE(row.period > 1 && found.empty());
    if (row.period == 997) {
      EXPECT_LE(looks, kRun / 997 + 1) << "an exact bound needs one look per overflow";
    }
  }
}

TEST(Counter, stopped_or_disarmed_limits_nothing) {
  Ledger ledger;
  Counter counter(ledger, Ev::kInstructions, kAllContexts, kMost);
  const auto limit = [&] {
    Horizon horizon;
    counter.limit(horizon);
    return horizon.instructions();
  };
  counter.arm(10);
  EXPECT_EQ(limit(), Horizon::kNone) << "not started";
  counter.start();
  EXPECT_EQ(limit(), 10u);
  counter.disarm();
  EXPECT_EQ(limit(), Horizon::kNone);
  EXPECT_FALSE(counter.overflowed());
}

TEST(Counter, period_runs_on_from_the_overflow_however_late_it_was_seen) {
  Ledger ledger;
  Counter counter(ledger, Ev::kInstructions, kAllContexts, kMost);
  counter.start();
  counter.arm(100);
  EXPECT_EQ(counter.distance(), 100u);
  ledger.add(Ev::kInstructions, 130);
  EXPECT_TRUE(counter.overflowed());
  counter.next_period();
  EXPECT_EQ(counter.distance(), 70u);
}

TEST(Counter, cycles_limit_by_the_most_clocks_an_instruction_takes) {
  Ledger ledger;
  Counter counter(ledger, Ev::kCycles, kAllContexts, kMost);
  counter.start();
  counter.arm(100);
  Horizon horizon;
  counter.limit(horizon);
  EXPECT_EQ(horizon.instructions(), (100 + kMostCycles - 1) / kMostCycles);
}

}  // namespace
}  // namespace lastbranch::pmu
