// What the assist puts into adaptive records, and output elsewhere than to the DS buffer.
#include "tests/pmu/pebs_layouts.h"
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

using test::kBuffer;
using test::kOvf;
using test::Platform;

constexpr u64 kRip = 0x40'1000;
constexpr u64 kAdaptive = u64{1} << 34;
constexpr u64 kFixedAdaptive = u64{1} << 32;
constexpr u32 kDataCfg = 0x3f2;

// Rows: pebs-6.3-adaptive-bit
TEST(PebsAdaptiveAssist, only_counters_with_their_adaptive_bit_use_the_configuration) {
  const struct {
    CounterBit counter;
    u64 control;
    u64 size;
  } cases[] = {{0, 0, 0x20},
               {0, kAdaptive, 0x20 + 0x90},
               {kFixed + 1, kAdaptive, 0x20},
               {kFixed + 1, kFixedAdaptive, 0x20 + 0x90}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.control);
    Platform p(test::icelake(), 0x1000, 1);
    p.enable(0xf'0000'00ff);
    ASSERT_EQ(p.bus.write(kDataCfg, 0x2), MsrFault::kNone);
    p.counters.controls[c.counter] = c.control;

    p.sample(c.counter, kRip);

    EXPECT_EQ(p.index(), kBuffer + c.size);
    EXPECT_EQ(p.word(0) >> 48, c.size);
    EXPECT_EQ(p.word(0x08), kRip);
    EXPECT_EQ(p.word(0x10), u64{1} << c.counter);
  }
}

// Rows: pebs-6.3-baseline
TEST(PebsAdaptiveAssist, without_baseline_records_are_basic_and_there_is_no_configuration) {
  PmuParams params = test::icelake();
  params.perf_capabilities &= ~u64{0x4000};
  Platform p(params, 0x20);
  p.enable(0x1);
  p.counters.controls[0] = kAdaptive;

  EXPECT_EQ(p.bus.write(kDataCfg, 0x2), MsrFault::kUnknown);
  p.sample(0, kRip);

  EXPECT_EQ(p.index(), kBuffer + 0x20);
}

// Rows: pebs-6.3-lbr, lbr-8-pebs-lbr
TEST(PebsAdaptiveAssist, lbr_group_is_what_the_lbrs_hold_at_the_assist) {
  Platform p(test::icelake(), 0x1000, 1);
  p.enable(0x1);
  p.counters.controls[0] = kAdaptive;
  p.debug.lbrs = test::distinct_lbrs(32);
  ASSERT_EQ(p.bus.write(kDataCfg, 0x8 | u64{7} << 24), MsrFault::kNone);

  p.sample(0, kRip);

  ASSERT_EQ(p.index(), kBuffer + 0x20 + 8 * 0x18);
  for (const test::Word& word : test::lbr_words(0x20, 8, p.debug.lbrs)) {
    EXPECT_EQ(p.word(word.offset), word.value) << word.name;
  }
}

// Rows: pebs-6.3-counter-group
TEST(PebsAdaptiveAssist, counter_group_holds_values_from_before_the_reload) {
  Platform p(test::sapphire_rapids(6), 0x1000, 1);
  p.enable(0x1);
  p.counters.controls[0] = kAdaptive;
  p.counters.values[2] = 0x222;
  p.counters.values[kFixed + 1] = 0x111;
  ASSERT_EQ(p.bus.write(kDataCfg, 0x10 | u64{0x5} << 32 | u64{0x2} << 48), MsrFault::kNone);

  p.sample(0, kRip);

  EXPECT_EQ(p.word(0x30), 1u) << "counter 0 after one more event";
  EXPECT_EQ(p.word(0x38), 0x222u);
  EXPECT_EQ(p.word(0x40), 0x111u);
}

// Rows: pebs-6.3-retire-latency
TEST(PebsAdaptiveAssist, retire_latency_only_where_perf_capabilities_says_so) {
  for (const bool timed : {false, true}) {
    Platform p(timed ? test::sapphire_rapids() : test::icelake(), 0x20);
    p.enable(0x1);
    p.source.sample.retire_latency = 0x77;
    p.sample(0, kRip);
    EXPECT_EQ((p.word(0) >> 32) & 0xffff, timed ? 0x77u : 0u);
  }
}

PmuParams with_trace() {
  PmuParams params = test::icelake();
  params.perf_capabilities |= 0x1'0000;
  return params;
}

// Rows: pebs-6.4-pmi-after-each
TEST(PebsAdaptiveAssist, an_interrupt_after_each_record_when_asked_for) {
  Platform p(with_trace(), 0x20, 8, 8);
  p.enable(u64{1} << 60 | 0x1);

  p.sample(0, kRip);

  EXPECT_EQ(p.index(), kBuffer + 0x20);
  EXPECT_EQ(p.counters.pmis, std::vector<u64>{kOvf});
}

// Rows: pebs-6.4-output, pebs-2.1-reload
TEST(PebsAdaptiveAssist, output_to_processor_trace_reloads_from_the_reload_registers) {
  Platform p(with_trace(), 0x20);
  p.enable(u64{1} << 61 | 0x2'0000'0008);
  ASSERT_EQ(p.bus.write(0x14c1 + 3, 0xffff'ffff'1234), MsrFault::kNone);
  ASSERT_EQ(p.bus.write(0x1309 + 1, 0xffff'ffff'5678), MsrFault::kNone);

  p.sample(3, kRip);
  p.sample(kFixed + 1, kRip);

  EXPECT_TRUE(p.nothing_written());
  EXPECT_EQ(p.pebs.lost().to_trace, 2u);
  EXPECT_EQ(p.counters.values[3], 0xffff'ffff'1234u);
  EXPECT_EQ(p.counters.values[kFixed + 1], 0xffff'ffff'5678u);
  EXPECT_EQ(p.counters.status_bits, 0u);
}

}  // namespace
}  // namespace lastbranch::pmu
