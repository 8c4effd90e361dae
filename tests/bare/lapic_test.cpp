#include "models/cpu/lapic.h"

#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::cpu {
namespace {

constexpr u32 kMasked = 1u << 16;

/// A LAPIC with a clock to be set by hand; the TSC is 1,000 ahead of it.
struct Board {
  u64 now = 0;
  Lapic lapic;
  MsrBus msrs;

  explicit Board(LapicParams params = {})
      : lapic(params, {.now = [](const void* b) { return static_cast<const Board*>(b)->now; },
                       .tsc = [](const void* b) { return static_cast<const Board*>(b)->now + 1000; },
                       .self = this}) {
    msrs.attach(lapic.rows(), &lapic);
  }
  u32 read(u64 offset) {
    std::array<u8, 4> bytes{};
    lapic.read_page(offset, bytes);
    u32 v = 0;
    std::memcpy(&v, bytes.data(), 4);
    return v;
  }
  void write(u64 offset, u32 v) {
    std::array<u8, 4> bytes{};
    std::memcpy(bytes.data(), &v, 4);
    lapic.write_page(offset, bytes);
  }
  void enable() { write(0xf0, 0x1ff); }
  void x2apic() { msrs.write(0x1b, 0xfee00d00); }
  void at(u64 clock) {
    now = clock;
    lapic.advance();
  }
};

TEST(Lapic, shows_reset_values) {
  Board b;
  struct Row {
    u64 offset;
    u32 value;
  };
  for (const Row& r :
       {Row{0x20, 0}, Row{0x30, 0x60015}, Row{0x80, 0}, Row{0xd0, 0}, Row{0xe0, 0xffffffff}, Row{0xf0, 0xff},
        Row{0x280, 0}, Row{0x300, 0}, Row{0x320, kMasked}, Row{0x340, kMasked}, Row{0x350, kMasked},
        Row{0x360, kMasked}, Row{0x370, kMasked}, Row{0x380, 0}, Row{0x390, 0}, Row{0x3e0, 0}}) {
    EXPECT_EQ(b.read(r.offset), r.value) << std::hex << r.offset;
  }
  EXPECT_EQ(b.msrs.read(0x1b).value, 0xfee00900u);
  EXPECT_EQ(b.lapic.pending(), std::nullopt);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), Lapic::kNever);
}

TEST(Lapic, goes_only_through_allowed_modes) {
  struct Row {
    u64 from, to;
    bool ok;
  };
  constexpr u64 kBase = 0xfee00000, kOff = 0x100, kX = 0x900, kX2 = 0xd00, kBad = 0x500;
  for (const Row& r : {Row{kX, kX2, true}, Row{kX, kOff, true}, Row{kOff, kX, true}, Row{kOff, kX2, false},
                       Row{kX2, kX, false}, Row{kX2, kOff, true}, Row{kX, kBad, false}, Row{kX2, kX2, true},
                       Row{kOff, kBad, false}, Row{kX2, kBad, false}}) {
    Board b;
    if (r.from != kX) b.msrs.write("IA32_APIC_BASE", kBase | r.from);
    EXPECT_EQ(b.msrs.write(0x1b, kBase | r.to) == MsrFault::kNone, r.ok) << std::hex << r.from << " " << r.to;
    EXPECT_EQ(b.msrs.read(0x1b).value, kBase | (r.ok ? r.to : r.from));
  }
  Board b;
  EXPECT_EQ(b.msrs.write(0x1b, u64{1} << 39 | 0xfee00900), MsrFault::kReserved);
  EXPECT_TRUE(b.lapic.decodes(0xfee00340));
  b.x2apic();
  EXPECT_FALSE(b.lapic.decodes(0xfee00340));
}

