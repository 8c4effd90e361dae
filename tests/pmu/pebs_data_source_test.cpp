#include "models/pmu/pebs_data_source.h"

#include <gtest/gtest.h>

namespace lastbranch::pmu {
namespace {

using enum MemoryOrigin;
using Code = DataSourceCode;

struct Case {
  u64 word;
  MemoryOrigin origin;
};

void expect_codes(Code code, std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(encode_load(code, {.origin = c.origin}), c.word) << static_cast<int>(c.origin);
  }
}

constexpr Case kCommon[] = {{0, kUnknown}, {1, kL1}, {2, kFillBuffer}, {3, kL2}, {4, kL3NoSnoop}};

// Rows: pebs-6.7-codes
TEST(PebsDataSource, low_codes_io_and_uncacheable_are_the_same_up_to_golden_cove) {
  for (const Code code : {Code::kNehalem, Code::kSandyBridge, Code::kSkylake, Code::kGoldenCove}) {
    for (const Case& c : kCommon) EXPECT_EQ(encode_load(code, {.origin = c.origin}), c.word);
    expect_codes(code, {{0xe, kIo}, {0xf, kUncacheable}});
  }
}

// Rows: pebs-6.7-codes
TEST(PebsDataSource, nehalem_tells_dram_by_the_state_it_fills) {
  expect_codes(Code::kNehalem, {{0x5, kL3SnoopMiss},
                                {0x6, kL3Hitm},
                                {0x8, kRemoteForward},
                                {0xa, kLocalDramShared},
                                {0xb, kRemoteDramShared},
                                {0xc, kLocalDramExclusive},
                                {0xd, kRemoteDramExclusive}});
}

// Rows: pebs-6.7-codes
TEST(PebsDataSource, sandy_bridge_tells_snoops_apart) {
  expect_codes(Code::kSandyBridge, {{0x5, kL3SnoopMiss},
                                    {0x6, kL3SnoopHit},
                                    {0x7, kL3Hitm},
                                    {0x8, kRemoteForward},
                                    {0x9, kRemoteHitm},
                                    {0xa, kLocalDramShared},
                                    {0xb, kRemoteDramShared},
                                    {0xc, kLocalDramExclusive},
                                    {0xd, kRemoteDramExclusive}});
}

// Rows: pebs-6.7-codes
TEST(PebsDataSource, skylake_gives_8_and_9_to_the_fourth_level_and_moves_remote_caches) {
  expect_codes(Code::kSkylake, {{0x8, kMemorySideCache},
                                {0x9, kRemoteMemorySideCache},
                                {0xb, kRemoteDramShared},
                                {0xc, kRemoteForward},
                                {0xd, kRemoteHitm}});
}

// Rows: pebs-6.7-flags
TEST(PebsDataSource, flags_exist_from_sandy_bridge_and_blocks_from_golden_cove) {
  const DataSource all = {
      .origin = kL2, .stlb_miss = true, .locked = true, .data_blocked = true, .address_blocked = true};

  EXPECT_EQ(encode_load(Code::kNehalem, all), 0x3u);
  EXPECT_EQ(encode_load(Code::kSandyBridge, all), 0x33u);
  EXPECT_EQ(encode_load(Code::kSkylake, all), 0x33u);
  EXPECT_EQ(encode_load(Code::kGoldenCove, all), 0xf3u);
  EXPECT_EQ(encode_load(Code::kSandyBridge, {.stlb_miss = true}), 0x10u);
  EXPECT_EQ(encode_load(Code::kSandyBridge, {.locked = true}), 0x20u);
  EXPECT_EQ(encode_load(Code::kGoldenCove, {.data_blocked = true}), 0x40u);
  EXPECT_EQ(encode_load(Code::kGoldenCove, {.address_blocked = true}), 0x80u);
}

// Rows: pebs-6.7-stores
TEST(PebsDataSource, stores_say_hit_walk_and_lock) {
  EXPECT_EQ(encode_store({.origin = kL1}), 0x01u);
  EXPECT_EQ(encode_store({.origin = kL2}), 0x00u);
  EXPECT_EQ(encode_store({.origin = kL2, .stlb_miss = true}), 0x10u);
  EXPECT_EQ(encode_store({.origin = kL1, .locked = true}), 0x21u);
}

// Rows: pebs-6.7-ecores
TEST(PebsDataSource, small_and_later_cores_have_codes_and_flags_of_their_own) {
  expect_codes(Code::kGracemont, {{0x5, kL3SnoopHit}, {0x6, kL3Hitm}, {0x8, kL3SnoopForward}});
  EXPECT_EQ(encode_load(Code::kCrestmont, {.locked = true}), 0x20u);
  EXPECT_EQ(encode_load(Code::kCrestmont, {.stlb_miss = true}), 0x40u);
  EXPECT_EQ(encode_load(Code::kCrestmont, {.data_blocked = true}), 0x80u);
  expect_codes(Code::kLionCove, {{0x1, kL1},
                                 {0x3, kFillBuffer},
                                 {0x5, kL2},
                                 {0x6, kL2Mhb},
                                 {0x8, kL3NoSnoop},
                                 {0xc, kL3SnoopForward},
                                 {0xd, kL3Hitm},
                                 {0xf, kRemoteHitm},
                                 {0x10, kMemorySideCache},
                                 {0x11, kLocalDramExclusive}});
  EXPECT_EQ(encode_load(Code::kLionCove, {.stlb_miss = true}), u64{1} << 10);
  EXPECT_EQ(encode_load(Code::kLionCove, {.locked = true}), u64{1} << 11);
  EXPECT_EQ(encode_load(Code::kLionCove, {.data_blocked = true}), u64{1} << 12);
  EXPECT_EQ(encode_load(Code::kLionCove, {.address_blocked = true}), u64{1} << 13);
}

}  // namespace
}  // namespace lastbranch::pmu
