// When a record is written, and what else happens then.
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

using test::kBuffer;
using test::kDs;
using test::kOvf;
using test::Platform;
using test::reset_value;

constexpr u64 kRip = 0x40'1000;
constexpr std::size_t kSize1 = 176, kSize3 = 200;
constexpr std::size_t kEventingIp2 = 0xb0;

// Rows: pebs-6.1-arm, pebs-6.1-next-occurrence, pebs-6.5-plain
TEST(PebsAssist, overflow_arms_and_the_next_occurrence_is_recorded) {
  Platform p(test::skylake(), kSize3);
  p.enable(0x1);

  p.overflow(0, kRip);
  EXPECT_TRUE(p.pebs.armed(0));
  EXPECT_TRUE(p.nothing_written());
  EXPECT_EQ(p.counters.status_bits, 1u);
  p.occurrence(0, kRip + 4);

  EXPECT_FALSE(p.pebs.armed(0));
  EXPECT_EQ(p.pebs.records(), 1u);
  EXPECT_EQ(p.word(kEventingIp2), kRip + 4);
}

// Rows: pebs-6.1-clears-status, pebs-6.1-reloads, pebs-6.1-bumps-index, pebs-5-reset-slots, pebs-5-pointers
TEST(PebsAssist, a_record_clears_the_status_bit_reloads_the_counter_and_moves_the_index) {
  for (const CounterBit c : {0u, 1u, 2u, 3u}) {
    SCOPED_TRACE(c);
    Platform p(test::nehalem(), kSize1);
    p.enable(0xf);
    p.counters.status_bits = u64{1} << 35;

    p.sample(c, kRip);

    EXPECT_EQ(p.counters.status_bits, u64{1} << 35) << "only its own bit";
    EXPECT_EQ(p.counters.values[c], reset_value(c));
    EXPECT_EQ(p.index(), kBuffer + kSize1);
    EXPECT_TRUE(p.counters.pmis.empty());
  }
}

// Rows: pebs-6.2-status-before
TEST(PebsAssist, formats_1_and_2_hold_the_status_from_before_the_record) {
  Platform p(test::haswell(), 192);
  p.enable(0x4);
  p.counters.status_bits = u64{1} << 33;

  p.sample(2, kRip);

  EXPECT_EQ(p.word(0x90), u64{1} << 33 | 1u << 2);
}

// Rows: pebs-6.3-applicable
TEST(PebsAssist, format_3_holds_the_counters_the_record_is_for) {
  Platform p(test::skylake(), kSize3);
  p.enable(0xf);
  p.counters.status_bits = u64{1} << 33;
  p.overflow(1, kRip);
  p.overflow(2, kRip);
  p.overflow(3, kRip);

  p.counters.status_bits |= 0xe;
  p.pebs.occurrence(1, kRip + 4);
  p.pebs.occurrence(3, kRip + 4);
  p.pebs.assist();

  EXPECT_EQ(p.word(0x90), 0xau) << "one record for both that counted at this instruction";
  EXPECT_EQ(p.pebs.records(), 1u);
  EXPECT_EQ(p.counters.status_bits, u64{1} << 33 | 0x4);
  EXPECT_TRUE(p.pebs.armed(2));
}

TEST(PebsAssist, before_format_3_one_record_serves_all_counters_that_overflowed) {
  Platform p(test::nehalem(), kSize1);
  p.enable(0xf);
  p.overflow(1, kRip);
  p.overflow(2, kRip);

  p.occurrence(2, kRip + 4);

  EXPECT_EQ(p.word(0x90), 0x6u);
  EXPECT_EQ(p.counters.values[1], reset_value(1));
  EXPECT_EQ(p.counters.values[2], reset_value(2));
  EXPECT_FALSE(p.pebs.busy());
}

// Rows: pebs-6.1-threshold
TEST(PebsAssist, reaching_the_threshold_sets_bit_62_and_interrupts) {
  Platform p(test::skylake(), kSize3, 8, 3);
  p.enable(0x1);

  p.sample(0, kRip);
  p.sample(0, kRip);
  EXPECT_TRUE(p.counters.pmis.empty());
  p.sample(0, kRip);

  EXPECT_EQ(p.counters.pmis, std::vector<u64>{kOvf});
  EXPECT_EQ(p.counters.status_bits, kOvf);
  p.sample(0, kRip);
  EXPECT_EQ(p.counters.pmis.size(), 2u) << "index >= threshold, not only ==";
}

