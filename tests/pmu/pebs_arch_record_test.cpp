// Records of architectural PEBS, byte by byte.
#include "models/pmu/pebs_record.h"
#include "tests/pmu/pebs_layouts.h"

namespace lastbranch::pmu {
namespace {

using test::Words;

constexpr u64 kBasic = u64{1} << 63;
constexpr u64 kAux = u64{1} << 62;
constexpr u64 kGpr = u64{1} << 61;
constexpr u64 kXmm = u64{1} << 49;
constexpr u64 kLongMode = u64{1} << 30;

constexpr u64 kLbr(u64 code) {
  return code << 40;
}

const PebsSample kSample = test::distinct_sample();
const PebsLbrState kLbrState = {
    .ctl = 0x7f, .depth = 12, .ler = {.from = 0x1111, .to = 0x2222, .info = 0x3333}};

Words header(u64 groups, u64 size) {
  return {{0x00, "header", groups | kLongMode | size}, {0x08, "reserved", 0}};
}

Words basic() {
  return {{0x10, "IP", kSample.eventing_ip},
          {0x18, "applicable counters", kSample.applicable},
          {0x20, "TSC", kSample.tsc},
          {0x28, "retire latency, valid", 0x1'089a},
          {0x30, "reserved", 0},
          {0x38, "reserved", 0}};
}

Words aux(std::size_t at) {
  return {{at + 0x00, "address", kSample.data_address},
          {at + 0x08, "reserved", 0},
          {at + 0x10, "reserved", 0},
          {at + 0x18, "reserved", 0},
          {at + 0x20, "reserved", 0},
          {at + 0x28, "auxiliary", kSample.data_source},
          {at + 0x30, "latencies", 0x0567'0000'1234},
          {at + 0x38, "TSX", kSample.tx}};
}

Words lbr_header(std::size_t at) {
  return {{at + 0x00, "reserved", 0},      {at + 0x08, "LBR_CTL", 0x7f},  {at + 0x10, "LBR_DEPTH", 12},
          {at + 0x18, "LER_FROM", 0x1111}, {at + 0x20, "LER_TO", 0x2222}, {at + 0x28, "LER_INFO", 0x3333}};
}

void expect_record(u64 config, const Words& expected, std::size_t size) {
  PebsRecord record;
  const auto lbrs = test::distinct_lbrs(12);
  encode_architectural(config, 0x5, 0x8, kSample, lbrs, kLbrState, record);
  test::expect_words(record.bytes(), expected, size);
}

// Rows: pebs-6.6-header, pebs-6.6-basic
TEST(PebsArchRecord, basic_group_follows_the_header) {
  expect_record(kBasic, header(kBasic, 0x40) + basic(), 0x40);
}

// Rows: pebs-6.6-aux
TEST(PebsArchRecord, auxiliary_group_has_address_source_latencies_and_tsx) {
  expect_record(kBasic | kAux, header(kBasic | kAux, 0x80) + basic() + aux(0x40), 0x80);
}

// Rows: pebs-6.6-gpr
TEST(PebsArchRecord, gpr_group_ends_with_the_shadow_stack_pointer) {
  const Words tail = {{0xd0, "SSP", 0}, {0xd8, "reserved", 0}};
  expect_record(kBasic | kGpr, header(kBasic | kGpr, 0xe0) + basic() + test::gpr_words(0x40, kSample) + tail,
                0xe0);
}

// Rows: pebs-6.6-vectors
TEST(PebsArchRecord, vector_group_has_a_header_of_its_own) {
  const Words head = {{0x40, "components", 2}, {0x48, "reserved", 0}};
  expect_record(kBasic | kXmm, header(kBasic | kXmm, 0x150) + basic() + head + test::xmm_words(0x50, kSample),
                0x150);
}

// Rows: pebs-6.6-lbr
TEST(PebsArchRecord, lbr_group_has_eight_sixteen_or_as_many_entries_as_there_are) {
  constexpr std::size_t kEntries[] = {0, 8, 16, 12};
  const auto lbrs = test::distinct_lbrs(12);
  for (u64 code = 1; code < 4; ++code) {
    SCOPED_TRACE(code);
    const std::size_t size = 0x40 + 0x30 + 0x18 * kEntries[code];
    expect_record(kBasic | kLbr(code),
                  header(kBasic | kLbr(code), size) + basic() + lbr_header(0x40) +
                      test::lbr_words(0x70, kEntries[code], lbrs),
                  size);
  }
}

// Rows: pebs-6.6-counters
TEST(PebsArchRecord, counter_group_has_the_allowed_counters_and_pads_to_sixteen_bytes) {
  constexpr u64 kGroup = u64{0xf} << 35;
  const Words counters = {{0x40, "masks", 0x0000'0008'0000'0005}, {0x48, "metrics", 3},
                          {0x50, "PMC0", kSample.gp[0]},          {0x58, "PMC2", kSample.gp[2]},
                          {0x60, "fixed 3", kSample.fixed[3]},    {0x68, "slots", kSample.fixed[3]},
                          {0x70, "metrics", kSample.metrics},     {0x78, "padding", 0}};
  expect_record(kBasic | kGroup, header(kBasic | kGroup, 0x80) + basic() + counters, 0x80);
}

TEST(PebsArchRecord, reads_back_what_it_wrote) {
  const u64 config = kBasic | kAux | kGpr | kXmm | kLbr(3) | u64{0xf} << 35;
  const auto lbrs = test::distinct_lbrs(12);
  PebsRecord record;
  encode_architectural(config, 0xffff, 0xff, kSample, lbrs, kLbrState, record);

  const auto decoded = decode_architectural(record.bytes());

  ASSERT_TRUE(decoded.has_value());
  PebsSample expected = kSample;
  expected.status = 0;
  EXPECT_EQ(decoded->sample, expected);
  EXPECT_EQ(decoded->config, config);
  EXPECT_EQ(decoded->size, record.size);
  EXPECT_EQ(decoded->lbr_state, kLbrState);
  EXPECT_TRUE(std::equal(lbrs.begin(), lbrs.end(), decoded->branches().begin(), decoded->branches().end()));
  EXPECT_FALSE(decode_architectural(record.bytes().first(record.size - 16)).has_value());
}

}  // namespace
}  // namespace lastbranch::pmu
