// The MSRs of every part's LBR, through the bus: which exist, which bits they take, what they show.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "models/lbr/lbr.h"
#include "sim/base/msr_bus.h"
#include "sim/base/rng.h"

namespace lastbranch::lbr {
namespace {

constexpr u32 kDebugctl = 0x1d9;
constexpr u32 kTos = 0x1c9;
constexpr u32 kSelect = 0x1c8;

struct Probe {
  explicit Probe(const cpu::Uarch& u) : lbr(u.lbr) { bus.attach(lbr.rows(), &lbr); }
  Lbr lbr;
  MsrBus bus;
};

TEST(LbrMsr, exist_where_the_manual_lists_them_and_nowhere_else) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    Probe p(u);
    std::set<u32> expected = {kDebugctl, kTos};
    if (u.lbr.has_select) expected.insert(kSelect);
    const bool info = u.lbr.format == LbrFormat::kInfo;
    for (u32 i = 0; i < u.lbr.depth; ++i) {
      expected.insert({u.lbr.from_base + i, u.lbr.to_base + i});
      if (info) expected.insert(0xdc0 + i);
    }
    for (u32 index = 0; index < 0x2000; ++index) {
      EXPECT_EQ(p.bus.read(index).ok(), expected.contains(index)) << u.name << std::hex << " 0x" << index;
    }
  }
}

TEST(LbrMsr, debugctl_takes_only_the_lbr_bit) {
  Probe p(cpu::uarch("skylake"));
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(p.bus.write(kDebugctl, u64{1} << bit), bit == 0 ? MsrFault::kNone : MsrFault::kReserved) << bit;
  }
  EXPECT_EQ(p.bus.read(kDebugctl).value, 1u);
  EXPECT_TRUE(p.lbr.enabled());
  EXPECT_EQ(p.bus.write(kDebugctl, 0), MsrFault::kNone);
  EXPECT_FALSE(p.lbr.enabled());
}

TEST(LbrMsr, select_takes_its_nine_suppress_bits) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    Probe p(u);
    for (unsigned bit = 0; bit < 64; ++bit) {
      const u64 value = u64{1} << bit;
      const MsrFault expected = !u.lbr.has_select ? MsrFault::kUnknown
                                : bit < 9         ? MsrFault::kNone
                                                  : MsrFault::kReserved;
      EXPECT_EQ(p.bus.write(kSelect, value), expected) << u.name << ' ' << bit;
      if (expected == MsrFault::kNone) {
        EXPECT_EQ(p.bus.read(kSelect).value, value);
      }
    }
  }
}

TEST(LbrMsr, tos_keeps_the_bits_that_index_the_ring) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    Probe p(u);
    for (unsigned bit = 0; bit < 64; ++bit) {
      EXPECT_EQ(p.bus.write(kTos, u64{1} << bit), MsrFault::kNone);
      EXPECT_EQ(p.bus.read(kTos).value, (u64{1} << bit) & (u.lbr.depth - 1)) << u.name;
    }
  }
}

TEST(LbrMsr, every_legal_bit_of_a_record_reads_back_alone) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    Probe p(u);
    const auto format = static_cast<unsigned>(u.lbr.format);
    const bool info = format == 5;
    for (u32 i = 0; i < u.lbr.depth; ++i) {
      for (unsigned bit = 0; bit < 64; ++bit) {
        const u64 value = u64{1} << bit;
        // One bit of 47 and above alone is never a sign extension; flags are no address bits.
        const bool flag = (format == 3 && bit == 63) || (format == 4 && bit >= 61);
        const bool from = bit < 47 || flag;
        EXPECT_EQ(p.bus.write(u.lbr.from_base + i, value) == MsrFault::kNone, from)
            << u.name << " FROM bit " << bit;
        EXPECT_EQ(p.bus.read(u.lbr.from_base + i).value == value, from) << u.name << " FROM bit " << bit;
        EXPECT_EQ(p.bus.write(u.lbr.to_base + i, value) == MsrFault::kNone, bit < 47)
            << u.name << " TO bit " << bit;
        EXPECT_EQ(p.bus.read(u.lbr.to_base + i).value == value, bit < 47) << u.name << " TO bit " << bit;
        if (info) {
          const bool legal = bit < 16 || bit >= 61;
          EXPECT_EQ(p.bus.write(0xdc0 + i, value) == MsrFault::kNone, legal) << "INFO bit " << bit;
          EXPECT_EQ(p.bus.read(0xdc0 + i).value == value, legal) << "INFO bit " << bit;
        }
      }
      for (const u32 base : {u.lbr.from_base, u.lbr.to_base, info ? 0xdc0 : u.lbr.to_base}) {
        EXPECT_EQ(p.bus.write(base + i, 0), MsrFault::kNone) << "writing 0 is how software empties the ring";
      }
    }
    EXPECT_TRUE(p.lbr.entries().empty());
  }
}

TEST(LbrMsr, show_what_was_recorded) {
  Probe p(cpu::uarch("skylake"));
  ASSERT_EQ(p.bus.write(kDebugctl, 1), MsrFault::kNone);
  RetiredBranch b{.from = 0x401000,
                  .to = 0xffff'ffff'8100'0000,
                  .time = 100,
                  .kind = BranchKind::kJcc,
                  .length = 2,
                  .cpl_from = 3,
                  .cpl_to = 0};
  p.lbr.push(b);
  b.time = 142;
  b.mispredicted = true;
  p.lbr.push(b);

  EXPECT_EQ(p.bus.read("MSR_LASTBRANCH_TOS"), 2u);
  EXPECT_EQ(p.bus.read("MSR_LASTBRANCH_2_FROM_IP"), 0x401000u);
  EXPECT_EQ(p.bus.read("MSR_LASTBRANCH_2_TO_IP"), 0xffff'ffff'8100'0000u);
  EXPECT_EQ(p.bus.read("MSR_LBR_INFO_2"), 0x8000'0000'0000'0000u | 42u);
  EXPECT_EQ(p.bus.read("MSR_LBR_INFO_1"), 0u) << "nothing to count from";
}

TEST(LbrMsr, save_and_restore_as_an_operating_system_does_keeps_the_stack) {
  Rng rng(4);
  for (const cpu::Uarch& u : cpu::uarchs()) {
    Probe p(u);
    p.lbr.enable(true);
    for (int n = 0; n < 45; ++n) {
      p.lbr.push({.from = rng.below(u64{1} << 47) | 1,
                  .to = rng.below(u64{1} << 47),
                  .time = static_cast<u64>(n) * 7,
                  .kind = BranchKind::kRet,
                  .length = 1,
                  .cpl_from = 3,
                  .cpl_to = 3,
                  .mispredicted = rng.chance(1, 2)});
    }
    auto before = p.lbr.entries();
    std::map<u32, u64> saved;
    for (const auto& msr : p.bus.list()) saved[msr.index] = p.bus.read(msr.index).value;

    Probe other(u);
    for (const auto& [index, value] : saved)
      ASSERT_EQ(other.bus.write(index, value), MsrFault::kNone) << index;

    for (Entry& e : before) e.kind = BranchKind::kCount;  // the MSRs do not hold it
    EXPECT_EQ(other.lbr.entries(), before) << u.name;
    for (const auto& [index, value] : saved) EXPECT_EQ(other.bus.read(index).value, value) << index;
  }
}

}  // namespace
}  // namespace lastbranch::lbr
