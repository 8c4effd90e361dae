// Formats 0-3, byte by byte.
#include "models/pmu/pebs_record.h"
#include "tests/pmu/pebs_layouts.h"

namespace lastbranch::pmu {
namespace {

using test::Words;

/// 90H-C7H, of which each format holds the first part.
Words extension(unsigned format, const PebsSample& s) {
  Words words = {{0x90, "applicable counters or status", format >= 3 ? s.applicable : s.status},
                 {0x98, "data linear address", s.data_address},
                 {0xa0, "data source", s.data_source},
                 {0xa8, "latency", s.latency},
                 {0xb0, "eventing IP", s.eventing_ip},
                 {0xb8, "TX abort information", s.tx},
                 {0xc0, "TSC", s.tsc}};
  constexpr std::size_t kCount[] = {0, 4, 6, 7};
  words.resize(kCount[format]);
  return words;
}

// Rows: pebs-6.2-fmt0, pebs-6.2-fmt1, pebs-6.2-fmt2, pebs-6.2-fmt3, pebs-6.1-no-eventing-ip
TEST(PebsFixed, every_byte_is_where_the_format_has_it) {
  constexpr std::size_t kSizes[] = {144, 176, 192, 200};
  const PebsSample sample = test::distinct_sample();
  for (unsigned format = 0; format < 4; ++format) {
    SCOPED_TRACE(format);
    PebsRecord record;

    encode_fixed({.format = format}, sample, record);

    EXPECT_EQ(fixed_record_size(format), kSizes[format]);
    test::expect_words(record.bytes(), test::fixed_registers(sample) + extension(format, sample),
                       kSizes[format]);
  }
}

// Rows: pebs-6.2-silvermont
TEST(PebsFixed, silvermont_reserves_the_memory_fields_of_format_2) {
  const PebsSample sample = test::distinct_sample();
  Words expected = extension(2, sample);
  expected[1].value = expected[2].value = expected[3].value = expected[5].value = 0;
  PebsRecord record;

  encode_fixed({.format = 2, .memory_reserved = true}, sample, record);

  test::expect_words(record.bytes(), test::fixed_registers(sample) + expected, 192);
}

// Rows: pebs-6.2-goldmont
TEST(PebsFixed, goldmont_has_the_address_but_no_source_latency_or_tx) {
  const PebsSample sample = test::distinct_sample();
  Words expected = extension(3, sample);
  expected[2].value = expected[3].value = expected[5].value = 0;
  PebsRecord record;

  encode_fixed({.format = 3, .memory_reserved = true}, sample, record);

  test::expect_words(record.bytes(), test::fixed_registers(sample) + expected, 200);
}

// Rows: pebs-6.2-upper-halves
TEST(PebsFixed, registers_and_addresses_lose_their_upper_half_outside_ia32e_mode) {
  const PebsSample sample = test::distinct_sample();
  PebsRecord record;

  encode_fixed({.format = 3, .long_mode = false}, sample, record);

  Words words = test::fixed_registers(sample) + extension(3, sample);
  for (auto& word : words) {
    if (word.offset < 0x90 || word.offset == 0x98 || word.offset == 0xb0) word.value &= 0xffff'ffff;
  }
  test::expect_words(record.bytes(), words, 200);
}

TEST(PebsFixed, reads_back_what_it_wrote) {
  for (unsigned format = 0; format < 4; ++format) {
    SCOPED_TRACE(format);
    const PebsLayout layout{.format = format};
    const PebsSample sample = test::distinct_sample();
    PebsSample expected;
    expected.rflags = sample.rflags;
    expected.rip = sample.rip;
    expected.gpr = sample.gpr;
    if (format >= 1) {
      (format >= 3 ? expected.applicable : expected.status) = format >= 3 ? sample.applicable : sample.status;
      expected.data_address = sample.data_address;
      expected.data_source = sample.data_source;
      expected.latency = sample.latency;
    }
    if (format >= 2) expected.eventing_ip = sample.eventing_ip, expected.tx = sample.tx;
    if (format >= 3) expected.tsc = sample.tsc;
    PebsRecord record;
    encode_fixed(layout, sample, record);

    const auto decoded = decode_fixed(layout, record.bytes());

    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->size, record.size);
    EXPECT_EQ(decoded->sample, expected);
    EXPECT_FALSE(decode_fixed(layout, record.bytes().first(record.size - 1)).has_value());
  }
}

}  // namespace
}  // namespace lastbranch::pmu
