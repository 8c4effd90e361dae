#pragma once
// The integer names every file uses, and the page geometry of x86-64.
#include <cstddef>
#include <cstdint>

namespace lastbranch {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

inline constexpr u64 kPageShift = 12;
inline constexpr u64 kPageSize = u64{1} << kPageShift;
inline constexpr u64 kPageMask = ~(kPageSize - 1);

/// First byte of the page that holds `address`.
[[nodiscard]] constexpr u64 page_of(u64 address) {
  return address & kPageMask;
}

/// `value` rounded up to a whole number of pages.
[[nodiscard]] constexpr u64 page_ceil(u64 value) {
  return (value + kPageSize - 1) & kPageMask;
}

/// Canonical for `bits` (48 or 57) of linear address: the upper bits repeat the sign.
[[nodiscard]] constexpr bool is_canonical(u64 address, unsigned bits = 48) {
  const unsigned unused = 64 - bits;
  return static_cast<u64>(static_cast<i64>(address << unused) >> unused) == address;
}

}  // namespace lastbranch
