#pragma once
// The sixteen conditions of Jcc, SETcc and CMOVcc, by their encoding (low four opcode bits).
// Source: SDM vol. 1, appendix B "EFLAGS Condition Codes".
#include "models/cpu/flags.h"

namespace lastbranch::cpu {

enum class Cond : u8 { kO, kNo, kB, kNb, kZ, kNz, kBe, kNbe, kS, kNs, kP, kNp, kL, kNl, kLe, kNle };

/// Whether `k` holds.
template <Cond k>
[[gnu::always_inline]] inline bool holds(const Flags& f) {
  if constexpr (k == Cond::kO) return f.of();
  if constexpr (k == Cond::kB) return f.cf();
  if constexpr (k == Cond::kZ) return f.zf();
  // After a compare, the order of the operands is the condition.
  if constexpr (k == Cond::kBe) {
    if (f.kind == FlagKind::kSub) return static_cast<u64>(f.a) <= static_cast<u64>(f.b);
    return f.cf() || f.zf();
  }
  if constexpr (k == Cond::kS) return f.sf();
  if constexpr (k == Cond::kP) return f.pf();
  if constexpr (k == Cond::kL) {
    if (f.kind == FlagKind::kSub) return f.a < f.b;
    return f.sf() != f.of();
  }
  if constexpr (k == Cond::kLe) {
    if (f.kind == FlagKind::kSub) return f.a <= f.b;
    return f.zf() || f.sf() != f.of();
  }
  if constexpr ((static_cast<u8>(k) & 1) != 0) return !holds<static_cast<Cond>(static_cast<u8>(k) - 1)>(f);
}

}  // namespace lastbranch::cpu
