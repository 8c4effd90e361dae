// Architectural records: their MSRs bit by bit, filters of enable polarity, depths, types, event counts.
#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

using Froms = std::vector<u64>;

constexpr BranchKind kKinds[] = {BranchKind::kJcc,      BranchKind::kRelJmp,  BranchKind::kIndJmp,
                                 BranchKind::kRelCall,  BranchKind::kIndCall, BranchKind::kRet,
                                 BranchKind::kFar,      BranchKind::kSyscall, BranchKind::kSysret,
                                 BranchKind::kIret,     BranchKind::kSoftInt, BranchKind::kException,
                                 BranchKind::kInterrupt};

// Rows: lbr-2-arch-ctl, lbr-2-arch-ctl-gp, lbr-2-cpuid-1ch-ebx
TEST(ArchLbr, ctl_takes_the_bits_whose_feature_the_part_has) {
  for (unsigned features = 0; features < 8; ++features) {
    LbrParams part = arch_part();
    part.arch.cpl_filter = (features & 1) != 0;
    part.arch.branch_filter = (features & 2) != 0;
    part.arch.call_stack = (features & 4) != 0;
    Probe p(part, false);
    for (unsigned bit = 0; bit < 64; ++bit) {
      const bool exists = bit == 0 || (bit <= 2 && part.arch.cpl_filter) ||
                          (bit == 3 && part.arch.call_stack) ||
                          (bit >= 16 && bit <= 22 && part.arch.branch_filter);
      ASSERT_EQ(p.write(0x14ce, 0), MsrFault::kNone);
      EXPECT_EQ(p.write(0x14ce, u64{1} << bit), exists ? MsrFault::kNone : MsrFault::kReserved) << bit;
      EXPECT_EQ(p.read(0x14ce), exists ? u64{1} << bit : 0) << bit;
    }
    ASSERT_EQ(p.write(0x14ce, 1 | (part.arch.cpl_filter ? 6 : 0)), MsrFault::kNone);
    p.take(0x1000, BranchKind::kJcc);
    EXPECT_EQ(p.froms().size(), part.arch.branch_filter ? 0u : 1u) << "what cannot be filtered is recorded";
  }
}

// Rows: lbr-2-arch-ctl, lbr-6-jcc, lbr-6-jmp, lbr-6-ind-jmp, lbr-6-call, lbr-6-ind-call, lbr-6-ret
TEST(ArchLbr, each_class_bit_lets_its_class_through) {
  constexpr unsigned kBit[] = {16, 17, 18, 19, 20, 21, 22};
  for (std::size_t k = 0; k < std::size(kKinds); ++k) {
    for (std::size_t c = 0; c < std::size(kBit); ++c) {
      Probe p(arch_part(), false);
      ASSERT_EQ(p.write(0x14ce, 7 | (u64{1} << kBit[c])), MsrFault::kNone);
      p.take(0x1000, kKinds[k]);
      EXPECT_EQ(p.froms().size(), std::min<std::size_t>(k, 6) == c ? 1u : 0u) << k << ' ' << c;
    }
  }
}

// Rows: lbr-2-br-type, lbr-6-far, lbr-6-syscall, lbr-6-sysret, lbr-6-int-n, lbr-6-interrupt, lbr-6-fault
TEST(ArchLbr, records_tell_the_type) {
  constexpr u64 kType[] = {0, 2, 1, 4, 3, 5};
  for (std::size_t k = 0; k < std::size(kKinds); ++k) {
    Probe p(arch_part());
    p.take(0x1000, kKinds[k]);
    EXPECT_EQ((p.read(0x1200) >> 56) & 15, k < 6 ? kType[k] : 8) << k;
    LbrParams without = arch_part();
    without.arch.branch_type = false;
    Probe q(without);
    q.take(0x1000, kKinds[k]);
    EXPECT_EQ((q.read(0x1200) >> 56) & 15, 0u);
  }
}