TEST(Lapic, has_x2apic_registers_only_in_that_mode) {
  Board b;
  for (u32 msr = 0x800; msr < 0x840; ++msr) EXPECT_FALSE(b.msrs.read(msr).ok()) << std::hex << msr;
  b.x2apic();
  // r readable, w any value, 0 only zero, with the first bit that is reserved.
  struct Row {
    u32 first, last;
    bool readable, writable;
    u64 accepted, refused;
  };
  for (const Row& r :
       {Row{0x802, 0x803, true, false, 0, 0}, Row{0x808, 0x808, true, true, 0xff, 0x100},
        Row{0x80a, 0x80a, true, false, 0, 0}, Row{0x80b, 0x80b, false, true, 0, 1},
        Row{0x80d, 0x80d, true, false, 0, 0}, Row{0x80f, 0x80f, true, true, 0x1ff, 0x200},
        Row{0x810, 0x827, true, false, 0, 0}, Row{0x828, 0x828, true, true, 0, 1},
        Row{0x82f, 0x82f, true, true, 0x107ff, 0x800}, Row{0x830, 0x830, true, true, 0xc08ff, 0x1000},
        Row{0x832, 0x832, true, true, 0x700ff, 0x100}, Row{0x833, 0x834, true, true, 0x107ff, 0x2000},
        Row{0x835, 0x836, true, true, 0x1a7ff, 0x800}, Row{0x837, 0x837, true, true, 0x100ff, 0x100},
        Row{0x838, 0x838, true, true, 0xffffffff, u64{1} << 32}, Row{0x839, 0x839, true, false, 0, 0},
        Row{0x83e, 0x83e, true, true, 0xb, 4}, Row{0x83f, 0x83f, false, true, 0xff, 0x100}}) {
    for (u32 msr = r.first; msr <= r.last; ++msr) {
      EXPECT_EQ(b.msrs.read(msr).ok(), r.readable) << std::hex << msr;
      EXPECT_EQ(b.msrs.write(msr, r.accepted) == MsrFault::kNone, r.writable) << std::hex << msr;
      EXPECT_NE(b.msrs.write(msr, r.writable ? r.refused : 0), MsrFault::kNone) << std::hex << msr;
    }
  }
  for (const u32 msr :
       {0x800u, 0x801u, 0x804u, 0x807u, 0x809u, 0x80cu, 0x80eu, 0x829u, 0x831u, 0x83au, 0x83du}) {
    EXPECT_FALSE(b.msrs.read(msr).ok()) << std::hex << msr;
    EXPECT_NE(b.msrs.write(msr, 0), MsrFault::kNone) << std::hex << msr;
  }
}

TEST(Lapic, without_x2apic_or_deadline_has_no_such_registers) {
  Board b({.version = 0x14, .cmci = false, .x2apic = false, .tsc_deadline = false});
  EXPECT_EQ(b.msrs.write(0x1b, 0xfee00d00), MsrFault::kReserved);
  EXPECT_FALSE(b.msrs.read(0x6e0).ok());
  EXPECT_EQ(b.read(0x30), 0x50014u);
}

TEST(Lapic, delivers_by_priority_and_nests) {
  Board b;
  b.enable();
  b.write(0x300, 0x40031);
  b.write(0x300, 0x40042);
  b.write(0x300, 0x40045);
  ASSERT_EQ(b.lapic.pending(), 0x45);
  EXPECT_EQ(b.lapic.acknowledge(), 0x45);
  EXPECT_EQ(b.read(0xa0), 0x40u);
  EXPECT_EQ(b.read(0x120), 1u << 5);
  EXPECT_EQ(b.read(0x220), 1u << 2);
  EXPECT_EQ(b.lapic.pending(), std::nullopt) << "same class as the one in service";
  b.write(0x300, 0x40050);
  ASSERT_EQ(b.lapic.pending(), 0x50);
  EXPECT_EQ(b.lapic.acknowledge(), 0x50);
  b.write(0xb0, 0);
  EXPECT_EQ(b.read(0xa0), 0x40u);
  b.write(0xb0, 0);
  EXPECT_EQ(b.lapic.acknowledge(), 0x42);
  b.write(0xb0, 0);
  b.write(0x80, 0x30);
  EXPECT_EQ(b.lapic.pending(), std::nullopt) << "TPR holds its own class off";
  EXPECT_EQ(b.lapic.cr8(), 3u);
  EXPECT_EQ(b.lapic.acknowledge(), 0xff) << "the spurious vector";
  b.lapic.set_cr8(2);
  EXPECT_EQ(b.lapic.acknowledge(), 0x31);
}