// Rows: lbr-9-q15
TEST(PebsAssist, threshold_interrupt_is_one_record_late_when_asked_for) {
  for (const bool by_part : {false, true}) {
    PmuParams part = test::part(0, EventList::kArchitectural);
    part.pebs_threshold_late = by_part;
    Platform p(part, 144, 8, 2, {.threshold_late = !by_part});
    p.enable(0x1);

    p.sample(0, kRip);
    p.sample(0, kRip);
    EXPECT_TRUE(p.counters.pmis.empty());
    p.sample(0, kRip);

    EXPECT_EQ(p.counters.pmis, std::vector<u64>{kOvf});
  }
}

// Rows: pebs-6.1-absolute-maximum
TEST(PebsAssist, at_the_absolute_maximum_nothing_is_written_or_signalled) {
  Platform p(test::skylake(), kSize3, 1, 8);
  p.enable(0x1);
  p.sample(0, kRip);

  p.sample(0, kRip);

  EXPECT_EQ(p.index(), kBuffer + kSize3);
  EXPECT_EQ(p.memory.word(kBuffer + kSize3), 0u);
  EXPECT_TRUE(p.counters.pmis.empty());
  EXPECT_EQ(p.counters.status_bits, 1u) << "still overflowed";
  EXPECT_EQ(p.counters.values[0], 1u) << "not reloaded";
  EXPECT_EQ(p.pebs.lost().full, 1u);
}

// Rows: pebs-6.1-bounds
TEST(PebsAssist, an_index_out_of_bounds_skips_the_record) {
  const u64 bad[] = {kBuffer - 8, kBuffer + 8 * kSize3, kBuffer + 9 * kSize3, kBuffer + 8 * kSize3 - 8};
  for (const u64 index : bad) {
    SCOPED_TRACE(index - kBuffer);
    Platform p(test::skylake(), kSize3);
    p.enable(0x1);
    p.memory.set_word(kDs + 0x28, index);

    p.sample(0, kRip);

    EXPECT_EQ(p.index(), index);
    EXPECT_EQ(p.pebs.records(), 0u);
    EXPECT_EQ(p.counters.status_bits, 1u);
    EXPECT_TRUE(p.counters.pmis.empty());
  }
}

TEST(PebsAssist, sampling_goes_on_when_software_makes_room) {
  Platform p(test::skylake(), kSize3, 1, 8);
  p.enable(0x1);
  p.sample(0, kRip);
  p.sample(0, kRip + 8);

  p.memory.set_word(kDs + 0x28, kBuffer);
  p.occurrence(0, kRip + 16);

  EXPECT_EQ(p.word(kEventingIp2), kRip + 16);
  EXPECT_EQ(p.counters.values[0], reset_value(0));
}

TEST(PebsAssist, a_skipped_record_can_disarm) {
  Platform p(test::skylake(), kSize3, 0, 8, {.skip_disarms = true});
  p.enable(0x1);
  p.sample(0, kRip);
  EXPECT_FALSE(p.pebs.busy());
}

TEST(PebsAssist, unmapped_ds_area_loses_the_record_and_says_so) {
  Platform p(test::skylake(), kSize3);
  p.enable(0x1);
  p.ds.set_base(0x1000);
  p.sample(0, kRip);
  EXPECT_EQ(p.pebs.lost().inaccessible, 1u);
  EXPECT_FALSE(p.pebs.busy());
}

// Rows: pebs-5-goldmont-bounds
TEST(PebsAssist, goldmont_signals_an_index_out_of_bounds_and_does_not_reload) {
  Platform p(test::goldmont(), kSize3, 0, 8);
  p.enable(0x1);
  p.counters.imprecise = 1;

  p.overflow(0, kRip);

  EXPECT_TRUE(p.nothing_written());
  EXPECT_EQ(p.counters.pmis, std::vector<u64>{kOvf});
  EXPECT_EQ(p.counters.status_bits, kOvf);
  EXPECT_EQ(p.counters.values[0], 0u);
}

