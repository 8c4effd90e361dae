#include "models/lbr/xsaves.h"

#include <algorithm>
#include <bit>

namespace lastbranch::lbr {

// The structure is the image: 64-bit little-endian fields in order, no padding.
static_assert(sizeof(LbrState) == kXsavesSize && std::endian::native == std::endian::little);

std::array<u8, kXsavesSize> xsaves_encode(const LbrState& state) {
  return std::bit_cast<std::array<u8, kXsavesSize>>(state);
}

LbrState xsaves_decode(std::span<const u8, kXsavesSize> image) {
  std::array<u8, kXsavesSize> bytes;
  std::ranges::copy(image, bytes.begin());
  return std::bit_cast<LbrState>(bytes);
}

}  // namespace lastbranch::lbr