// Rows: lbr-2-arch-from, lbr-2-arch-to, lbr-2-arch-newest-first, lbr-2-arch-noncanonical
TEST(ArchLbr, entry_0_is_the_newest_and_addresses_are_canonical) {
  Probe p(arch_part());
  p.take(0x1000);
  p.lbr.push(branch(0x2000, kKernel, 20, BranchKind::kSyscall, 3, 0));
  EXPECT_EQ(p.read(0x1500), 0x2000u);
  EXPECT_EQ(p.read(0x1600), kKernel);
  EXPECT_EQ(p.read(0x1501), 0x1000u);
  EXPECT_EQ(p.lbr.tos(), 0u);
  for (const u32 base : {0x1500u, 0x1600u, 0x1ddu, 0x1deu}) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      const u64 value = u64{1} << bit;
      EXPECT_EQ(p.write(base, value), bit < 47 ? MsrFault::kNone : MsrFault::kNonCanonical) << bit;
      if (bit < 47) {
        EXPECT_EQ(p.read(base), value);
      }
    }
    EXPECT_EQ(p.write(base, kKernel), MsrFault::kNone);
    EXPECT_EQ(p.read(base), kKernel);
  }
}

// Rows: lbr-2-arch-info, lbr-2-cpuid-1ch-ecx, lbr-2-cpuid-1ch-ecx-counters, lbr-7-location
TEST(ArchLbr, info_holds_what_the_part_has) {
  struct Row {
    bool mispredicted, timed, type;
    u32 counters;
    u64 bits;
  };
  const Row rows[] = {
      {true, true, true, 0, 0xff00'0000'0000'ffff},   {true, true, true, 0xf, 0xff00'00ff'0000'ffff},
      {true, true, true, 0x5, 0xff00'0033'0000'ffff}, {false, true, true, 0, 0x7f00'0000'0000'ffff},
      {true, false, true, 0, 0xef00'0000'0000'0000},  {true, true, false, 0, 0xf000'0000'0000'ffff}};
  for (const Row& row : rows) {
    LbrParams part = arch_part(row.counters);
    part.arch.mispredicted = row.mispredicted;
    part.arch.timed = row.timed;
    part.arch.branch_type = row.type;
    Probe p(part);
    for (unsigned bit = 0; bit < 64; ++bit) {
      const u64 value = u64{1} << bit;
      EXPECT_EQ(p.write(0x1205, value), MsrFault::kNone) << "undefined bits are ignored";
      EXPECT_EQ(p.read(0x1205), value & row.bits) << bit;
    }
  }
}

// Rows: lbr-7-valid-bit, lbr-7-invalid, lbr-7-unit, lbr-2-arch-info
TEST(ArchLbr, first_count_after_enable_unfreeze_or_depth_is_not_valid) {
  constexpr u64 kValid = u64{1} << 60;
  Probe p(arch_part());
  p.take(0x1000);
  EXPECT_EQ(p.read(0x1200), 0u);
  p.take(0x1000);
  EXPECT_EQ(p.read(0x1200), kValid | 10);
  p.time += 100'000;
  p.take(0x1000);
  EXPECT_EQ(p.read(0x1200), kValid | 0xffff) << "saturates";
  p.lbr.set_frozen(true);
  p.lbr.set_frozen(false);
  p.take(0x1000);
  EXPECT_EQ(p.read(0x1200), 0u);
  ASSERT_EQ(p.write(0x14cf, 32), MsrFault::kNone);
  p.take(0x1000);
  EXPECT_EQ(p.read(0x1200), 0u);
  EXPECT_EQ(p.read(0x1201), 0u);

  LbrParams part = arch_part();
  part.quirks.record_after_enable_counts = true;
  Probe q(part);
  q.take(0x1000);
  q.lbr.enable(false);
  q.lbr.enable(true);
  q.take(0x1000);
  EXPECT_EQ(q.read(0x1200), kValid | 10);
}

