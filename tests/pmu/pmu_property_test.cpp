// Counters, overflows, freezes and PMIs against a model that looks at every event.
#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/rng.h"
#include "tests/pmu/naive_pmu.h"
#include "tests/pmu/pmu_support.h"

namespace lastbranch::pmu {
namespace {

constexpr u32 kMostCycles = 5;
constexpr u64 kSteps = 10'000'000;
constexpr u64 kStepsOfPart = 20'000;

/// Both models of one part, driven alike.
class Pair {
 public:
  Pair(const PmuParams& params, const PmuOptions& options, u64 seed)
      : rng_(seed),
        params_(params),
        machine_(params, options, kMostCycles),
        naive_(params, options.skid_cycles) {}

  /// One register write or one run; returns instructions retired.
  u64 step() {
    if (naive_.status != 0 && rng_.chance(1, 4)) handle();
    if (!rng_.chance(1, 4)) return run();
    write();
    compare();
    return 1;
  }

 private:
  u64 pick(u64 bits) {
    unsigned n = static_cast<unsigned>(rng_.below(static_cast<u64>(std::popcount(bits))));
    while (n-- != 0) bits &= bits - 1;
    return static_cast<u64>(std::countr_zero(bits));
  }
  u64 counter_value() {
    // Near an overflow, mostly.
    return rng_.chance(3, 4) ? 0 - rng_.below(60) - 1 : rng_() >> rng_.below(64);
  }
  u64 select_value() {
    if (rng_.chance(1, 50)) return rng_();
    constexpr u64 kEvents[] = {0xc0, 0xc4, 0x3c, 0x3c, 0xfe};
    u64 v = kEvents[rng_.below(5)] | (rng_.chance(1, 2) ? 3 : rng_.below(4)) << 16;
    if (rng_.chance(15, 16)) v |= u64{1} << 22;
    if (rng_.chance(1, 2)) v |= u64{1} << 20;
    // Conditions make the model look at every instruction: keep them rare enough that others are tested, too.
    if (rng_.chance(1, 12)) v |= (rng_.below(4) << 24) | (rng_.below(2) << 23) | (rng_.below(2) << 18);
    if ((v >> 24) != 0 && rng_.chance(1, 2)) v |= (u64{1} << 36) & params_.evtsel_mask;
    if (rng_.chance(1, 40)) v |= (u64{1} << 32) & params_.evtsel_mask;
    // Events of the lists that have conditions of their own count by formulas that this test does not feed.
    const Event* event = machine_.pmu.event_of(v);
    if (event != nullptr && event->select > 0xffff && !event->per_cycle) v &= 0xffff'ffff'007b'ffff;
    return v;
  }

  u64 fixed_fields() const {
    u64 bits = 0;
    for (unsigned i = 0; i < 7; ++i) bits |= ((naive_.exist >> (32 + i)) & 1) * (u64{15} << (4 * i));
    return bits;
  }

  /// As an interrupt handler: what overflowed gets a new period, everything is thawed.
  void handle() {
    for (u64 bits = naive_.status & naive_.exist; bits != 0; bits &= bits - 1) {
      const auto c = static_cast<CounterBit>(std::countr_zero(bits));
      const u64 v = (0 - rng_.below(40) - 1) & 0xffff'ffff;
      if (c < kFixed) {
        machine_.write(msr::kPmc + c, v);
        naive_.write_pmc(c, v);
      } else {
        machine_.write(msr::kFixedCtr + c - kFixed, (u64{1} << params_.fixed_width) - 1);
        naive_.write_full(c, (u64{1} << params_.fixed_width) - 1);
      }
    }
    if (params_.version < 2) return;
    machine_.write(msr::kGlobalCtrl, naive_.exist);
    naive_.write_global_ctrl(naive_.exist);
    machine_.write(msr::kStatusReset, machine_.pmu.status());
    naive_.status_reset(naive_.status);
  }