TEST(Lapic, sends_to_itself_whoever_is_addressed) {
  struct Row {
    const char* what;
    u32 high, low;
    bool fixed, nmi;
  };
  for (const Row& r :
       {Row{"physical id", 0, 0x4041, true, false}, Row{"other id", 0x01000000, 0x4041, false, false},
        Row{"broadcast", 0xff000000, 0x4041, true, false}, Row{"self", 0, 0x44041, true, false},
        Row{"all", 0, 0x84041, true, false}, Row{"others", 0, 0xc4041, false, false},
        Row{"logical, no LDR", 0xff000000, 0x4841, false, false}, Row{"NMI to id", 0, 0x4400, false, true},
        Row{"NMI to all", 0, 0x84400, false, true}, Row{"lowest priority", 0, 0x4141, true, false}}) {
    Board b;
    b.enable();
    b.write(0x310, r.high);
    b.write(0x300, r.low);
    EXPECT_EQ(b.lapic.pending().has_value(), r.fixed) << r.what;
    EXPECT_EQ(b.lapic.nmi_pending(), r.nmi) << r.what;
  }
  Board b;
  b.enable();
  b.write(0xd0, 0x02000000);
  b.write(0x310, 0x02000000);
  b.write(0x300, 0x4841);
  EXPECT_EQ(b.lapic.pending(), 0x41) << "logical, flat";
  b.write(0x310, 0);
  b.write(0x300, 0x4500);
  b.write(0x300, 0x4200);
  EXPECT_EQ(b.lapic.unmodelled().size(), 2u) << "INIT and SMI";
  Board x;
  x.x2apic();
  x.msrs.write(0x80f, 0x1ff);
  x.msrs.write(0x83f, 0x99);
  EXPECT_EQ(x.lapic.pending(), 0x99);
  x.msrs.write(0x830, u64{0xffffffff} << 32 | 0xa1);
  EXPECT_EQ(x.lapic.pending(), 0xa1);
}

TEST(Lapic, notes_errors_until_esr_is_written) {
  Board b;
  b.enable();
  b.write(0x370, 0xe0);
  b.write(0x300, 0x4400f);
  EXPECT_EQ(b.read(0x280), 0u);
  b.write(0x280, 0);
  EXPECT_EQ(b.read(0x280), 1u << 5);
  EXPECT_EQ(b.lapic.pending(), 0xe0) << "error interrupt";
  b.write(0x280, 0);
  EXPECT_EQ(b.read(0x280), 0u);
  b.read(0x40);
  b.read(0x84);
  b.write(0x280, 0);
  EXPECT_EQ(b.read(0x280) & 1u << 7, b.read(0x280));
}

// Rows: pmu-4-pmi-request, pmu-4-auto-mask
TEST(Lapic, masks_the_performance_entry_when_it_delivers) {
  Board b;
  b.enable();
  b.lapic.pmi();
  EXPECT_EQ(b.lapic.pending(), std::nullopt) << "masked after reset";
  b.write(0x340, 0x35);
  b.lapic.pmi();
  EXPECT_EQ(b.lapic.pending(), 0x35);
  EXPECT_EQ(b.read(0x340), 0x35 | kMasked);
  b.lapic.acknowledge();
  b.lapic.pmi();
  EXPECT_EQ(b.lapic.pending(), std::nullopt);
  EXPECT_FALSE(b.lapic.nmi_pending());
  b.write(0x340, 0x400);
  b.lapic.pmi();
  EXPECT_TRUE(b.lapic.nmi_pending());
  EXPECT_EQ(b.read(0x340), 0x400 | kMasked);
  b.lapic.acknowledge_nmi();
  b.lapic.pmi();
  EXPECT_FALSE(b.lapic.nmi_pending());
}

