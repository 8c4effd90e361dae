// The MSRs of every part's LBR, through the bus: which exist, which bits they take, what they show.
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "models/cpu/uarch/lbr_shapes.h"
#include "models/cpu/uarch/uarch.h"
#include "sim/base/rng.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

struct Part {
  std::string name;
  LbrParams lbr;
};

/// Every part there is, those without a record of their own included.
std::vector<Part> parts() {
  std::vector<Part> all;
  for (const cpu::Uarch& u : cpu::uarchs()) all.push_back({std::string(u.name), u.lbr});
  for (const cpu::LbrShape& s : cpu::kLbrShapes) all.push_back({std::string(s.name), s.lbr});
  return all;
}

/// What WRMSR of one bit alone does, into a register that held 0.
enum class Bit : u8 { kKeeps, kFaults, kIgnored };

struct Register {
  u32 first;
  u32 count;
  std::function<Bit(unsigned)> bit;
};

/// One bit alone is canonical below the sign bit only.
Bit address_bit(const LbrParams& p, unsigned bit) {
  return bit + 1 < p.va_bits ? Bit::kKeeps : Bit::kFaults;
}

std::vector<Register> legacy_registers(const LbrParams& p) {
  const LbrFormat f = p.quirks.fmt1_with_mispred ? LbrFormat::kFlags : p.format;
  const bool pair = f == LbrFormat::kOffsets32;
  std::vector<Register> all;
  all.push_back({p.from_base, p.depth, [=](unsigned bit) {
                   const bool mispredicted = bit == 63 && (f == LbrFormat::kFlags || f == LbrFormat::kTime);
                   const bool flag = bit >= 61 && f == LbrFormat::kFlagsTsx && !p.quirks.fmt4_tsx_disabled;
                   return pair || mispredicted || flag ? Bit::kKeeps : address_bit(p, bit);
                 }});
  if (!pair) {
    all.push_back({p.to_base, p.depth, [=](unsigned bit) {
                     // A 48th bit alone is address in format 6, whose sign bit lies below the count.
                     const bool count = f == LbrFormat::kTime && bit >= 48;
                     if (f == LbrFormat::kTime && bit == 47) return Bit::kKeeps;
                     return count ? Bit::kKeeps : address_bit(p, bit);
                   }});
  }
  if (f == LbrFormat::kInfo || f == LbrFormat::kInfoNoTsx) {
    all.push_back({p.info_base, p.depth, [=](unsigned bit) {
                     const bool tsx = (bit == 61 || bit == 62) && f == LbrFormat::kInfo;
                     return bit < 16 || bit == 63 || tsx ? Bit::kKeeps : Bit::kFaults;
                   }});
  }
  if (p.depth > 1) {
    all.push_back({p.tos, 1, [=](unsigned bit) {
                     return bit < 8 && ((p.depth - 1) >> bit & 1) != 0 ? Bit::kKeeps : Bit::kIgnored;
                   }});
  }
  if (p.has_select) {
    all.push_back({p.select, 1, [=](unsigned bit) {
                     return bit < 9 || (bit == 9 && p.has_call_stack) ? Bit::kKeeps : Bit::kFaults;
                   }});
  }
  all.push_back({p.ler_from, 2, [=](unsigned bit) { return address_bit(p, bit); }});
  return all;
}

