// IA32_DEBUGCTL and what switches recording: #DB, freezing, SMM, resets, sleep.
#include <gtest/gtest.h>

#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

using Froms = std::vector<u64>;

// Rows: lbr-8-lbr, lbr-8-btf, lbr-8-bld, lbr-8-pb, lbr-8-tr, lbr-8-bts, lbr-8-btint, lbr-8-bts-off,
// Rows: lbr-8-freeze-lbrs, lbr-8-freeze-perfmon, lbr-8-uncore, lbr-8-freeze-smm, lbr-8-rtm, lbr-8-others
TEST(LbrDebugctl, takes_the_parts_bits_and_refuses_all_others) {
  for (const u64 mask : {u64{0x1}, u64{0x7f}, u64{0x7c3}, u64{0x1fc3}, u64{0xffc3}, u64{0xffc7}}) {
    LbrParams part = legacy_part();
    part.debugctl_mask = mask;
    Probe p(part, false);
    for (unsigned bit = 0; bit < 64; ++bit) {
      const u64 value = u64{1} << bit;
      const bool exists = (mask & value) != 0;
      ASSERT_EQ(p.write(kDebugctl, 0), MsrFault::kNone);
      EXPECT_EQ(p.write(kDebugctl, value), exists ? MsrFault::kNone : MsrFault::kReserved) << bit;
      EXPECT_EQ(p.read(kDebugctl), exists ? value : 0) << bit;
      EXPECT_EQ(p.lbr.debugctl(), exists ? value : 0) << bit;
      EXPECT_EQ(p.lbr.enabled(), bit == 0);
    }
    ASSERT_EQ(p.lbr.write_debugctl(mask), MsrFault::kNone);
    EXPECT_EQ(p.lbr.write_debugctl(~u64{0}), MsrFault::kReserved);
    EXPECT_EQ(p.read(kDebugctl), mask) << "a refused value changes nothing";
  }
}

// Rows: lbr-2-arch-debugctl-lbr
TEST(LbrDebugctl, lbr_bit_of_architectural_parts_takes_any_value_and_reads_0) {
  Probe p(arch_part(), false);
  EXPECT_EQ(p.write(kDebugctl, 1), MsrFault::kNone);
  EXPECT_EQ(p.read(kDebugctl), 0u);
  EXPECT_EQ(p.write(kDebugctl, 0x803), MsrFault::kNone);
  EXPECT_EQ(p.read(kDebugctl), 0x802u);
  p.take(0x1000);
  EXPECT_FALSE(p.lbr.enabled());
  EXPECT_TRUE(p.froms().empty()) << "it has no meaning";
}

// Rows: lbr-6-db, lbr-8-lbr, lbr-8-btf, lbr-2-reset-db
TEST(LbrDebugctl, debug_exception_stops_recording_and_branch_stepping_and_keeps_records) {
  Probe p(legacy_part());
  ASSERT_EQ(p.write(kDebugctl, 0xffc3), MsrFault::kNone);
  p.take(0x1000);
  p.lbr.debug_exception();
  EXPECT_EQ(p.read(kDebugctl), 0xffc0u) << "TR and BTS stay";
  p.take(0x2000);
  EXPECT_EQ(p.froms(), (Froms{0x1000}));

  Probe a(arch_part());
  ASSERT_EQ(a.write(kDebugctl, 0xffc2), MsrFault::kNone);
  a.take(0x1000);
  a.lbr.debug_exception();
  EXPECT_EQ(a.read(kDebugctl), 0xffc0u);
  EXPECT_EQ(a.read(0x14ce), kCtlAll & ~u64{1}) << "LBREn";
  a.take(0x2000);
  EXPECT_EQ(a.froms(), (Froms{0x1000}));
}

// Rows: lbr-8-freeze-lbr-legacy, lbr-8-lbr
TEST(LbrDebugctl, legacy_freeze_clears_the_enable) {
  Probe p(legacy_part(16, LbrFormat::kFlags));
  ASSERT_EQ(p.write(kDebugctl, 0x8c1), MsrFault::kNone);
  p.take(0x1000);
  p.lbr.legacy_freeze();
  EXPECT_EQ(p.read(kDebugctl), 0x8c0u);
  p.take(0x2000);
  EXPECT_EQ(p.froms(), (Froms{0x1000}));
  ASSERT_EQ(p.write(kDebugctl, 0x801), MsrFault::kNone);
  p.take(0x3000);
  EXPECT_EQ(p.froms(), (Froms{0x3000, 0x1000})) << "the handler sets it again";
}