TEST(Lapic, disabled_by_software_masks_every_entry) {
  Board b;
  b.enable();
  b.write(0x340, 0x35);
  b.write(0xf0, 0xff);
  EXPECT_EQ(b.read(0x340), 0x35 | kMasked);
  b.write(0x340, 0x36);
  EXPECT_EQ(b.read(0x340), 0x36 | kMasked);
}

TEST(LapicTimer, counts_down_once) {
  Board b({.bus_clocks = 4});
  b.enable();
  b.write(0x3e0, 0x3);  // divide by 16
  b.write(0x320, 0x41);
  b.write(0x380, 10);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), 640u);
  b.at(639);
  EXPECT_EQ(b.read(0x390), 1u);
  EXPECT_EQ(b.lapic.pending(), std::nullopt);
  b.at(640);
  EXPECT_EQ(b.read(0x390), 0u);
  EXPECT_EQ(b.lapic.acknowledge(), 0x41);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), Lapic::kNever);
  b.at(10'000);
  EXPECT_EQ(b.read(0x220), 0u);
}

TEST(LapicTimer, divides_by_each_configuration) {
  struct Row {
    u32 code, divisor;
  };
  for (const Row& r :
       {Row{0, 2}, Row{1, 4}, Row{2, 8}, Row{3, 16}, Row{8, 32}, Row{9, 64}, Row{10, 128}, Row{11, 1}}) {
    Board b;
    b.enable();
    b.write(0x320, 0x41);
    b.write(0x3e0, r.code);
    b.write(0x380, 5);
    EXPECT_EQ(b.lapic.next_deadline_cycles(), 5 * r.divisor) << r.code;
  }
}

TEST(LapicTimer, repeats_without_drift) {
  Board b;
  b.enable();
  b.write(0x3e0, 0xb);
  b.write(0x320, 0x20041);
  b.write(0x380, 100);
  b.at(130);
  EXPECT_EQ(b.lapic.acknowledge(), 0x41);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), 70u);
  EXPECT_EQ(b.read(0x390), 70u);
  b.at(199);
  EXPECT_EQ(b.read(0x220), 0u);
  b.at(555);
  EXPECT_EQ(b.read(0x220), 2u);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), 45u);
}

TEST(LapicTimer, fires_at_a_tsc_deadline) {
  Board b;
  b.enable();
  b.msrs.write(0x6e0, 5000);
  EXPECT_EQ(b.msrs.read(0x6e0).value, 0u) << "not in that mode";
  b.write(0x320, 0x40041);
  b.msrs.write(0x6e0, 5000);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), 4000u);
  b.write(0x380, 7);
  EXPECT_EQ(b.read(0x390), 0u);
  b.at(3999);
  EXPECT_EQ(b.lapic.pending(), std::nullopt);
  b.at(4000);
  EXPECT_EQ(b.lapic.pending(), 0x41);
  EXPECT_EQ(b.msrs.read(0x6e0).value, 0u);
  b.msrs.write(0x6e0, 1);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), 0u) << "a deadline in the past fires at once";
  b.write(0x320, 0x41);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), Lapic::kNever) << "leaving the mode disarms";
}

TEST(LapicTimer, masked_is_no_deadline) {
  Board b;
  b.enable();
  b.write(0x380, 100);
  EXPECT_EQ(b.lapic.next_deadline_cycles(), Lapic::kNever);
  b.at(200);
  EXPECT_EQ(b.lapic.pending(), std::nullopt);
}

TEST(Lapic, is_as_the_part_has_it) {
  const LapicParams old = lapic_params(uarch("penryn")), now = lapic_params(uarch("skylake"));
  EXPECT_FALSE(old.x2apic);
  EXPECT_FALSE(old.tsc_deadline);
  EXPECT_TRUE(now.x2apic);
  EXPECT_TRUE(now.tsc_deadline);
  EXPECT_EQ(now.bus_clocks, uarch("skylake").frequency_hz / 100'000'000);
}

}  // namespace
}  // namespace lastbranch::cpu
