// Errata and open choices, each with its option off and on.
#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

using Froms = std::vector<u64>;

// Rows: lbr-2-hsw-from, lbr-9-q1
TEST(LbrQuirks, format_4_without_tsx_has_its_flags_in_the_sign_extension) {
  LbrParams part = legacy_part(16, LbrFormat::kFlagsTsx);
  RetiredBranch b = branch(kKernel, kKernel, 1, BranchKind::kJcc, 0, 0);
  b.mispredicted = b.in_tx = true;
  Probe with(part);
  with.lbr.push(b);
  const u64 captured = with.read(0x681);
  EXPECT_EQ(captured, 0xdfff'ffff'8100'1234u) << "with TSX bits 63:61 are flags";
  EXPECT_EQ(with.write(0x681, captured), MsrFault::kNone);

  part.quirks.fmt4_tsx_disabled = true;
  Probe p(part);
  p.lbr.push(b);
  EXPECT_EQ(p.read(0x681), 0x9fff'ffff'8100'1234u) << "captured: 62:61 are 0, 63 is MISPRED";
  EXPECT_EQ(p.write(0x681, p.read(0x681)), MsrFault::kNonCanonical) << "as captured it cannot go back";
  const u64 fixed = p.read(0x681) | (u64{3} << 61);
  EXPECT_EQ(p.write(0x681, fixed), MsrFault::kNone) << "bits 60:59 copied into 62:61";
  EXPECT_EQ(p.read(0x681), fixed);
  EXPECT_FALSE(p.lbr.slot(1).in_tx);
  EXPECT_EQ(p.lbr.slot(1).from, kKernel);
  EXPECT_EQ(p.write(0x682, kUser | (u64{1} << 63)), MsrFault::kNone);
  EXPECT_EQ(p.write(0x682, kUser | (u64{1} << 62)), MsrFault::kNonCanonical);
}

// Rows: lbr-9-q2, lbr-6-tsx-abort
TEST(LbrQuirks, haswell_records_an_abort_twice) {
  for (const bool twice : {false, true}) {
    LbrParams part = legacy_part(16, LbrFormat::kFlagsTsx);
    part.quirks.dup_abort_record = twice;
    Probe p(part);
    p.take(0x1000);
    p.lbr.transaction_abort(0x2000, 0x3000, 20, 3);
    const auto all = p.lbr.entries();
    ASSERT_EQ(all.size(), twice ? 3u : 2u);
    EXPECT_EQ(all[0].from, 0x2000u);
    EXPECT_EQ(all[0].to, 0x3000u);
    EXPECT_EQ(all[0].abort, !twice);
    EXPECT_EQ(all[all.size() - 2].abort, true);
    EXPECT_TRUE(all[0].in_tx);
    EXPECT_FALSE(all[0].mispredicted);
    p.lbr.select(select::kFarBranch);
    p.lbr.transaction_abort(0x4000, 0x5000, 30, 3);
    EXPECT_EQ(p.froms().front(), 0x2000u) << "an abort is of the far class";
  }
  Probe arch(arch_part());
  arch.lbr.transaction_abort(0x2000, 0x3000, 20, 3);
  EXPECT_EQ(arch.read(0x1200), (u64{3} << 61) | (u64{8} << 56));
}

// Rows: lbr-9-q4
TEST(LbrQuirks, skylake_may_have_its_newest_record_twice_when_it_stops) {
  for (const u32 per_mille : {0u, 250u, 1000u}) {
    LbrParams part = legacy_part();
    part.quirks.dup_top_per_mille = per_mille;
    Probe p(part);
    u32 doubled = 0;
    for (u64 n = 1; n <= 2000; ++n) {
      RetiredBranch b = branch(n << 12, kUser, 100 * n);
      p.lbr.push(b);
      b.from += 0x10;
      b.time += 5;
      p.lbr.push(b);
      b.from += 0x10;
      b.time += 7;
      b.mispredicted = true;
      p.lbr.push(b);
      p.lbr.set_frozen(true);
      const auto all = p.lbr.entries();
      ASSERT_EQ(all.size(), 3u);
      if (all[0].from == all[1].from) ++doubled;
      EXPECT_EQ(all[1].from, (n << 12) + 0x10) << "older ones are what they were";
      EXPECT_EQ(all[2].from, n << 12);
      EXPECT_EQ(all[0].cycles, 7) << "of the branch whose addresses are missing";
      EXPECT_EQ(all[1].cycles, 5);
      EXPECT_TRUE(all[0].mispredicted);
      EXPECT_FALSE(all[1].mispredicted);
      p.lbr.clear();
      p.lbr.set_frozen(false);
    }
    EXPECT_NEAR(doubled, 2 * per_mille, per_mille % 1000 == 0 ? 0 : 60);
  }
}

// Rows: lbr-9-q6, lbr-1.1-knightslanding
TEST(LbrQuirks, knights_landing_reports_format_1_and_has_the_mispredict_bit) {
  Probe p(cpu::uarch("knightslanding").lbr);
  ASSERT_EQ(p.lbr.params().format, LbrFormat::kLinear);
  RetiredBranch b = branch(kUser, kUser, 1);
  b.mispredicted = true;
  p.lbr.push(b);
  EXPECT_EQ(p.read(0x681), kUser | (u64{1} << 63));
  EXPECT_TRUE(p.lbr.entries().at(0).mispredicted);
}

// Rows: lbr-9-q11, lbr-2-ler
TEST(LbrQuirks, broadwell_ep_has_flags_in_the_top_of_its_last_exception_target) {
  for (const bool quirk : {false, true}) {
    LbrParams part = legacy_part(16, LbrFormat::kFlagsTsx);
    part.quirks.ler_to_garbage = quirk;
    Probe p(part);
    RetiredBranch b = branch(kUser, kUser, 1);
    b.mispredicted = b.abort = true;
    p.lbr.push(b);
    p.lbr.push(branch(kUser, kKernel, 5, BranchKind::kException, 3, 0));
    EXPECT_EQ(p.read(0x1de), quirk ? kUser | (u64{5} << 61) : kUser);
    EXPECT_EQ(p.write(0x1de, p.read(0x1de)), quirk ? MsrFault::kNonCanonical : MsrFault::kNone);
    EXPECT_EQ(p.write(0x1de, kUser), MsrFault::kNone) << "sign-extended from bit 47 it goes back";
    EXPECT_EQ(p.read(0x1de), kUser);
  }
}

// Rows: lbr-9-q12
TEST(LbrQuirks, interrupt_at_the_canonical_boundary) {
  for (const bool quirk : {false, true}) {
    LbrParams part = legacy_part(4, LbrFormat::kLinear);
    part.quirks.boundary_signext = quirk;
    Probe p(part);
    p.lbr.push(branch(u64{1} << 47, kKernel, 1, BranchKind::kInterrupt, 3, 0));
    EXPECT_EQ(p.read(0x681), quirk ? 0xffff'8000'0000'0000u : 0x0000'8000'0000'0000u);
  }
}

// Rows: lbr-9-q13
TEST(LbrQuirks, westmere_mobile_loses_its_ring_in_smm) {
  for (const bool quirk : {false, true}) {
    LbrParams part = legacy_part(16, LbrFormat::kFlags);
    part.quirks.rsm_corrupts = quirk;
    Probe p(part);
    p.take(0x1000);
    p.lbr.enter_smm();
    p.lbr.leave_smm();
    EXPECT_EQ(p.froms() == Froms{0x1000}, !quirk);
    Probe again(part);
    again.take(0x1000);
    again.lbr.enter_smm();
    again.lbr.leave_smm();
    EXPECT_EQ(p.froms(), again.froms()) << "the same for the same seed";
  }
}

// Rows: lbr-9-q16
TEST(LbrQuirks, oldest_record_may_stay_too_long) {
  for (const u32 per_mille : {0u, 1000u}) {
    for (const bool arch : {false, true}) {
      LbrParams part = arch ? arch_part() : legacy_part(8);
      part.quirks.oldest_entry_bias_per_mille = per_mille;
      Probe p(part);
      if (arch) {
        ASSERT_EQ(p.write(0x14cf, 8), MsrFault::kNone);
      }
      for (u64 n = 1; n <= 12; ++n) p.take(n << 8);
      const Froms all = p.froms();
      if (per_mille == 0) {
        EXPECT_EQ(all.back(), 5u << 8);
      } else {
        EXPECT_EQ(all.front(), 12u << 8);
        EXPECT_EQ(all.at(6), 6u << 8) << "the second oldest left instead";
      }
    }
  }
}

// Rows: lbr-9-q19, lbr-4-cpl-destination
TEST(LbrQuirks, privilege_filter_on_the_source_is_an_option) {
  for (const bool target : {true, false}) {
    LbrParams part = legacy_part();
    part.quirks.cpl_filter_on_target = target;
    Probe p(part);
    p.lbr.record_user_only();
    p.lbr.push(branch(0x1000, kKernel, 1, BranchKind::kSyscall, 3, 0));
    p.lbr.push(branch(kKernel, 0x1002, 2, BranchKind::kSysret, 0, 3));
    EXPECT_EQ(p.froms(), target ? (Froms{kKernel}) : (Froms{0x1000}));
  }
}

// Rows: lbr-7-mispred, lbr-6-fault
TEST(LbrQuirks, far_transfers_are_never_mispredicted) {
  for (const LbrParams& part : {legacy_part(), arch_part()}) {
    for (unsigned k = 0; k < static_cast<unsigned>(BranchKind::kCount); ++k) {
      Probe p(part);
      RetiredBranch b = branch(0x1000, 0x2000, 1, static_cast<BranchKind>(k));
      b.mispredicted = true;
      p.lbr.push(b);
      EXPECT_EQ(p.lbr.entries().at(0).mispredicted, k < static_cast<unsigned>(BranchKind::kFar)) << k;
    }
  }
}

}  // namespace
}  // namespace lastbranch::lbr