// Rows: lbr-1.1-bonnell, lbr-9-q7
TEST(LbrDebugctl, early_atoms_clear_tr_when_they_freeze_and_the_earliest_do_not_freeze) {
  LbrParams part = legacy_part(8, LbrFormat::kLinear);
  part.quirks.freeze_clears_tr = true;
  Probe clears(part);
  ASSERT_EQ(clears.write(kDebugctl, 0x8c1), MsrFault::kNone);
  clears.lbr.legacy_freeze();
  EXPECT_EQ(clears.read(kDebugctl), 0x880u);

  part.quirks.no_freeze = true;
  Probe never(part);
  ASSERT_EQ(never.write(kDebugctl, 0x8c1), MsrFault::kNone);
  never.lbr.legacy_freeze();
  EXPECT_EQ(never.read(kDebugctl), 0x8c1u);
  never.lbr.set_frozen(true);
  never.take(0x1000);
  EXPECT_EQ(never.froms(), (Froms{0x1000}));
}

// Rows: lbr-8-freeze-lbr-streamlined, lbr-2-reset-pmi-freeze
TEST(LbrDebugctl, streamlined_freeze_stops_recording_and_leaves_the_enables) {
  for (const LbrParams& part : {legacy_part(), arch_part()}) {
    Probe p(part);
    const u64 ctl = part.arch.depth_mask != 0 ? p.read(0x14ce) : 0;
    const u64 debugctl = p.read(kDebugctl);
    p.take(0x1000);
    p.lbr.set_frozen(true);
    p.take(0x2000);
    EXPECT_EQ(p.froms(), (Froms{0x1000}));
    EXPECT_TRUE(p.lbr.enabled());
    EXPECT_FALSE(p.lbr.recording());
    EXPECT_EQ(p.read(kDebugctl), debugctl);
    if (part.arch.depth_mask != 0) {
      EXPECT_EQ(p.read(0x14ce), ctl);
    }
    p.lbr.enable(false);
    p.lbr.set_frozen(false);
    p.take(0x3000);
    EXPECT_EQ(p.froms(), (Froms{0x1000})) << "recording needs the enable and no freeze";
    p.lbr.enable(true);
    p.take(0x4000);
    EXPECT_EQ(p.froms(), (Froms{0x4000, 0x1000}));
  }
}

// Rows: lbr-8-freeze-smm
TEST(LbrDebugctl, freeze_while_smm_clears_four_enables_and_rsm_restores_them) {
  Probe p(legacy_part());
  ASSERT_EQ(p.write(kDebugctl, 0xffc3), MsrFault::kNone);
  p.take(0x1000);
  p.lbr.enter_smm();
  EXPECT_EQ(p.read(kDebugctl), 0xff00u);
  p.take(0x2000);
  ASSERT_EQ(p.write(kDebugctl, 0), MsrFault::kNone) << "SMM code may change it; RSM overwrites that";
  p.lbr.leave_smm();
  EXPECT_EQ(p.read(kDebugctl), 0xffc3u);
  p.take(0x3000);
  EXPECT_EQ(p.froms(), (Froms{0x3000, 0x1000}));

  Probe without(legacy_part());
  ASSERT_EQ(without.write(kDebugctl, 0xbfc3), MsrFault::kNone);
  without.lbr.enter_smm();
  EXPECT_EQ(without.read(kDebugctl), 0xbfc3u) << "FREEZE_WHILE_SMM is clear";
  without.lbr.leave_smm();
  EXPECT_EQ(without.read(kDebugctl), 0xbfc3u);
}

// Rows: lbr-2-reset-smi
TEST(LbrDebugctl, smi_clears_architectural_enable_always_and_rsm_restores_it) {
  for (const bool on : {true, false}) {
    Probe p(arch_part(), on);
    p.take(0x1000);
    p.lbr.enter_smm();
    EXPECT_FALSE(p.lbr.enabled());
    p.take(0x2000);
    p.lbr.leave_smm();
    EXPECT_EQ(p.lbr.enabled(), on);
    EXPECT_EQ(p.froms(), on ? (Froms{0x1000}) : Froms{});
  }
}

// Rows: lbr-8-reset, lbr-2-reset-init
TEST(LbrDebugctl, init_preserves_and_reset_clears) {
  for (const LbrParams& part : {legacy_part(), arch_part()}) {
    Probe p(part);
    ASSERT_EQ(p.write(kDebugctl, p.read(kDebugctl) | 0x802), MsrFault::kNone);
    p.take(0x1000);
    std::map<u32, u64> before;
    for (const auto& msr : p.bus.list()) before[msr.index] = p.read(msr.index);
    p.lbr.init();
    for (const auto& [index, value] : before) EXPECT_EQ(p.read(index), value) << index;
    EXPECT_TRUE(p.lbr.enabled());
    p.lbr.reset();
    EXPECT_FALSE(p.lbr.enabled());
    for (const auto& msr : p.bus.list()) EXPECT_EQ(p.read(msr.index), msr.reset) << msr.name;
  }
}

