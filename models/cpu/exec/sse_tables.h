#pragma once
// Byte-shuffle masks that stand for immediates: the host's instruction wants its immediate at compile time,
// PSHUFB and PBLENDVB with a mask from here do the same for any value.
//
// Source: SDM vol. 2, PSHUFD, PSHUFLW, PSHUFHW, PBLENDW, PALIGNR.
#include <array>

#include "sim/base/units.h"

namespace lastbranch::cpu::sse_tables {

using Mask = std::array<u8, 16>;

/// PSHUFB masks for imm8 = four 2-bit selectors of `kWidth`-byte elements, applied from byte `kFirst` on; the
/// other bytes stay where they are.
template <unsigned kWidth, unsigned kFirst>
constexpr std::array<Mask, 256> shuffles() {
  std::array<Mask, 256> all{};
  for (unsigned imm = 0; imm < 256; ++imm) {
    for (unsigned n = 0; n < 16; ++n) all[imm][n] = static_cast<u8>(n);
    for (unsigned n = 0; n < 4 * kWidth; ++n) {
      const unsigned from = (imm >> (2 * (n / kWidth))) & 3;
      all[imm][kFirst + n] = static_cast<u8>(kFirst + from * kWidth + n % kWidth);
    }
  }
  return all;
}
alignas(16) inline constexpr auto kShuffleDwords = shuffles<4, 0>();
alignas(16) inline constexpr auto kShuffleLowWords = shuffles<2, 0>();
alignas(16) inline constexpr auto kShuffleHighWords = shuffles<2, 8>();

/// All ones in the words that imm8 selects.
alignas(16) inline constexpr auto kBlendWords = [] {
  std::array<Mask, 256> all{};
  for (unsigned imm = 0; imm < 256; ++imm) {
    for (unsigned n = 0; n < 16; ++n) all[imm][n] = ((imm >> (n / 2)) & 1) != 0 ? 0xff : 0;
  }
  return all;
}();

/// All ones in the dwords that a 4-bit mask selects.
alignas(16) inline constexpr auto kDwords = [] {
  std::array<Mask, 16> all{};
  for (unsigned imm = 0; imm < 16; ++imm) {
    for (unsigned n = 0; n < 16; ++n) all[imm][n] = ((imm >> (n / 4)) & 1) != 0 ? 0xff : 0;
  }
  return all;
}();

/// PSHUFB masks that shift bytes: the 16 bytes at kSlide + 16 + n shift right by n (0..32), those at kSlide +
/// 16 - n left by n (0..16), filling with zeros.
alignas(16) inline constexpr auto kSlide = [] {
  std::array<u8, 64> all{};
  all.fill(0x80);
  for (unsigned n = 0; n < 16; ++n) all[16 + n] = static_cast<u8>(n);
  return all;
}();

}  // namespace lastbranch::cpu::sse_tables
