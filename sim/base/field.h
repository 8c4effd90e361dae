#pragma once
// Typed bit fields of 64-bit registers, declared as the manual declares them: high bit first.
#include "sim/base/units.h"

namespace lastbranch {

/// Bits `Hi` down to `Lo` of a register: `using Umask = Field<15, 8>;`. Stateless; all functions are
/// constexpr.
template <unsigned Hi, unsigned Lo = Hi>
struct Field {
  static_assert(Hi < 64 && Lo <= Hi, "a field is Field<high bit, low bit> of a 64-bit register");

  static constexpr unsigned kLow = Lo;
  static constexpr unsigned kWidth = Hi - Lo + 1;
  static constexpr u64 kMax = ~u64{0} >> (64 - kWidth);  ///< largest value the field holds
  static constexpr u64 kMask = kMax << Lo;               ///< the field's bits in place

  /// The field's value, shifted down.
  [[nodiscard]] static constexpr u64 get(u64 reg) { return (reg >> Lo) & kMax; }
  /// `reg` with the field replaced by `value`; bits of `value` beyond the field are dropped.
  [[nodiscard]] static constexpr u64 set(u64 reg, u64 value) {
    return (reg & ~kMask) | ((value & kMax) << Lo);
  }
  /// `value` in place, everything else 0.
  [[nodiscard]] static constexpr u64 of(u64 value) { return (value & kMax) << Lo; }
  /// Whether any bit of the field is 1.
  [[nodiscard]] static constexpr bool any(u64 reg) { return (reg & kMask) != 0; }
};

/// Bits `bits`-1..0 of `value`, sign-extended to 64; `bits` is 1..64.
[[nodiscard]] constexpr u64 sign_extend(u64 value, unsigned bits) {
  const unsigned unused = 64 - bits;
  return static_cast<u64>(static_cast<i64>(value << unused) >> unused);
}

}  // namespace lastbranch
