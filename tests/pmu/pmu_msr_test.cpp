// Every register of every part, bit by bit: what can be read, written, and what faults.
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/ds_area.h"
#include "tests/pmu/pmu_support.h"

namespace lastbranch::pmu {
namespace {

/// How a register takes a value.
enum class Kind {
  kPlain,        ///< reads as written; other bits fault
  kLow32,        ///< takes EAX only, bit 31 extended to the width
  kReadOnly,     ///< every write faults
  kStatusReset,  ///< clears bits of the status, reads 0
  kStatusSet,    ///< sets bits of the status, reads 0
  kIgnore,       ///< other bits are ignored
};

struct Expected {
  u32 index;
  Kind kind;
  u64 bits = 0;   ///< that can be written
  u64 reset = 0;  ///< value after RESET
};

u64 width_mask(unsigned width) {
  return (u64{1} << width) - 1;
}

u64 select_bits(const cpu::Uarch& u, unsigned n) {
  const PmuParams& p = u.pmu;
  u64 bits = 0xffdf'ffff;
  if (p.version >= 3 && !p.any_thread_deprecated) bits |= 1u << 21;
  if (u.isa.has(cpu::Isa::kRtm)) bits |= u64{1} << 32;
  if (u.isa.has(cpu::Isa::kRtm) && n == 2) bits |= u64{1} << 33;
  if (((p.perf_capabilities >> 14) & 1) != 0) bits |= u64{1} << 34;
  if (u.lbr.arch.event_log_counters != 0) bits |= u64{1} << 35;
  if (p.version >= 6) bits |= u64{1} << 36 | u64{0xff} << 40;
  return bits;
}

/// The registers a part has, from the data sheet.
std::vector<Expected> registers(const cpu::Uarch& u) {
  const PmuParams& p = u.pmu;
  const u64 caps = p.perf_capabilities;
  const auto cap = [&](unsigned bit) { return (caps >> bit) & 1; };
  const u64 gp = p.gp_bitmap != 0 ? p.gp_bitmap : width_mask(p.gp_counters);
  const u64 fixed = p.version < 2 ? 0 : p.fixed_bitmap | width_mask(p.fixed_counters);
  const u64 metrics = cap(15) << 48;
  std::vector<Expected> all;
  u64 fixed_ctrl = 0;
  for (unsigned n = 0; n < 32; ++n) {
    if (((gp >> n) & 1) == 0) continue;
    all.push_back({0xc1 + n, Kind::kLow32, width_mask(p.gp_width)});
    all.push_back({0x186 + n, Kind::kPlain, select_bits(u, n)});
    if (cap(13) != 0) all.push_back({0x4c1 + n, Kind::kPlain, width_mask(p.gp_width)});
    if (p.version < 6) continue;
    all.push_back({0x1900 + 4 * n, Kind::kPlain, width_mask(p.gp_width)});
    all.push_back({0x1901 + 4 * n, Kind::kPlain, select_bits(u, n)});
  }
  for (unsigned i = 0; i < 16; ++i) {
    if (((fixed >> i) & 1) == 0) continue;
    all.push_back({0x309 + i, Kind::kPlain, width_mask(p.fixed_width)});
    if (p.version >= 6) all.push_back({0x1980 + 4 * i, Kind::kPlain, width_mask(p.fixed_width)});
    const u64 any = p.version >= 3 && !p.any_thread_deprecated ? 4 : 0;
    fixed_ctrl |= (0xb | any | cap(14) << 32) << (4 * i);
  }
  if (p.version >= 2) {
    const u64 counters = gp | fixed << 32;
    u64 status = counters | metrics | u64{3} << 62;
    if (p.version >= 3) status |= u64{1} << 61;
    if (p.version >= 4) status |= u64{1} << 55 | u64{7} << 58;
    if (fixed != 0) all.push_back({0x38d, Kind::kPlain, fixed_ctrl});
    all.push_back({0x38e, Kind::kReadOnly});
    all.push_back({0x38f, Kind::kPlain, counters | metrics, gp});
    all.push_back({0x390, Kind::kStatusReset, status});
    if (p.version >= 4) {
      all.push_back({0x391, Kind::kStatusSet, status & ~(u64{1} << 63)});
      all.push_back({0x392, Kind::kReadOnly});
    }
  }
  if (caps != 0) all.push_back({0x345, Kind::kReadOnly, 0, caps});
  if (metrics != 0) all.push_back({0x329, Kind::kPlain, ~u64{0}});
  const u64 offcore = u.name == "nehalem" || u.name == "westmere" ? 0xffff : 0x3f'ffff'ffff;
  for (u32 i = 0; i < p.offcore_rsp; ++i) all.push_back({0x1a6 + i, Kind::kPlain, offcore});
  const u64 misc = 1 | (p.version != 0 ? 1u << 7 : 0) | (p.ds_area ? 0 : 1u << 11) |
                   (p.ds_area && p.pebs_counters != 0 ? 0 : 1u << 12);
  all.push_back({0x1a0, Kind::kIgnore, 1 | 1u << 3 | 1u << 16 | 1u << 18 | 3u << 22 | u64{1} << 34, misc});
  return all;
}

void try_bit(TestPmu& m, const Expected& e, unsigned bit) {
  const u64 v = u64{1} << bit;
  const bool writable = (e.bits & v) != 0;
  switch (e.kind) {
    case Kind::kPlain:
      EXPECT_EQ(m.write(e.index, v), writable);
      EXPECT_EQ(m.read(e.index), writable ? v : e.reset);
      break;
    case Kind::kLow32:
      EXPECT_TRUE(m.write(e.index, v));
      EXPECT_EQ(m.read(e.index), bit == 31 ? e.bits & ~u64{0x7fff'ffff} : v & 0xffff'ffff);
      break;
    case Kind::kReadOnly:
      EXPECT_FALSE(m.write(e.index, v));
      EXPECT_EQ(m.read(e.index), e.reset);
      break;
    case Kind::kStatusReset:
      m.pmu.set_status(v);
      EXPECT_EQ(m.write(e.index, v), writable);
      EXPECT_EQ(m.read(0x38e), writable ? 0 : v);
      EXPECT_EQ(m.read(e.index), 0u);
      m.pmu.clear_status(v);
      break;
    case Kind::kStatusSet:
      EXPECT_EQ(m.write(e.index, v), writable);
      EXPECT_EQ(m.read(0x38e), writable ? v : 0);
      EXPECT_EQ(m.read(e.index), 0u);
      m.pmu.clear_status(v);
      break;
    case Kind::kIgnore:
      EXPECT_TRUE(m.write(e.index, v));
      EXPECT_EQ(m.read(e.index), (e.reset & ~e.bits) | (v & e.bits));
      break;
  }
}

// Rows: pmu-1-v1, pmu-1-v2, pmu-1-v3, pmu-1-v4, pmu-1-v6, pmu-2.1-pmc, pmu-2.1-a-pmc, pmu-2.1-evtsel
// Rows: pmu-2.1-fixed-ctr, pmu-2.1-fixed-ctrl, pmu-2.1-status, pmu-2.1-ovf-ctrl, pmu-2.1-status-set
// Rows: pmu-2.1-offcore, pmu-2.1-metrics, pmu-2.1-v6-aliases, pmu-2.1-capabilities, pmu-2.2-reserved
// Rows: pmu-2.2-in-tx, pmu-2.2-in-txcp, pmu-2.2-adaptive, pmu-2.2-eq, pmu-2.2-umask2, pmu-2.3-bits
// Rows: pmu-2.2-branch-log, pmu-2.4-bits, pmu-2.4-metrics, pmu-7-msr, pmu-7-zeroing, pmu-7-enable
TEST(PmuMsr, every_bit_of_every_register_of_every_part) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    TestPmu m(u.pmu);
    std::set<u32> indices;
    for (const Expected& e : registers(u)) {
      EXPECT_TRUE(indices.insert(e.index).second);
      EXPECT_TRUE(m.bus.read(e.index).ok()) << u.name << std::hex << " " << e.index;
      for (unsigned bit = 0; bit < 64; ++bit) {
        m.pmu.reset();
        try_bit(m, e, bit);
        ASSERT_FALSE(HasFailure()) << u.name << std::hex << ": MSR " << e.index << std::dec << ", bit "
                                   << bit;
      }
    }
    for (u32 index = 0; index < 0x2000; ++index) {
      EXPECT_EQ(m.bus.read(index).ok(), indices.contains(index)) << u.name << std::hex << ": MSR " << index;
    }
  }
}

// Rows: pmu-2.1-reset, pmu-2.1-global-ctrl, pmu-3-reset, pmu-2.1-misc-enable
TEST(PmuMsr, reset_gives_the_documented_values_and_init_keeps_all) {
  for (const cpu::Uarch& u : cpu::uarchs()) {
    TestPmu m(u.pmu);
    const std::vector<Expected> all = registers(u);
    for (const Expected& e : all) EXPECT_EQ(m.read(e.index), e.reset) << u.name << std::hex << " " << e.index;
    for (const MsrBus::Listed& l : m.bus.list()) {
      if (!m.bus.read(l.index).ok()) continue;
      EXPECT_EQ(l.reset, m.read(l.index)) << u.name << " " << l.name;
    }

    std::vector<u64> written;
    for (const Expected& e : all) {
      if (e.kind == Kind::kPlain) m.write(e.index, e.bits & 0x5555'5555'5555'5555);
      if (e.kind == Kind::kLow32) m.write(e.index, 0x1234'5678);
    }
    for (const Expected& e : all) written.push_back(m.read(e.index));
    m.pmu.reset(true);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(m.read(all[i].index), written[i]) << u.name;
    m.pmu.reset(false);
    for (const Expected& e : all) EXPECT_EQ(m.read(e.index), e.reset) << u.name << std::hex << " " << e.index;
  }
}

PmuParams skylake() {
  return cpu::uarch("skylake").pmu;
}

// Rows: pmu-2.1-inuse
TEST(PmuMsr, inuse_tells_selects_fixed_enables_and_interrupts) {
  struct Row {
    u32 index;
    u64 value;
    u64 inuse;
  };
  constexpr Row kRows[] = {
      {0x186, 0xc0, 1},
      {0x186, 0x0100, 0},  // a umask alone is no event
      {0x187, 0x43'003c, 2},
      {0x189, 0x10'00c4, u64{1} << 63 | 8},
      {0x188, 0x10'0000, u64{1} << 63},
      {0x38d, 0x003, u64{1} << 32},
      {0x38d, 0x020, u64{1} << 33},
      {0x38d, 0x100, u64{1} << 34},
      {0x38d, 0x008, u64{1} << 63},
      {0x38d, 0x800, u64{1} << 63},
      {0x38d, 0x004, 0},  // ANY alone counts nothing
  };
  for (const Row& row : kRows) {
    TestPmu m(skylake());
    ASSERT_TRUE(m.write(row.index, row.value));
    EXPECT_EQ(m.read(0x392), row.inuse) << std::hex << row.index << " " << row.value;
  }
}

// Rows: pmu-2.1-fixed-ctr, pmu-2.1-ovf-ctrl-read
TEST(PmuMsr, options_decide_what_no_source_does) {
  TestPmu m(skylake(), {.fixed_upper_bits_ignored = true, .ovf_ctrl_reads_back = true});
  EXPECT_TRUE(m.write(msr::kFixedCtr, ~u64{0}));
  EXPECT_EQ(m.read(msr::kFixedCtr), width_mask(48));
  EXPECT_TRUE(m.write(msr::kStatusReset, 3));
  EXPECT_EQ(m.read(msr::kStatusReset), 3u);
}

// Rows: pmu-3-ecx, pmu-3-result, pmu-7-rdpmc
TEST(PmuMsr, rdpmc_takes_the_type_from_the_high_half) {
  const PmuParams icelake = cpu::uarch("icelake").pmu;
  TestPmu m(icelake);
  for (u32 n = 0; n < 8; ++n) m.write(0x4c1 + n, 0xffff'0000'0000 + n);
  for (u32 i = 0; i < 4; ++i) m.write(0x309 + i, 0x8000'0000'0000 + i);
  m.write(0x329, 0xff00'1122'3344'5566);
  for (u32 n = 0; n < 8; ++n) EXPECT_EQ(m.pmu.rdpmc(n).value, 0xffff'0000'0000 + n);
  for (u32 i = 0; i < 4; ++i) EXPECT_EQ(m.pmu.rdpmc(0x4000'0000 + i).value, 0x8000'0000'0000 + i);
  EXPECT_EQ(m.pmu.rdpmc(0x2000'0000).value, 0xff00'1122'3344'5566);
  for (const u32 ecx :
       {8u, 0xffffu, 0x4000'0004u, 0x4000'ffffu, 0x2000'0001u, 0x8000'0000u, 0x6000'0000u, 0x1'0000u}) {
    EXPECT_FALSE(m.pmu.rdpmc(ecx).ok()) << std::hex << ecx;
  }
  TestPmu old(cpu::uarch("skylake").pmu);
  EXPECT_FALSE(old.pmu.rdpmc(0x2000'0000).ok());
  EXPECT_FALSE(old.pmu.rdpmc(0x4000'0003).ok());
  EXPECT_FALSE(old.pmu.rdpmc(4).ok());
}

// Rows: pmu-2.1-ds-area
TEST(PmuMsr, the_debug_store_address_is_canonical) {
  DsArea area;
  MsrBus bus;
  bus.attach(DsArea::rows(), &area);
  EXPECT_EQ(bus.read(0x600).value, 0u);
  for (unsigned bit = 0; bit < 64; ++bit) {
    const u64 low = u64{1} << bit;
    EXPECT_EQ(bus.write(0x600, low) == MsrFault::kNone, bit < 47) << bit;
    EXPECT_EQ(bus.write(0x600, 0 - low) == MsrFault::kNone, bit <= 47) << bit;
  }
}

// Rows: pmu-8.3-ht
TEST(PmuMsr, a_part_whose_sibling_is_off_has_eight_counters) {
  cpu::Uarch u = cpu::uarch("haswell");
  cpu::override_field(u, "pmu_gp_counters", 8);
  TestPmu m(u.pmu);
  EXPECT_EQ(m.read(msr::kGlobalCtrl), 0xffu);
  EXPECT_TRUE(m.write(msr::kSelect + 7, kInstructionsEvent | kEnableBoth));
  m.retire(5);
  EXPECT_EQ(m.pmu.rdpmc(7).value, 5u);
  EXPECT_FALSE(m.bus.read(msr::kPmc + 8).ok());
}

TEST(PmuMsr, parts_that_cannot_be_are_refused) {
  const Ledger ledger;
  const auto make = [&](auto change) {
    PmuParams p = skylake();
    change(p);
    const Pmu pmu(p, ledger, {});
  };
  EXPECT_THROW(make([](PmuParams& p) { p.gp_counters = 33; }), Error);
  EXPECT_THROW(make([](PmuParams& p) { p.gp_width = 64; }), Error);
  EXPECT_THROW(make([](PmuParams& p) { p.fixed_width = 0; }), Error);
  EXPECT_THROW(make([](PmuParams& p) { p.fixed_bitmap = 1u << 16; }), Error);
}

}  // namespace
}  // namespace lastbranch::pmu