std::vector<Register> arch_registers(const LbrParams& p) {
  const auto address = [=](unsigned bit) { return address_bit(p, bit); };
  const auto flags = [](unsigned bit) { return bit >= 56 && bit != 60 ? Bit::kKeeps : Bit::kIgnored; };
  return {
      {0x14ce, 1,
       [](unsigned bit) { return bit < 23 && (0x7f'000fu >> bit & 1) != 0 ? Bit::kKeeps : Bit::kFaults; }},
      {0x1500, 32, address},
      {0x1600, 32, address},
      {0x1200, 32,
       [=](unsigned bit) {
         const bool events = bit >= 32 && bit < 40 && (p.arch.event_log_counters >> ((bit - 32) / 2) & 1);
         return bit < 16 || bit >= 56 || events ? Bit::kKeeps : Bit::kIgnored;
       }},
      {0x1dd, 2, address},
      {0x1e0, 1, flags}};
}

std::vector<Register> registers(const LbrParams& p) {
  auto all = p.arch.depth_mask != 0 ? arch_registers(p) : legacy_registers(p);
  all.push_back({kDebugctl, 1, [=](unsigned bit) {
                   const bool exists = (p.debugctl_mask >> bit & 1) != 0;
                   if (p.arch.depth_mask != 0 && bit == 0) return Bit::kIgnored;
                   return exists ? Bit::kKeeps : Bit::kFaults;
                 }});
  return all;
}

// Rows: lbr-2-index, lbr-2-arch-legacy-absent, lbr-2-fmt-3f, lbr-1.1-p6, lbr-1.1-netburst, lbr-1.1-prescott
// Rows: lbr-1.1-pentium-m, lbr-1.1-yonah
TEST(LbrMsr, exist_where_the_manual_lists_them_and_nowhere_else) {
  for (const auto& [name, lbr] : parts()) {
    Probe p(lbr, false);
    std::set<u32> expected;
    for (const Register& r : registers(lbr)) {
      for (u32 i = 0; i < r.count; ++i) expected.insert(r.first + i);
    }
    if (lbr.arch.depth_mask != 0) expected.insert(0x14cf);
    for (u32 index = 0; index < 0x2000; ++index) {
      EXPECT_EQ(p.bus.read(index).ok(), expected.contains(index)) << name << std::hex << " 0x" << index;
      if (!expected.contains(index)) {
        EXPECT_NE(p.write(index, 0), MsrFault::kNone) << name << std::hex << " 0x" << index;
      }
    }
  }
}

// Rows: lbr-2-access, lbr-2-canonical, lbr-2-select-reserved, lbr-2-tos-bits, lbr-3-bits, lbr-2-fmt-0
// Rows: lbr-2-fmt-1, lbr-2-fmt-2, lbr-2-fmt-3, lbr-2-fmt-4, lbr-2-fmt-5, lbr-2-fmt-6, lbr-2-fmt-7
// Rows: lbr-2-arch-ctl, lbr-2-arch-info, lbr-2-arch-noncanonical, lbr-8-others
TEST(LbrMsr, every_bit_of_every_register_of_every_part) {
  for (const auto& [name, lbr] : parts()) {
    Probe p(lbr, false);
    for (const Register& r : registers(lbr)) {
      for (u32 i = 0; i < r.count; ++i) {
        for (unsigned bit = 0; bit < 64; ++bit) {
          const u32 index = r.first + i;
          const u64 value = u64{1} << bit;
          const Bit does = r.bit(bit);
          ASSERT_EQ(p.write(index, 0), MsrFault::kNone);
          ASSERT_EQ(p.write(index, value) == MsrFault::kNone, does != Bit::kFaults)
              << name << std::hex << " 0x" << index << std::dec << " bit " << bit;
          ASSERT_EQ(p.read(index), does == Bit::kKeeps ? value : 0)
              << name << std::hex << " 0x" << index << std::dec << " bit " << bit;
        }
        ASSERT_EQ(p.write(r.first + i, 0), MsrFault::kNone);
      }
    }
  }
}

// Rows: lbr-2-side-effects
TEST(LbrMsr, writes_change_their_own_register_only) {
  for (const auto& [name, lbr] : parts()) {
    Probe p(lbr);
    for (int n = 0; n < 45; ++n) p.take(0x1000 + 0x10 * static_cast<u64>(n), BranchKind::kRet);
    for (const Register& r : registers(lbr)) {
      if (r.first == kDebugctl || r.first == 0x14ce) continue;  // they switch, they do not store
      std::map<u32, u64> before;
      for (const auto& msr : p.bus.list()) before[msr.index] = p.read(msr.index);
      const u32 index = r.first + r.count / 2;
      // The pair register and the address above the flags take this as user addresses do.
      ASSERT_EQ(p.write(index, 5), MsrFault::kNone) << name;
      before[index] = p.read(index);
      for (const auto& msr : p.bus.list()) {
        ASSERT_EQ(p.read(msr.index), before[msr.index])
            << name << std::hex << " 0x" << msr.index << " after writing 0x" << index;
      }
    }
  }
}

// Rows: lbr-2-zero-write, lbr-9-q10, lbr-3-first-record
TEST(LbrMsr, zeros_empty_the_ring) {
  for (const auto& [name, lbr] : parts()) {
    Probe p(lbr);
    for (int n = 0; n < 45; ++n) p.take(0x1000);
    EXPECT_EQ(p.lbr.entries().size(), p.lbr.depth()) << name;
    for (const Register& r : registers(lbr)) {
      for (u32 i = 0; i < r.count; ++i) {
        if (r.first == kDebugctl || r.first == 0x14ce) continue;
        EXPECT_EQ(p.write(r.first + i, 0), MsrFault::kNone);
      }
    }
    EXPECT_TRUE(p.lbr.entries().empty()) << name;
    p.take(0x2000);
    ASSERT_EQ(p.lbr.entries().size(), 1u) << name;
    EXPECT_EQ(p.lbr.tos(), lbr.arch.depth_mask != 0 || lbr.depth == 1 ? 0u : 1u);
  }
}

// Rows: lbr-2-fmt-5, lbr-7-location
TEST(LbrMsr, show_what_was_recorded) {
  Probe p(cpu::uarch("skylake").lbr);
  RetiredBranch b = branch(0x401000, kKernel, 100, BranchKind::kJcc, 3, 0);
  p.lbr.push(b);
  b.time = 142;
  b.mispredicted = true;
  p.lbr.push(b);

  EXPECT_EQ(p.bus.read("MSR_LASTBRANCH_TOS"), 2u);
  EXPECT_EQ(p.bus.read("MSR_LASTBRANCH_2_FROM_IP"), 0x401000u);
  EXPECT_EQ(p.bus.read("MSR_LASTBRANCH_2_TO_IP"), kKernel);
  EXPECT_EQ(p.bus.read("MSR_LBR_INFO_2"), 0x8000'0000'0000'0000u | 42u);
  EXPECT_EQ(p.bus.read("MSR_LBR_INFO_1"), 0u) << "nothing to count from";
}

// Rows: lbr-2-ler, lbr-6-interrupt
TEST(LbrMsr, last_exception_record_of_legacy_parts) {
  for (const auto& [name, lbr] : parts()) {
    if (lbr.arch.depth_mask != 0) continue;
    Probe p(lbr);
    p.take(0x1000);
    p.lbr.push(branch(0x1100, 0x8000, 20, BranchKind::kException));
    EXPECT_EQ(p.read(lbr.ler_from), 0x1000u) << name;
    EXPECT_EQ(p.read(lbr.ler_from + 1), 0x1100u) << name;
    EXPECT_EQ(p.lbr.slot(p.lbr.tos()).from, 0x1100u) << name;
  }
}

// Rows: lbr-3-write, lbr-2-side-effects
TEST(LbrMsr, save_and_restore_as_an_operating_system_does_keeps_the_stack) {
  Rng rng(4);
  for (const auto& [name, lbr] : parts()) {
    Probe p(lbr);
    for (int n = 0; n < 45; ++n) {
      RetiredBranch b = branch(rng.below(u64{1} << 31) | 1, rng.below(u64{1} << 31), static_cast<u64>(n) * 7,
                               BranchKind::kRet);
      b.mispredicted = rng.chance(1, 2);
      p.lbr.push(b);
    }
    auto before = p.lbr.entries();
    std::map<u32, u64> saved;
    for (const auto& msr : p.bus.list()) {
      if (msr.index != 0x14cf) saved[msr.index] = p.read(msr.index);  // writing the depth would clear
    }

    Probe other(lbr, false);
    for (const auto& [index, value] : saved) ASSERT_EQ(other.write(index, value), MsrFault::kNone) << index;

    for (const auto& [index, value] : saved) EXPECT_EQ(other.read(index), value) << name << ' ' << index;
    auto after = other.lbr.entries();
    for (Entry& e : before) e.kind = BranchKind::kCount;  // legacy MSRs do not hold it
    for (Entry& e : after) e.kind = BranchKind::kCount;
    EXPECT_EQ(after, before) << name;
  }
}

// Rows: lbr-8-pebs-lbr
TEST(LbrMsr, records_for_pebs_are_the_registers_newest_first) {
  for (const auto& [name, lbr] : parts()) {
    Probe p(lbr);
    for (u64 n = 1; n <= 3; ++n) p.take(n << 8);
    std::array<LbrRecord, 64> out{};
    EXPECT_EQ(p.lbr.records(out), p.lbr.depth()) << name;
    for (u32 n = 0; n < p.lbr.depth(); ++n) {
      const bool arch = lbr.arch.depth_mask != 0;
      const u32 i = arch ? n : (p.lbr.tos() - n) & (p.lbr.depth() - 1);
      EXPECT_EQ(out.at(n).from, p.read((arch ? 0x1500 : lbr.from_base) + i)) << name;
      if (arch || lbr.format != LbrFormat::kOffsets32) {
        EXPECT_EQ(out.at(n).to, p.read((arch ? 0x1600 : lbr.to_base) + i)) << name;
      }
      if (arch || lbr.format == LbrFormat::kInfo || lbr.format == LbrFormat::kInfoNoTsx) {
        EXPECT_EQ(out.at(n).info, p.read((arch ? 0x1200 : lbr.info_base) + i)) << name;
      }
    }
    std::array<LbrRecord, 2> two{};
    EXPECT_EQ(p.lbr.records(two), p.lbr.depth());
  }
}

}  // namespace
}  // namespace lastbranch::lbr