// Rows: lbr-2-reset-cold, lbr-2-reset-warm, lbr-2-reset-warm-c6
TEST(LbrDebugctl, warm_reset_keeps_architectural_records_and_their_depth) {
  const auto made = [] {
    auto p = std::make_unique<Probe>(arch_part());
    EXPECT_EQ(p->write(0x14cf, 8), MsrFault::kNone);
    p->take(0x1000);
    p->lbr.push(branch(0x2000, kKernel, 50, BranchKind::kInterrupt, 3, 0));
    return p;
  };
  auto warm = made();
  warm->lbr.reset(ResetKind::kWarm);
  EXPECT_EQ(warm->read(0x14ce), kCtlAll & ~u64{1}) << "only LBREn is cleared";
  EXPECT_EQ(warm->read(0x14cf), 8u);
  EXPECT_EQ(warm->froms(), (Froms{0x2000, 0x1000}));
  EXPECT_EQ(warm->read(0x1dd), 0x1000u);
  for (const ResetKind kind : {ResetKind::kCold, ResetKind::kWarmInDeepC}) {
    auto p = made();
    p->lbr.reset(kind);
    EXPECT_EQ(p->read(0x14ce), 0u);
    EXPECT_EQ(p->read(0x14cf), 32u);
    EXPECT_TRUE(p->froms().empty());
    EXPECT_EQ(p->read(0x1dd), 0u);
  }
}

// Rows: lbr-3-c6, lbr-9-q9, lbr-2-reset-mwait, lbr-7-invalid, lbr-9-q10
TEST(LbrDebugctl, deep_sleep_wipes_records_and_leaves_enable_and_freeze) {
  LbrParams legacy = legacy_part();
  legacy.quirks.c6_clears = true;
  for (const LbrParams& part : {legacy, arch_part()}) {
    Probe p(part);
    p.take(0x1000);
    p.lbr.push(branch(0x2000, kKernel, p.time += 10, BranchKind::kInterrupt, 3, 0));
    p.lbr.deep_c_state();
    EXPECT_TRUE(p.froms().empty());
    EXPECT_TRUE(p.lbr.enabled());
    EXPECT_EQ(p.lbr.tos(), 0u);
    EXPECT_EQ(p.read(0x1dd), 0u) << "the last-exception record too";
    p.take(0x3000);
    EXPECT_EQ(p.lbr.entries().at(0).cycles, 0) << "nothing to count from";
    p.lbr.set_frozen(true);
    p.lbr.deep_c_state();
    EXPECT_TRUE(p.lbr.frozen());
  }
}

// Rows: lbr-3-c6, lbr-9-q9, lbr-2-cpuid-1ch-deep-c
TEST(LbrDebugctl, parts_that_keep_records_in_deep_sleep_keep_them) {
  LbrParams arch = arch_part();
  arch.arch.deep_c_reset = false;
  for (const LbrParams& part : {legacy_part(), arch}) {
    Probe p(part);
    p.take(0x1000);
    p.lbr.deep_c_state();
    EXPECT_EQ(p.froms(), (Froms{0x1000}));
  }
}

// Rows: lbr-8-tr, lbr-8-lbr-while-tr
TEST(LbrDebugctl, tr_suspends_old_rings_and_keeps_some_running) {
  LbrParams part = legacy_part(4, LbrFormat::kLinear);
  Probe both(part);
  ASSERT_EQ(both.write(kDebugctl, 0x41), MsrFault::kNone);
  both.take(0x1000);
  EXPECT_EQ(both.froms(), (Froms{0x1000}));

  part.record_suspends_on_tr = true;
  Probe old(part);
  ASSERT_EQ(old.write(kDebugctl, 0x41), MsrFault::kNone);
  old.take(0x1000);
  EXPECT_TRUE(old.froms().empty());

  part.quirks.tr_updates_ring = true;
  Probe runs(part, false);
  ASSERT_EQ(runs.write(kDebugctl, 0x40), MsrFault::kNone);
  runs.take(0x1000);
  EXPECT_EQ(runs.froms(), (Froms{0x1000}));
}

// Rows: lbr-3-pt, lbr-9-q8
TEST(LbrDebugctl, processor_trace_excludes_records_where_it_does) {
  LbrParams part = legacy_part();
  Probe together(part);
  together.lbr.set_pt_tracing(true);
  together.take(0x1000);
  EXPECT_EQ(together.froms(), (Froms{0x1000}));

  part.quirks.pt_excludes_lbr = true;
  Probe p(part);
  p.take(0x1000);
  p.lbr.push(branch(0x2000, kKernel, p.time += 10, BranchKind::kInterrupt, 3, 0));
  p.lbr.set_pt_tracing(true);
  p.take(0x3000);
  for (const u32 index : {0x682u, 0x6c2u, 0xdc2u, kTos, 0x1ddu, 0x1deu}) {
    EXPECT_EQ(p.read(index), 0u) << std::hex << index;
    EXPECT_EQ(p.write(index, 5), MsrFault::kNone) << "dropped";
    EXPECT_EQ(p.read(index), 0u) << std::hex << index;
  }
  p.lbr.set_pt_tracing(false);
  EXPECT_TRUE(p.froms().empty()) << "the end of tracing resets the ring";
  p.take(0x4000);
  EXPECT_EQ(p.froms(), (Froms{0x4000}));
}

}  // namespace
}  // namespace lastbranch::lbr
