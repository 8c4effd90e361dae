#pragma once
// Lazy arithmetic flags: an instruction stores its operands and sign-extended result, a reader computes what
// it needs.
//
// All three values are stored sign-extended from the operand size to 64 bits. Sign extension keeps both the
// unsigned and the signed order, so no formula below depends on the operand size. Flags that the manual
// leaves undefined are computed by the same formulas and are therefore deterministic. Source: SDM vol. 1,
// "Status Flags"; vol. 1 appendix A "EFLAGS Cross-Reference".
#include <bit>

#include "sim/base/units.h"

namespace lastbranch::cpu {

namespace rflags {
inline constexpr u64 kCF = 1u << 0, kFixed1 = 1u << 1, kPF = 1u << 2, kAF = 1u << 4, kZF = 1u << 6,
                     kSF = 1u << 7;
inline constexpr u64 kTF = 1u << 8, kIF = 1u << 9, kDF = 1u << 10, kOF = 1u << 11, kIOPL = 3u << 12,
                     kNT = 1u << 14;
inline constexpr u64 kRF = 1u << 16, kVM = 1u << 17, kAC = 1u << 18, kVIF = 1u << 19, kVIP = 1u << 20,
                     kID = 1u << 21;
/// The six that arithmetic writes.
inline constexpr u64 kStatus = kCF | kPF | kAF | kZF | kSF | kOF;
}  // namespace rflags

/// How CF, OF and AF follow from the stored values; ZF, SF and PF follow from `res` in all but kWord.
enum class FlagKind : u32 {
  kAdd,       ///< res = a + b
  kSub,       ///< res = a - b
  kAddCarry,  ///< as kAdd, but CF is in `word` (ADC, INC)
  kSubCarry,  ///< as kSub, but CF is in `word` (SBB, DEC)
  kRes,       ///< CF, OF and AF are in `word` (logic, shifts, rotates, multiplies)
  kWord,      ///< all six are in `word` (POPF, SAHF, string compares, COMISD, ...)
};

struct Flags {
  i64 res = 1;
  i64 a = 0;
  i64 b = 0;
  FlagKind kind = FlagKind::kRes;
  u32 word = 0;  ///< RFLAGS bits, as far as `kind` says

  [[nodiscard]] bool cf() const {
    switch (kind) {
      case FlagKind::kAdd:
        return static_cast<u64>(res) < static_cast<u64>(a);
      case FlagKind::kSub:
        return static_cast<u64>(a) < static_cast<u64>(b);
      default:
        return (word & rflags::kCF) != 0;
    }
  }
  [[nodiscard]] bool of() const {
    switch (kind) {
      case FlagKind::kAdd:
      case FlagKind::kAddCarry:
        return ((a ^ res) & (b ^ res)) < 0;
      case FlagKind::kSub:
      case FlagKind::kSubCarry:
        return ((a ^ b) & (a ^ res)) < 0;
      default:
        return (word & rflags::kOF) != 0;
    }
  }
  [[nodiscard]] bool af() const {
    return kind < FlagKind::kRes ? ((a ^ b ^ res) & 0x10) != 0 : (word & rflags::kAF) != 0;
  }
  [[nodiscard]] bool zf() const { return kind == FlagKind::kWord ? (word & rflags::kZF) != 0 : res == 0; }
  [[nodiscard]] bool sf() const { return kind == FlagKind::kWord ? (word & rflags::kSF) != 0 : res < 0; }
  [[nodiscard]] bool pf() const {
    return kind == FlagKind::kWord ? (word & rflags::kPF) != 0
                                   : (std::popcount(static_cast<u8>(res)) & 1) == 0;
  }

  /// The six status flags as RFLAGS bits.
  [[nodiscard]] u64 status() const {
    return (cf() ? rflags::kCF : 0) | (pf() ? rflags::kPF : 0) | (af() ? rflags::kAF : 0) |
           (zf() ? rflags::kZF : 0) | (sf() ? rflags::kSF : 0) | (of() ? rflags::kOF : 0);
  }
  /// Sets all six from RFLAGS bits.
  void set_status(u64 bits) {
    kind = FlagKind::kWord;
    word = static_cast<u32>(bits & rflags::kStatus);
  }

  void set_add(i64 x, i64 y, i64 r) { res = r, a = x, b = y, kind = FlagKind::kAdd; }
  void set_sub(i64 x, i64 y, i64 r) { res = r, a = x, b = y, kind = FlagKind::kSub; }
  void set_logic(i64 r) { res = r, kind = FlagKind::kRes, word = 0; }
  void set_res(i64 r, u64 cf_of_af) { res = r, kind = FlagKind::kRes, word = static_cast<u32>(cf_of_af); }
};

}  // namespace lastbranch::cpu