// Rows: pebs-5-reset-slots-fmt4
TEST(PebsAssist, format_4_reloads_fixed_counters_from_slot_8_on) {
  Platform p(test::icelake(), 0x20);
  p.enable(0xf'0000'00ff);

  p.sample(7, kRip);
  p.sample(kFixed + 2, kRip);

  EXPECT_EQ(p.counters.values[7], reset_value(7));
  EXPECT_EQ(p.counters.values[kFixed + 2], reset_value(8 + 2));
}

// Rows: pebs-5-reset-slots-fmt5
TEST(PebsAssist, format_5_reloads_fixed_counters_from_slot_32_on) {
  Platform p(test::sapphire_rapids(5), 0x20);
  p.enable(0xf'0000'00ff);

  p.sample(7, kRip);
  p.sample(kFixed + 3, kRip);

  EXPECT_EQ(p.counters.values[7], reset_value(7));
  EXPECT_EQ(p.counters.values[kFixed + 3], reset_value(32 + 3));
}

// Rows: pebs-6.1-trap-like, pebs-6.1-eventing-ip
TEST(PebsAssist, trap_like_parts_show_the_next_instruction_beside_the_eventing_one) {
  Platform p(test::haswell(), 192);
  p.enable(0x1);
  p.source.sample.rip = kRip + 5;

  p.sample(0, kRip);

  EXPECT_EQ(p.word(0x08), kRip + 5);
  EXPECT_EQ(p.word(kEventingIp2), kRip);
}

// Rows: pebs-6.1-trap-like
TEST(PebsAssist, fault_like_parts_show_the_instruction_itself) {
  PmuParams params = test::part(0, EventList::kArchitectural);
  params.perf_capabilities &= ~u64{0x40};
  Platform p(params, 144);
  p.enable(0x1);
  p.source.sample.rip = kRip + 5;

  p.sample(0, kRip);

  EXPECT_EQ(p.word(0x08), kRip);
}

// Rows: pebs-6.4-load-latency, pebs-6.4-precise-store
TEST(PebsAssist, format_1_fills_the_memory_fields_only_for_load_latency_and_precise_store) {
  const struct {
    u64 enable;
    CounterBit counter;
    bool filled;
  } cases[] = {{0x1, 0, false},
               {0x1'0000'0001, 0, true},
               {0x2'0000'0003, 0, false},
               {u64{1} << 63 | 0x8, 3, true},
               {u64{1} << 63 | 0x9, 0, false}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.enable);
    Platform p(test::sandybridge(), kSize1);
    p.enable(c.enable);

    p.sample(c.counter, kRip);

    const PebsSample& s = p.source.sample;
    EXPECT_EQ(p.word(0x98), c.filled ? s.data_address : 0);
    EXPECT_EQ(p.word(0xa0), c.filled ? s.data_source : 0);
    EXPECT_EQ(p.word(0xa8), c.filled ? s.latency : 0);
  }
}

TEST(PebsAssist, arming_can_take_time) {
  Platform p(test::skylake(), kSize3, 8, 8, {.arm_cycles = 10});
  p.enable(0x1);
  p.counters.cycles = 100;
  p.overflow(0, kRip);

  p.counters.cycles = 109;
  p.occurrence(0, kRip + 4);
  EXPECT_TRUE(p.nothing_written());
  p.counters.cycles = 110;
  p.occurrence(0, kRip + 8);

  EXPECT_EQ(p.word(kEventingIp2), kRip + 8);
}

TEST(PebsAssist, disabling_or_clearing_the_overflow_disarms) {
  Platform p(test::skylake(), kSize3);
  p.enable(0x3);
  p.overflow(0, kRip);
  p.overflow(1, kRip);

  p.enable(0x1);
  EXPECT_FALSE(p.pebs.armed(1));
  p.pebs.disarm(0x1);
  EXPECT_FALSE(p.pebs.busy());
}

}  // namespace
}  // namespace lastbranch::pmu