// Rows: lbr-2-arch-depth, lbr-2-arch-index, lbr-2-reset-depth, lbr-2-cpuid-1ch-depths
TEST(ArchLbr, depth_takes_what_the_part_allows_and_clears_even_when_it_stays) {
  for (const u32 mask : {0xbu, 0x1u, 0xfu}) {
    LbrParams part = arch_part();
    part.arch.depth_mask = mask;
    Probe p(part);
    for (u64 depth = 0; depth <= 72; ++depth) {
      const bool legal = depth == 8 || (depth == 16 && mask != 1) || (depth == 24 && mask == 0xf) ||
                         (depth == 32 && mask != 1);
      p.take(0x1000);
      const u64 before = p.read(0x14cf);
      EXPECT_EQ(p.write(0x14cf, depth), legal ? MsrFault::kNone : MsrFault::kValue) << depth;
      EXPECT_EQ(p.read(0x14cf), legal ? depth : before);
      EXPECT_EQ(p.froms().empty(), legal) << "any write clears";
      if (!legal) continue;
      for (const u32 base : {0x1500u, 0x1600u, 0x1200u}) {
        for (u32 i = 0; i < 40; ++i) {
          EXPECT_EQ(p.bus.read(base + i).ok(), i < depth) << std::hex << base << ' ' << i;
          EXPECT_EQ(p.write(base + i, 0) == MsrFault::kNone, i < depth);
        }
      }
      for (u64 n = 1; n <= 2 * depth + 1; ++n) p.take(n << 8);
      ASSERT_EQ(p.froms().size(), depth);
      EXPECT_EQ(p.froms().back(), (depth + 2) << 8);
    }
    EXPECT_EQ(p.write(0x14cf, u64{1} << 40), MsrFault::kValue);
  }
  LbrParams deep = arch_part();
  deep.arch.depth_mask = 0x8b;
  EXPECT_THROW(Lbr{deep}, Error) << "64 records are more than any part has";
}

// Rows: lbr-2-arch-legacy-absent
TEST(ArchLbr, legacy_registers_are_absent) {
  Probe p(arch_part());
  for (u32 index : {kSelect, kTos, 0x680u, 0x69fu, 0x6c0u, 0xdc0u, 0x40u, 0x60u, 0x1dbu}) {
    EXPECT_FALSE(p.bus.read(index).ok()) << std::hex << index;
    EXPECT_NE(p.write(index, 0), MsrFault::kNone) << std::hex << index;
  }
}

// Rows: lbr-2-arch-ler, lbr-6-interrupt, lbr-6-int-n
TEST(ArchLbr, last_exception_record_is_the_branch_before_a_delivery) {
  for (const BranchKind kind : {BranchKind::kSoftInt, BranchKind::kException, BranchKind::kInterrupt}) {
    Probe p(arch_part());
    RetiredBranch b = branch(0x1000, 0x1100, 5, BranchKind::kIndCall);
    b.mispredicted = b.in_tx = b.abort = true;
    p.lbr.push(b);
    p.take(0x2000, BranchKind::kSyscall);
    p.lbr.push(branch(0x3000, kKernel, 20, kind, 3, 0));
    EXPECT_EQ(p.read(0x1dd), 0x2000u);
    EXPECT_EQ(p.read(0x1de), 0x2100u);
    EXPECT_EQ(p.read(0x1e0), u64{8} << 56) << "no cycle count";
    EXPECT_EQ(p.froms().front(), 0x3000u);

    Probe q(arch_part());
    q.lbr.push(b);
    q.lbr.push(branch(0x3000, kKernel, 20, kind, 3, 0));
    EXPECT_EQ(q.read(0x1e0), (u64{3} << 56) | (u64{7} << 61));
    q.lbr.enable(false);
    q.take(0x4000);
    q.lbr.push(branch(0x5000, kKernel, 40, kind, 3, 0));
    EXPECT_EQ(q.read(0x1dd), 0x1000u) << "obeys the enable";
  }
  Probe user(arch_part());
  user.lbr.record_user_only();
  user.take(0x1000);
  user.lbr.push(branch(0x1100, kKernel, 20, BranchKind::kInterrupt, 3, 0));
  EXPECT_EQ(user.read(0x1dd), 0x1000u) << "the last branch the filter kept";
  EXPECT_EQ(user.froms(), (Froms{0x1000}));
}

