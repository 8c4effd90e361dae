// Overflows, their interrupts, and the two ways of freezing.
#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "tests/pmu/pmu_support.h"

namespace lastbranch::pmu {
namespace {

constexpr u64 kFixed0 = u64{1} << 32;
constexpr u64 kFreezeLbrs = debugctl::kFreezeLbrsOnPmi;
constexpr u64 kFreezeCounters = debugctl::kFreezePerfmonOnPmi;
constexpr u64 kLbrFrz = u64{1} << 58;
constexpr u64 kCtrFrz = u64{1} << 59;

PmuParams part(std::string_view name) {
  return cpu::uarch(name).pmu;
}

/// A counter of instructions, `left` of them from its overflow.
void arm(TestPmu& m, u32 n, u64 left, u64 flags = kInterrupt) {
  ASSERT_TRUE(m.write(msr::kSelect + n, kInstructionsEvent | kEnableBoth | flags));
  ASSERT_TRUE(m.write(msr::kPmc + n, (0 - left) & 0xffff'ffff));
}

// Rows: pmu-4-overflow, pmu-4-arming, pmu-2.2-int
TEST(PmuOverflow, found_at_the_exact_instruction_for_every_period) {
  for (u64 period = 1; period <= 300; ++period) {
    TestPmu m(part("skylake"));
    arm(m, 0, period);
    for (unsigned times = 1; times <= 3; ++times) {
      m.retire(period - 1);
      ASSERT_EQ(m.pmu.status(), 0u) << period;
      ASSERT_EQ(m.target.pmis, times - 1);
      m.retire(1);
      ASSERT_EQ(m.pmu.status(), 1u) << period;
      ASSERT_EQ(m.target.pmis, times);
      ASSERT_EQ(m.pmu.value(0), 0u);
      m.write(msr::kStatusReset, 1);
      m.write(msr::kPmc, (0 - period) & 0xffff'ffff);
    }
  }
}

// Rows: pmu-4-overflow
TEST(PmuOverflow, counter_goes_on_from_zero_and_wraps_at_its_width) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    TestPmu m(u.pmu);
    const u64 last = (u64{1} << u.pmu.gp_width) - 1;
    arm(m, 0, 3, 0);
    EXPECT_EQ(m.pmu.value(0), last - 2) << u.name;
    m.retire(2);
    EXPECT_EQ(m.pmu.value(0), last);
    m.retire(6);
    EXPECT_EQ(m.pmu.value(0), 5u);
    EXPECT_EQ(m.pmu.status(), 1u);
    EXPECT_EQ(m.target.pmis, 0u) << "without INT";
  }
}

// Rows: pmu-4-overflow
TEST(PmuOverflow, the_horizon_is_the_overflow_and_a_precise_one_is_a_run_of_its_own) {
  TestPmu m(part("skylake"));
  arm(m, 0, 1000);
  Horizon plain;
  m.pmu.limit(plain);
  EXPECT_EQ(plain.instructions(), 1000u);
  m.pmu.set_precise(1);
  Horizon precise;
  m.pmu.limit(precise);
  EXPECT_EQ(precise.instructions(), 999u);
  m.retire(999);
  Horizon last;
  m.pmu.limit(last);
  EXPECT_EQ(last.instructions(), 1u);
}

// Rows: pmu-1-v5, pmu-2.3-bits, pmu-2.3-events, pmu-4-cycles, pmu-7-slots
TEST(PmuOverflow, fixed_counters_overflow_with_their_own_interrupt_bit) {
  for (const bool pmi : {false, true}) {
    TestPmu m(part("icelake"));
    for (u32 i = 0; i < 4; ++i) {
      ASSERT_TRUE(m.write(msr::kFixedCtrl, u64{pmi ? 0xbu : 3u} << (4 * i)));
      ASSERT_TRUE(m.write(msr::kGlobalCtrl, u64{1} << (32 + i)));
      ASSERT_TRUE(m.write(msr::kFixedCtr + i, (u64{1} << 48) - 20));
      // Instructions and both clocks: one each; slots: five a clock.
      const u64 needed = i == 3 ? 4 : 20;
      m.retire(needed - 1);
      EXPECT_EQ(m.pmu.status(), 0u) << i;
      m.retire(1);
      EXPECT_EQ(m.pmu.status(), u64{1} << (32 + i));
      EXPECT_EQ(m.target.pmis, pmi ? i + 1 : 0);
      m.write(msr::kStatusReset, u64{1} << (32 + i));
    }
  }
}

// Rows: pmu-4-one-interrupt
TEST(PmuOverflow, several_at_once_raise_one_interrupt) {
  TestPmu m(part("skylake"));
  m.write(msr::kGlobalCtrl, 0xf | kFixed0);
  m.write(msr::kFixedCtrl, 0xb);
  for (u32 n = 0; n < 4; ++n) arm(m, n, 10);
  m.write(msr::kFixedCtr, (u64{1} << 48) - 10);
  m.retire(9);
  EXPECT_EQ(m.target.pmis, 0u);
  m.retire(1);
  EXPECT_EQ(m.target.pmis, 1u);
  EXPECT_EQ(m.pmu.status(), 0xf | kFixed0);
}

// Rows: pmu-4-skid
TEST(PmuOverflow, the_interrupt_comes_after_the_skid_the_status_at_once) {
  for (const u64 skid : {1, 7, 100}) {
    TestPmu m(part("skylake"), {.skid_cycles = skid});
    arm(m, 0, 5);
    m.retire(5);
    EXPECT_EQ(m.pmu.status(), 1u);
    EXPECT_EQ(m.target.pmis, 0u);
    arm(m, 1, 1);
    m.retire(skid - 1);
    EXPECT_EQ(m.target.pmis, 0u) << skid;
    m.retire(1);
    EXPECT_EQ(m.target.pmis, 1u) << "one on its way announces both";
    m.retire(200);
    EXPECT_EQ(m.target.pmis, 1u);
  }
}

// Rows: pmu-4-skid
TEST(PmuOverflow, precise_counters_have_no_skid) {
  TestPmu m(part("skylake"), {.skid_cycles = 50});
  m.pmu.set_precise(1);
  arm(m, 0, 5);
  m.retire(5);
  EXPECT_EQ(m.target.pmis, 1u);
}

// Rows: lbr-8-freeze-lbr-streamlined, lbr-8-freeze-perfmon, pmu-4-freeze, pmu-2.4-frz, pmu-2.4-counting
TEST(PmuFreeze, streamlined_sets_status_bits_until_software_clears_them) {
  struct Row {
    u64 debugctl;
    u64 status;
  };
  constexpr Row kRows[] = {{0, 1},
                           {kFreezeLbrs, 1 | kLbrFrz},
                           {kFreezeCounters, 1 | kCtrFrz},
                           {kFreezeLbrs | kFreezeCounters, 1 | kLbrFrz | kCtrFrz}};
  for (const Row& row : kRows) {
    TestPmu m(part("skylake"));
    m.debug.value = row.debugctl | debugctl::kLbr;
    arm(m, 0, 10);
    m.retire(10);
    EXPECT_EQ(m.pmu.status(), row.status);
    EXPECT_EQ(m.debug.value, row.debugctl | debugctl::kLbr) << "IA32_DEBUGCTL stays";
    EXPECT_EQ(m.debug.frozen, (row.status & kLbrFrz) != 0);
    EXPECT_EQ(m.read(msr::kGlobalCtrl), 0xfu) << "so does IA32_PERF_GLOBAL_CTRL";
    m.retire(7);
    const bool frozen = (row.status & kCtrFrz) != 0;
    EXPECT_EQ(m.pmu.value(0), frozen ? 0u : 7u);
    m.write(msr::kStatusReset, kLbrFrz);
    EXPECT_FALSE(m.debug.frozen);
    m.write(msr::kStatusReset, kCtrFrz);
    EXPECT_EQ(m.pmu.status(), 1u);
    m.retire(3);
    EXPECT_EQ(m.pmu.value(0), frozen ? 3u : 10u);
  }
}

// Rows: lbr-8-freeze-lbr-legacy, lbr-8-freeze-perfmon, pmu-4-freeze, pmu-4-freeze-legacy
TEST(PmuFreeze, legacy_clears_the_enables) {
  for (const char* name : {"core2", "nehalem", "haswell"}) {
    for (const u64 bits : {u64{0}, kFreezeLbrs, kFreezeCounters, kFreezeLbrs | kFreezeCounters}) {
      TestPmu m(part(name));
      m.debug.value = bits | debugctl::kLbr;
      const u64 ctrl = m.read(msr::kGlobalCtrl);
      arm(m, 0, 10);
      m.retire(10);
      EXPECT_EQ(m.pmu.status(), 1u);
      EXPECT_EQ(m.debug.value, (bits & kFreezeLbrs) != 0 ? bits : bits | debugctl::kLbr);
      EXPECT_EQ(m.read(msr::kGlobalCtrl), (bits & kFreezeCounters) != 0 ? 0 : ctrl);
      m.retire(7);
      EXPECT_EQ(m.pmu.value(0), (bits & kFreezeCounters) != 0 ? 0u : 7u);
      m.write(msr::kGlobalCtrl, ctrl);
      m.retire(1);
      EXPECT_EQ(m.pmu.value(0), (bits & kFreezeCounters) != 0 ? 1u : 8u);
    }
  }
}

// Rows: pmu-4-freeze
TEST(PmuFreeze, only_overflows_with_an_interrupt_freeze) {
  TestPmu m(part("skylake"));
  m.debug.value = kFreezeLbrs | kFreezeCounters;
  arm(m, 0, 10, 0);
  m.retire(10);
  EXPECT_EQ(m.pmu.status(), 1u);
  EXPECT_FALSE(m.debug.frozen);
}

// Rows: pmu-4-freeze-skid, lbr-8-freeze-skid
TEST(PmuFreeze, at_the_overflow_or_after_the_skid) {
  for (const bool late : {false, true}) {
    TestPmu m(part("skylake"), {.skid_cycles = 20, .freeze_after_skid = late});
    m.debug.value = kFreezeLbrs | kFreezeCounters;
    arm(m, 0, 10);
    m.retire(29);
    EXPECT_EQ(m.debug.frozen, !late);
    EXPECT_EQ(m.pmu.value(0), late ? 19u : 0u);
    m.retire(1);
    EXPECT_TRUE(m.debug.frozen);
    EXPECT_EQ(m.target.pmis, 1u);
  }
}

// Rows: lbr-8-freeze-triggers, pmu-2.4-ds-buffer
TEST(PmuFreeze, buffers_that_reach_their_threshold_freeze_too) {
  TestPmu m(part("skylake"));
  m.debug.value = kFreezeLbrs | kFreezeCounters;
  m.write(msr::kSelect, kInstructionsEvent | kEnableBoth);
  // In the middle of a run, whose facts the ledger gets afterwards.
  m.pmu.request_pmi(u64{1} << 62);
  EXPECT_EQ(m.target.pmis, 1u);
  EXPECT_TRUE(m.debug.frozen);
  m.ledger.add(Ev::kInstructions, 7);
  m.pmu.service(0);
  EXPECT_EQ(m.read(msr::kStatus), u64{1} << 62 | kLbrFrz | kCtrFrz);
  EXPECT_EQ(m.target.pmis, 1u);
  m.retire(5);
  EXPECT_EQ(m.pmu.value(0), 7u);
}

// Rows: pmu-4-arming-31
TEST(PmuOverflow, the_longest_period_by_the_legacy_address_has_31_bits) {
  TestPmu m(part("skylake"));
  m.write(msr::kPmc, 0x8000'0001);
  EXPECT_EQ(m.pmu.value(0), (u64{1} << 48) - 0x7fff'ffff) << "minus 2^31 - 1";
  m.write(msr::kPmc, 0x7fff'ffff);
  EXPECT_EQ(m.pmu.value(0), 0x7fff'ffffu) << "one more is positive";
}

// Rows: pmu-2.1-status-set
TEST(PmuFreeze, software_freezes_through_status_set) {
  TestPmu m(part("skylake"));
  arm(m, 0, 100);
  m.retire(10);
  m.write(msr::kStatusSet, kLbrFrz | kCtrFrz | 2);
  EXPECT_TRUE(m.debug.frozen);
  m.retire(10);
  EXPECT_EQ(m.pmu.value(0), (u64{1} << 48) - 90);
  EXPECT_EQ(m.target.pmis, 0u) << "setting an overflow bit is no overflow";
  EXPECT_EQ(m.pmu.status(), kLbrFrz | kCtrFrz | 2);
}

// Rows: pmu-2.4-counting, pmu-2.2-enable
TEST(PmuOverflow, counting_needs_both_enables) {
  for (const bool enable : {false, true}) {
    for (const bool global : {false, true}) {
      TestPmu m(part("skylake"));
      m.write(msr::kGlobalCtrl, global ? 1 : 0xe);
      m.write(msr::kSelect, kInstructionsEvent | (enable ? kEnableBoth : kEnableBoth & ~u64{0x40'0000}));
      m.retire(5);
      EXPECT_EQ(m.pmu.value(0), enable && global ? 5u : 0u);
    }
  }
}

// Rows: lbr-8-freeze-smm
TEST(PmuFreeze, smm_stops_all_counters_and_its_end_enables_all) {
  for (const bool asked : {false, true}) {
    TestPmu m(part("skylake"));
    m.debug.value = asked ? debugctl::kFreezeWhileSmm : 0;
    m.write(msr::kGlobalCtrl, 1);
    m.pmu.smi();
    EXPECT_EQ(m.read(msr::kGlobalCtrl), asked ? 0u : 1u);
    m.pmu.rsm();
    EXPECT_EQ(m.read(msr::kGlobalCtrl), asked ? 0xf | u64{7} << 32 : 1u);
  }
}

}  // namespace
}  // namespace lastbranch::pmu
