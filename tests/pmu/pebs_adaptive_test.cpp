// Adaptive records (formats 4-6), byte by byte.
#include "models/pmu/pebs_record.h"
#include "tests/pmu/pebs_layouts.h"

namespace lastbranch::pmu {
namespace {

using test::Words;

constexpr u64 kLbrEntries(unsigned n) {
  return u64{n - 1} << 24;
}

Words basic(u64 format, u64 size, u64 retire_latency, const PebsSample& s) {
  return {{0x00, "format, retire latency, size", format | retire_latency << 32 | size << 48},
          {0x08, "eventing IP", s.eventing_ip},
          {0x10, "applicable counters", s.applicable},
          {0x18, "TSC", s.tsc}};
}

Words memory(std::size_t at, u64 latency, const PebsSample& s) {
  return {{at + 0x00, "linear address", s.data_address},
          {at + 0x08, "data source", s.data_source},
          {at + 0x10, "latency", latency},
          {at + 0x18, "TSX", s.tx}};
}

/// Encodes and compares with `expected`, whose length is the record's.
void expect_record(const PebsLayout& layout, u64 config, const Words& expected,
                   std::span<const LbrRecord> lbrs = {}) {
  PebsRecord record;
  encode_adaptive(layout, config, test::distinct_sample(), lbrs, record);
  test::expect_words(record.bytes(), expected, adaptive_record_size(config));
}

const PebsSample kSample = test::distinct_sample();

// Rows: pebs-6.3-basic
TEST(PebsAdaptive, basic_group_is_always_there_and_says_format_and_size) {
  expect_record({.format = 4}, 0, basic(0, 0x20, 0, kSample));
}

// Rows: pebs-6.3-retire-latency
TEST(PebsAdaptive, retire_latency_is_there_where_enumerated_and_saturates) {
  expect_record({.format = 5, .retire_latency = true}, 0, basic(0, 0x20, 0x89a, kSample));
  PebsSample slow = kSample;
  slow.retire_latency = 0x1'2345;
  PebsRecord record;
  encode_adaptive({.format = 5, .retire_latency = true}, 0, slow, {}, record);
  test::expect_words(record.bytes(), basic(0, 0x20, 0xffff, kSample), 0x20);
}

// Rows: pebs-6.3-memory
TEST(PebsAdaptive, memory_group_has_one_latency_or_two) {
  expect_record({.format = 4}, 0x1, basic(0x1, 0x40, 0, kSample) + memory(0x20, 0x1234, kSample));
  expect_record({.format = 4, .split_latency = true}, 0x1,
                basic(0x1, 0x40, 0, kSample) + memory(0x20, 0x0000'0567'0000'1234, kSample));
}

// Rows: pebs-6.3-gpr
TEST(PebsAdaptive, gpr_group_orders_registers_by_number) {
  expect_record({.format = 4}, 0x2, basic(0x2, 0xb0, 0, kSample) + test::gpr_words(0x20, kSample));
}

// Rows: pebs-6.3-xmm
TEST(PebsAdaptive, xmm_group_has_sixteen_registers) {
  expect_record({.format = 4}, 0x4, basic(0x4, 0x120, 0, kSample) + test::xmm_words(0x20, kSample));
}

// Rows: pebs-6.3-lbr, lbr-8-pebs-lbr
TEST(PebsAdaptive, lbr_group_has_as_many_entries_as_asked_for_newest_first) {
  for (const unsigned entries : {1u, 8u, 32u}) {
    SCOPED_TRACE(entries);
    const u64 config = 0x8 | kLbrEntries(entries);
    const auto lbrs = test::distinct_lbrs(32);
    const Words expected =
        basic(config, 0x20 + 0x18 * entries, 0, kSample) + test::lbr_words(0x20, entries, lbrs);
    expect_record({.format = 4}, config, expected, lbrs);
  }
}

TEST(PebsAdaptive, lbr_entries_that_the_part_does_not_have_are_zero) {
  const u64 config = 0x8 | kLbrEntries(4);
  const auto lbrs = test::distinct_lbrs(3);
  const Words expected = basic(config, 0x80, 0, kSample) + test::lbr_words(0x20, 4, lbrs);
  expect_record({.format = 4}, config, expected, lbrs);
}

// Rows: pebs-6.3-counter-group, pebs-6.3-config-fmt6
TEST(PebsAdaptive, counter_group_has_the_counters_of_both_masks_and_the_metrics) {
  const u64 masks = u64{0x0009} << 32 | u64{0x05} << 48;
  const Words counters = {{0x20, "masks", 0x0000'0005'0000'0009}, {0x28, "metrics", 3},
                          {0x30, "PMC0", kSample.gp[0]},          {0x38, "PMC3", kSample.gp[3]},
                          {0x40, "fixed 0", kSample.fixed[0]},    {0x48, "fixed 2", kSample.fixed[2]},
                          {0x50, "slots", kSample.fixed[3]},      {0x58, "metrics", kSample.metrics}};
  expect_record({.format = 6}, masks | 0x30, basic(0x30, 0x60, 0, kSample) + counters);

  Words no_metrics(counters.begin(), counters.end() - 2);
  no_metrics[1].value = 0;
  expect_record({.format = 6}, masks | 0x10, basic(0x10, 0x50, 0, kSample) + no_metrics);
}

// Rows: pebs-6.3-order, pebs-6.3-config
TEST(PebsAdaptive, groups_stand_in_the_documented_order_whichever_are_selected) {
  const auto lbrs = test::distinct_lbrs(2);
  for (u64 groups = 0; groups < 16; ++groups) {
    SCOPED_TRACE(groups);
    const u64 config = groups | kLbrEntries(2);
    std::size_t at = 0x20;
    Words expected;
    const auto add = [&](bool selected, const Words& words) {
      if (!selected) return;
      expected = expected + words;
      at += 8 * words.size();
    };
    add((groups & 1) != 0, memory(at, 0x1234, kSample));
    add((groups & 2) != 0, test::gpr_words(at, kSample));
    add((groups & 4) != 0, test::xmm_words(at, kSample));
    add((groups & 8) != 0, test::lbr_words(at, 2, lbrs));
    expect_record({.format = 4}, config, basic(config, at, 0, kSample) + expected, lbrs);
  }
}

TEST(PebsAdaptive, reads_back_what_it_wrote) {
  const PebsLayout layout{.format = 6, .retire_latency = true, .split_latency = true};
  const u64 config = 0x3f | kLbrEntries(32) | u64{0xffff} << 32 | u64{0xff} << 48;
  const auto lbrs = test::distinct_lbrs(32);
  PebsRecord record;
  encode_adaptive(layout, config, kSample, lbrs, record);

  const auto decoded = decode_adaptive(layout, record.bytes());

  ASSERT_TRUE(decoded.has_value());
  PebsSample expected = kSample;
  expected.status = 0;
  EXPECT_EQ(decoded->sample, expected);
  EXPECT_EQ(decoded->config, config);
  EXPECT_EQ(decoded->size, record.size);
  EXPECT_TRUE(std::equal(lbrs.begin(), lbrs.end(), decoded->branches().begin(), decoded->branches().end()));
  EXPECT_FALSE(decode_adaptive(layout, record.bytes().first(record.size - 1)).has_value());
}

TEST(PebsAdaptive, a_record_whose_size_contradicts_its_format_is_none) {
  PebsRecord record;
  encode_adaptive({.format = 4}, 0, kSample, {}, record);
  record.storage[6] ^= 8;

  EXPECT_FALSE(decode_adaptive({.format = 4}, record.bytes()).has_value());
}

}  // namespace
}  // namespace lastbranch::pmu