// Rows: lbr-4-arch-cpl
TEST(ArchLbr, kernel_addresses_of_returns_to_user_mode_do_not_show) {
  for (const bool zeroes : {true, false}) {
    LbrParams part = arch_part();
    part.quirks.arch_zeroes_kernel_from = zeroes;
    Probe p(part);
    p.lbr.record_user_only();
    EXPECT_EQ(p.read(0x14ce), kCtlAll & ~u64{2});
    p.take(0x1000);
    p.lbr.push(branch(0x1100, kKernel, 20, BranchKind::kSyscall, 3, 0));
    p.lbr.push(branch(kKernel, 0x1102, 30, BranchKind::kSysret, 0, 3));
    EXPECT_EQ(p.read(0x1500), zeroes ? 0u : 0x1000u);
    EXPECT_EQ(p.read(0x1600), zeroes ? 0x1102u : 0x1100u);
  }
}

/// Counters as a test sets them.
struct Counters final : EventLogSource {
  u32 on = 0xf;
  std::array<u64, 4> totals{};
  [[nodiscard]] u32 logged() const override { return on; }
  [[nodiscard]] u64 total(unsigned n) const override { return totals.at(n); }
};

// Rows: lbr-2-event-log, lbr-2-cpuid-1ch-ecx-counters
TEST(ArchLbr, event_counts_are_per_record_and_saturate_at_3) {
  Counters counters;
  counters.totals = {1000, 1000, 1000, 1000};
  Probe p(arch_part(0xf), false);
  p.lbr.connect(&counters);
  p.lbr.enable(true);
  const auto record = [&](std::array<u64, 4> more) {
    for (std::size_t n = 0; n < 4; ++n) counters.totals.at(n) += more.at(n);
    p.take(0x1000);
    return (p.read(0x1200) >> 32) & 0xffff;
  };
  EXPECT_EQ(record({1, 2, 3, 4}), 0xf9u) << "counted from the enable on";
  EXPECT_EQ(record({0, 1, 0, 200}), 0xc4u);
  counters.on = 0x5;
  EXPECT_EQ(record({1, 1, 1, 1}), 0x11u) << "only logged counters";
  counters.on = 0xf;
  EXPECT_EQ(record({1, 1, 1, 1}), 0x11u) << "what was not logged has nothing to count from";
  EXPECT_EQ(record({1, 1, 1, 1}), 0x55u);
  p.lbr.select(select::kJcc);
  EXPECT_EQ(record({3, 0, 0, 0}), 0x55u) << "not recorded, so it is the record of before";
  p.lbr.select(0);
  EXPECT_EQ(record({0, 1, 0, 0}), 0x07u) << "filtered branches do not restart the counts";

  Probe none(arch_part(0));
  none.lbr.connect(&counters);
  none.take(0x1000);
  counters.totals = {2000, 2000, 2000, 2000};
  none.take(0x1000);
  EXPECT_EQ((none.read(0x1200) >> 32) & 0xffff, 0u);
}

// Rows: lbr-2-arch-ctl
TEST(ArchLbr, select_values_become_their_control_bits) {
  Probe p(arch_part(), false);
  p.lbr.select(select::kCplNeq0 | select::kNearRet | select::kNearIndCall);
  EXPECT_EQ(p.read(0x14ce), 0x7f'0002u & ~(u64{3} << 20));
  p.lbr.enable(true);
  EXPECT_EQ(p.read(0x14ce), (0x7f'0003u & ~(u64{3} << 20)));
  EXPECT_THROW(p.lbr.select(0x400), Error);
  LbrParams bare = arch_part();
  bare.arch.cpl_filter = bare.arch.branch_filter = bare.arch.call_stack = false;
  Probe q(bare);
  EXPECT_EQ(q.read(0x14ce), 1u);
  EXPECT_THROW(q.lbr.select(1), Error);
  q.take(0x1000);
  EXPECT_EQ(q.froms(), (Froms{0x1000}));
}

}  // namespace
}  // namespace lastbranch::lbr