  void write() {
    const u64 gp = naive_.exist & 0xffff'ffff;
    const u64 fixed = naive_.exist >> 32;
    switch (rng_.below(12)) {
      case 0:
      case 1: {
        const auto n = static_cast<u32>(pick(gp));
        const u64 v = select_value();
        EXPECT_EQ(machine_.write(msr::kSelect + n, v), naive_.write_select(n, v)) << std::hex << v;
        break;
      }
      case 2:
      case 3: {
        const auto n = static_cast<u32>(pick(gp));
        const u64 v = counter_value();
        EXPECT_EQ(machine_.write(msr::kPmc + n, v), naive_.write_pmc(n, v));
        break;
      }
      case 4: {
        if (((params_.perf_capabilities >> 13) & 1) == 0) break;
        const auto n = static_cast<u32>(pick(gp));
        const u64 v = counter_value() & (rng_.chance(1, 9) ? ~u64{0} : (u64{1} << params_.gp_width) - 1);
        EXPECT_EQ(machine_.write(msr::kFullPmc + n, v), naive_.write_full(n, v));
        break;
      }
      case 5: {
        if (fixed == 0) break;
        const auto i = static_cast<u32>(pick(fixed));
        const u64 v = counter_value() & (rng_.chance(1, 9) ? ~u64{0} : (u64{1} << params_.fixed_width) - 1);
        EXPECT_EQ(machine_.write(msr::kFixedCtr + i, v), naive_.write_full(32 + i, v));
        break;
      }
      case 6: {
        if (fixed == 0) break;
        const u64 v = rng_.chance(1, 4) ? rng_() >> rng_.below(64) : rng_() & 0xbbbbbbb & fixed_fields();
        EXPECT_EQ(machine_.write(msr::kFixedCtrl, v), naive_.write_fixed_ctrl(v)) << std::hex << v;
        break;
      }
      case 7: {
        if (params_.version < 2) break;
        const u64 v =
            rng_.chance(2, 3) ? naive_.exist : rng_() & (rng_.chance(1, 9) ? ~u64{0} : naive_.exist);
        EXPECT_EQ(machine_.write(msr::kGlobalCtrl, v), naive_.write_global_ctrl(v)) << std::hex << v;
        break;
      }
      case 8:
      case 9:
      case 10: {
        if (params_.version < 2) break;
        const u64 v = rng_.chance(3, 4) ? machine_.pmu.status() : rng_() & naive_.exist;
        EXPECT_TRUE(machine_.write(msr::kStatusReset, v));
        naive_.status_reset(v);
        if (params_.version < 4 || rng_.chance(4, 5)) break;
        const u64 set = rng_() & (naive_.exist | u64{1} << 59);
        EXPECT_TRUE(machine_.write(msr::kStatusSet, set));
        naive_.status_set(set);
        break;
      }
      default:
        machine_.debug.value = naive_.debugctl = rng_.below(4) << 11 | rng_.below(2);
    }
  }

  u64 run() {
    Horizon horizon;
    horizon.within(1 + rng_.below(16));
    machine_.pmu.limit(horizon);
    const u64 n = std::max<u64>(1, horizon.instructions());
    const u64 pmis = naive_.pmis;
    const u64 status = naive_.status;
    const bool user = rng_.chance(1, 2);
    machine_.ledger.enter(context_of(user ? 3 : 0, rng_.chance(1, 2)));
    for (u64 i = 0; i < n; ++i) {
      // Nothing was to happen before the last instruction of the run.
      EXPECT_EQ(naive_.pmis, pmis);
      EXPECT_EQ(naive_.status, status);
      const NaivePmu::Instruction in = {user, static_cast<unsigned>(rng_.below(6)) / 4,
                                        static_cast<unsigned>(rng_.below(kMostCycles + 1))};
      naive_.retire(in);
      machine_.ledger.add(Ev::kInstructions);
      machine_.ledger.add(Ev::kBranches, in.branches);
      machine_.ledger.add(Ev::kCycles, in.cycles);
    }
    machine_.pmu.service(0);
    compare();
    return n;
  }

  void compare() {
    EXPECT_EQ(machine_.target.pmis, naive_.pmis);
    EXPECT_EQ(machine_.pmu.status(), naive_.status);
    EXPECT_EQ(machine_.debug.value, naive_.debugctl);
    EXPECT_EQ(machine_.debug.frozen, ((naive_.status >> 58) & 1) != 0);
    if (params_.version >= 2) {
      EXPECT_EQ(machine_.bus.read(msr::kGlobalCtrl).value, naive_.global_ctrl);
    }
    for (u64 bits = naive_.exist; bits != 0; bits &= bits - 1) {
      const auto c = static_cast<CounterBit>(std::countr_zero(bits));
      EXPECT_EQ(machine_.pmu.value(c), naive_.value(c)) << "counter " << c;
    }
  }

  Rng rng_;
  PmuParams params_;
  TestPmu machine_;
  NaivePmu naive_;
};

// Rows: pmu-2.2-order, pmu-2.4-counting, pmu-4-overflow, pmu-4-freeze
TEST(PmuProperty, random_programs_agree_with_the_naive_model) {
  u64 steps = 0;
  for (u64 seed = 1; steps < kSteps && !HasFailure(); ++seed) {
    const cpu::Uarch& part = cpu::uarchs()[seed % cpu::uarchs().size()];
    PmuOptions options;
    if (seed % 3 == 0) options.skid_cycles = seed % 50;
    Pair pair(part.pmu, options, seed);
    for (u64 end = steps + kStepsOfPart; steps < end && !HasFailure();) steps += pair.step();
    EXPECT_FALSE(HasFailure()) << part.name << ", seed " << seed;
  }
}

}  // namespace
}  // namespace lastbranch::pmu
