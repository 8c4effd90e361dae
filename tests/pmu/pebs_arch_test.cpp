// The assist of architectural PEBS.
#include "tests/pmu/pebs_layouts.h"
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

constexpr u64 kPhysical = 0x12'3456'0000;
constexpr u64 kRip = 0x40'1000;
constexpr u64 kEnable = u64{1} << 63;
constexpr u64 kThreshold54 = u64{1} << 54;
constexpr u64 kFull = u64{1} << 31;
constexpr u64 kPmi = u64{1} << 32;
constexpr u32 kBase = 0x3f4, kIndex = 0x3f5, kPmc0 = 0x1903, kFixed0 = 0x1983;
constexpr u32 kCougarCove = 0x6006'0378;  ///< CPUID.23H.4:EBX

struct ArchPlatform {
  explicit ArchPlatform(unsigned order = 0)
      : memory(kPhysical, kPageSize << order),
        pebs(params(), {.counters = &counters, .source = &source, .debug = &debug, .physical = &memory},
             {.architectural = kCougarCove}) {
    bus.attach(pebs.rows(), &pebs);
    write(kBase, kPhysical | order);
    source.sample.rip = kRip;
  }
  static PmuParams params() {
    PmuParams p = test::part(6, EventList::kSapphireRapids);
    p.gp_counters = 10;
    p.pebs_counters = 0xf'0000'03ff;
    p.pdist_counters = 0x1'0000'0003;
    return p;
  }
  void write(u32 index, u64 value) { ASSERT_EQ(bus.write(index, value), MsrFault::kNone) << index; }
  void sample(CounterBit c) {
    counters.status_bits |= u64{1} << c;
    pebs.overflow(c, kRip);
    if (pebs.wants_next(c)) pebs.occurrence(c, kRip);
    pebs.assist();
  }

  test::FakeCounters counters;
  test::FakeSource source;
  test::FakeDebug debug;
  test::FakeMemory memory;
  Pebs pebs;
  MsrBus bus;
};

// Rows: pebs-6.6-buffer, pebs-6.6-reload, pebs-6.6-enable
TEST(PebsArch, a_record_goes_to_the_buffer_and_the_counter_is_reloaded) {
  ArchPlatform p;
  p.write(kPmc0 + 4 * 3, kEnable | 0xffff'f000);
  p.write(kFixed0 + 4 * 1, kEnable | 0x7fff'0000);
  EXPECT_FALSE(p.pebs.takes(0));
  ASSERT_TRUE(p.pebs.takes(3));

  p.sample(3);
  p.sample(kFixed + 1);

  EXPECT_EQ(p.memory.word(kPhysical), kEnable | u64{1} << 30 | 0x40);
  EXPECT_EQ(p.memory.word(kPhysical + 0x10), kRip);
  EXPECT_EQ(p.memory.word(kPhysical + 0x18), 0x8u);
  EXPECT_EQ(p.memory.word(kPhysical + 0x40 + 0x18), u64{2} << 32);
  EXPECT_EQ(p.bus.read(kIndex).value, 0x80u);
  EXPECT_EQ(p.counters.values[3], 0xffff'ffff'ffff'f000u);
  EXPECT_EQ(p.counters.values[kFixed + 1], 0x7fff'0000u);
  EXPECT_EQ(p.counters.status_bits, 0u);
  EXPECT_TRUE(p.counters.pmis.empty());
}

// Rows: pebs-6.6-threshold
TEST(PebsArch, reaching_the_threshold_sets_bit_54_and_interrupts_if_enabled) {
  for (const bool enabled : {false, true}) {
    ArchPlatform p;
    p.write(kPmc0, kEnable);
    p.write(kIndex, (enabled ? kPmi : 0) | u64{0x80} << 32);

    p.sample(0);
    EXPECT_TRUE(p.counters.pmis.empty());
    p.sample(0);

    EXPECT_EQ(p.counters.pmis.size(), enabled ? 1u : 0u);
    EXPECT_EQ(p.counters.status_bits, enabled ? kThreshold54 : 0);
  }
}

// Rows: pebs-6.6-full
TEST(PebsArch, a_record_that_does_not_fit_sets_full_and_is_not_written) {
  ArchPlatform p;
  p.write(kPmc0, kEnable);
  p.write(kIndex, kPageSize - 0x40);
  p.sample(0);
  EXPECT_EQ(p.bus.read(kIndex).value, kPageSize);

  p.sample(0);

  EXPECT_EQ(p.bus.read(kIndex).value, kPageSize | kFull);
  EXPECT_EQ(p.pebs.records(), 1u);
  EXPECT_EQ(p.pebs.lost().full, 1u);
}

// Rows: pebs-6.6-buffer
TEST(PebsArch, the_low_bits_of_the_base_are_the_order_of_the_size) {
  ArchPlatform p(2);
  p.write(kPmc0, kEnable);
  p.write(kIndex, 4 * kPageSize - 0x40);
  p.sample(0);
  EXPECT_EQ(p.pebs.records(), 1u);
  EXPECT_EQ(p.memory.word(kPhysical + 4 * kPageSize - 0x30), kRip);
}

// Rows: pebs-6.6-cfg-c, pebs-6.6-counters
TEST(PebsArch, each_counter_has_groups_of_its_own) {
  ArchPlatform p;
  constexpr u64 kAllow = u64{1} << 35, kGp = u64{1} << 36, kGpr = u64{1} << 61;
  p.write(kPmc0, kEnable | kGpr);
  p.write(kPmc0 + 4, kEnable | kGp | kAllow);
  p.write(kPmc0 + 8, kAllow);
  p.counters.values[1] = 0x11;
  p.counters.values[2] = 0x22;

  p.sample(0);
  p.sample(1);

  EXPECT_EQ(p.memory.word(kPhysical), kEnable | kGpr | u64{1} << 30 | 0xe0);
  const u64 second = kPhysical + 0xe0;
  EXPECT_EQ(p.memory.word(second), kEnable | kAllow | kGp | u64{1} << 30 | 0x60);
  EXPECT_EQ(p.memory.word(second + 0x40), 0x6u);
  EXPECT_EQ(p.memory.word(second + 0x50), 0x11u);
  EXPECT_EQ(p.memory.word(second + 0x58), 0x22u);
}

// Rows: pebs-6.6-cfg-c, pebs-2.1-base-index, pebs-6.6-no-ds
TEST(PebsArch, each_bit_of_each_register_is_there_or_faults) {
  const struct {
    u32 index;
    u64 writable;
  } rows[] = {{kBase, 0x000f'ffff'ffff'f01f},
              {kIndex, 0x07ff'fff1'87ff'fff0},
              {kPmc0 + 4 * 9, 0xe006'0378'ffff'ffff},
              {kFixed0 + 4 * 3, 0xe006'0378'ffff'ffff}};
  ArchPlatform p;
  for (const auto& row : rows) {
    for (unsigned n = 0; n < 64; ++n) {
      const u64 value = u64{1} << n;
      const bool there = (row.writable & value) != 0;
      EXPECT_EQ(p.bus.write(row.index, value), there ? MsrFault::kNone : MsrFault::kReserved)
          << std::hex << row.index << " bit " << std::dec << n;
      if (there) {
        EXPECT_EQ(p.bus.read(row.index).value, value);
      }
    }
  }
  for (const u32 absent : {0x3f1u, 0x3f2u, kPmc0 + 4 * 10, kFixed0 + 4 * 4}) {
    EXPECT_EQ(p.bus.read(absent).fault, MsrFault::kUnknown) << std::hex << absent;
  }
}

}  // namespace
}  // namespace lastbranch::pmu
