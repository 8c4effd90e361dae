#include "models/lbr/lbr_format.h"

#include <gtest/gtest.h>

#include "sim/base/rng.h"

namespace lastbranch::lbr {
namespace {

constexpr u64 kUser = 0x0000'5555'5540'1136;
constexpr u64 kKernel = 0xffff'ffff'8100'1234;

Entry entry(u64 from, u64 to, u16 cycles, bool mispredicted, bool in_tx, bool abort) {
  return {
      .from = from, .to = to, .cycles = cycles, .mispredicted = mispredicted, .in_tx = in_tx, .abort = abort};
}

/// Values written out from the manual's tables, one row per format and case.
struct Row {
  LbrFormat format;
  Entry e;
  u64 from, to, info;
};
const Row kRows[] = {
    {LbrFormat::kOffsets32, entry(0x12345678, 0x9abcdef0, 7, true, true, true), 0x9abcdef012345678, 0, 0},
    {LbrFormat::kLinear, entry(kUser, kKernel, 7, true, true, true), kUser, kKernel, 0},
    {LbrFormat::kOffsets64, entry(kKernel, kUser, 7, true, true, true), kKernel, kUser, 0},
    {LbrFormat::kFlags, entry(kUser, kKernel, 7, true, true, true), 0x8000'5555'5540'1136, kKernel, 0},
    {LbrFormat::kFlags, entry(kKernel, kUser, 7, false, true, true), 0x7fff'ffff'8100'1234, kUser, 0},
    {LbrFormat::kFlagsTsx, entry(kUser, kUser, 7, true, true, true), 0xe000'5555'5540'1136, kUser, 0},
    {LbrFormat::kFlagsTsx, entry(kKernel, kUser, 7, false, true, false), 0x5fff'ffff'8100'1234, kUser, 0},
    {LbrFormat::kInfo, entry(kKernel, kUser, 0x1234, true, true, false), kKernel, kUser,
     0xc000'0000'0000'1234},
    {LbrFormat::kInfo, entry(kUser, kKernel, 0xffff, false, false, true), kUser, kKernel,
     0x2000'0000'0000'ffff},
    {LbrFormat::kTime, entry(kKernel, kKernel, 0xabcd, true, true, true), kKernel, 0xabcd'ffff'8100'1234, 0},
    {LbrFormat::kTime, entry(kKernel, kUser, 1, false, false, false), 0x7fff'ffff'8100'1234,
     0x0001'5555'5540'1136, 0},
    {LbrFormat::kInfoNoTsx, entry(kKernel, kUser, 9, true, true, true), kKernel, kUser,
     0x8000'0000'0000'0009},
};

// Rows: lbr-2-fmt-0, lbr-2-fmt-1, lbr-2-fmt-2, lbr-2-fmt-3, lbr-2-fmt-4, lbr-2-fmt-5, lbr-2-fmt-6
// Rows: lbr-2-fmt-7, lbr-2-polarity, lbr-7-location, lbr-7-no-bit
TEST(LbrFormat, places_every_field_where_the_manual_does) {
  for (const Row& row : kRows) {
    const auto f = static_cast<unsigned>(row.format);
    EXPECT_EQ(encode_from(row.format, row.e), row.from) << f;
    if (has_to(row.format)) {
      EXPECT_EQ(encode_to(row.format, row.e), row.to) << f;
    }
    if (has_info(row.format)) {
      EXPECT_EQ(encode_info(row.format, row.e), row.info) << f;
    }
  }
}

TEST(LbrFormat, decodes_what_it_encodes) {
  Rng rng(11);
  for (unsigned f = 0; f <= 7; ++f) {
    const auto format = static_cast<LbrFormat>(f);
    for (int n = 0; n < 2000; ++n) {
      const auto address = [&] {
        return rng.below(u64{1} << 47) | (rng.chance(1, 2) ? 0xffff'8000'0000'0000 : 0);
      };
      const Entry e = entry(address(), address(), static_cast<u16>(rng()), rng.chance(1, 2), rng.chance(1, 2),
                            rng.chance(1, 2));
      Entry back;
      EXPECT_EQ(decode_from(format, encode_from(format, e), 48, back), MsrFault::kNone);
      if (has_to(format)) {
        EXPECT_EQ(decode_to(format, encode_to(format, e), 48, back), MsrFault::kNone);
      }
      if (has_info(format)) {
        EXPECT_EQ(decode_info(format, encode_info(format, e), back), MsrFault::kNone);
      }
      ASSERT_EQ(back, visible(format, e)) << "format " << f;
    }
  }
}

// Rows: lbr-2-canonical
TEST(LbrFormat, refuses_addresses_that_are_not_sign_extended) {
  // Bits that must repeat bit 47, by format: FROM without its flags, TO without format 6's count.
  const struct {
    LbrFormat format;
    unsigned from_top, to_top;
  } rows[] = {{LbrFormat::kLinear, 63, 63},   {LbrFormat::kOffsets64, 63, 63}, {LbrFormat::kFlags, 62, 63},
              {LbrFormat::kFlagsTsx, 60, 63}, {LbrFormat::kInfo, 63, 63},      {LbrFormat::kTime, 62, 47},
              {LbrFormat::kInfoNoTsx, 63, 63}};
  for (const auto& row : rows) {
    for (const u64 address : {kUser, kKernel}) {
      for (unsigned bit = 48; bit < 64; ++bit) {
        const u64 value = address ^ (u64{1} << bit);
        Entry e = entry(1, 2, 3, false, false, false);
        const MsrFault from = decode_from(row.format, value, 48, e);
        EXPECT_EQ(from, bit <= row.from_top ? MsrFault::kNonCanonical : MsrFault::kNone)
            << "FROM bit " << bit << " format " << static_cast<unsigned>(row.format);
        const MsrFault to = decode_to(row.format, value, 48, e);
        EXPECT_EQ(to, bit <= row.to_top ? MsrFault::kNonCanonical : MsrFault::kNone)
            << "TO bit " << bit << " format " << static_cast<unsigned>(row.format);
      }
    }
  }
}

// Rows: lbr-2-fmt-5, lbr-2-fmt-7
TEST(LbrFormat, info_takes_count_and_flags_only) {
  for (const auto& [format, allowed] : {std::pair{LbrFormat::kInfo, 0xe000'0000'0000'ffff},
                                        std::pair{LbrFormat::kInfoNoTsx, 0x8000'0000'0000'ffff}}) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      Entry e;
      const bool legal = ((allowed >> bit) & 1) != 0;
      EXPECT_EQ(decode_info(format, u64{1} << bit, e), legal ? MsrFault::kNone : MsrFault::kReserved) << bit;
      EXPECT_EQ(encode_info(format, e), legal ? u64{1} << bit : 0) << bit;
    }
  }
}

// Rows: lbr-2-la57
TEST(LbrFormat, parts_with_57_bits_sign_extend_from_bit_56_and_keep_their_flags) {
  constexpr u64 kHigh = 0x00ff'5555'5540'1136;
  constexpr u64 kHighKernel = 0xff00'aaaa'aabf'eec9;
  for (unsigned f = 1; f <= 7; ++f) {
    const auto format = static_cast<LbrFormat>(f);
    if (format == LbrFormat::kTime) continue;  // its count leaves 48 bits of target
    for (const u64 address : {kHigh, kHighKernel}) {
      Entry e;
      const Entry source = entry(address, address, 0, true, true, false);
      EXPECT_EQ(decode_from(format, encode_from(format, source), 57, e), MsrFault::kNone) << f;
      EXPECT_EQ(e.from, address) << f;
      EXPECT_EQ(e.mispredicted, f == 3 || f == 4);
      EXPECT_EQ(decode_to(format, address, 57, e), MsrFault::kNone);
      EXPECT_EQ(decode_to(format, address, 48, e), MsrFault::kNonCanonical);
    }
  }
}

}  // namespace
}  // namespace lastbranch::lbr
