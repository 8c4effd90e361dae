// Exceptions that the guest has unmasked: which flags an instruction raises, and when it faults.
//
// A trial run with everything masked tells nearly all. What it cannot tell is whether a result beyond the
// format's range is also inexact once an unmasked overflow or underflow keeps it from being rounded into the
// range, and whether a tiny result is exact. The x87 unit answers that: it rounds to the same precision with
// a wider exponent.
//
// Source: SDM vol. 1, "SIMD Floating-Point Exception Conditions", "Handling SIMD Floating-Point Exceptions in
// Software", "Precision Control Field".
#include <cmath>
#include <cstring>
#include <limits>

#include "models/cpu/exec/sse.h"

namespace lastbranch::cpu {
namespace {

using Extended = long double;

/// A result rounded to the precision of its format, the exponent unbounded.
struct Rounded {
  Extended value;
  bool inexact;
};

/// x87 control word: all masked, single or double precision, MXCSR's rounding mode.
template <class Result>
u16 control_word(u32 guest) {
  constexpr u16 kMasked = 0x3f, kDouble = 0x200;
  return static_cast<u16>(kMasked | (sizeof(Result) == 8 ? kDouble : 0) | (guest >> 13 & 3) << 10);
}

#define LASTBRANCH_X87(text)                                                    \
  asm volatile("fnstcw %[saved]\n\tfldcw %[control]\n\tfnclex\n\t" text         \
               " %%st(1), %%st\n\tfnstsw %[status]\n\tfnclex\n\tfldcw %[saved]" \
               : "+t"(x), [saved] "=m"(saved), [status] "=m"(status)            \
               : "u"(y), [control] "m"(control))

Rounded compute(Arith arith, Extended x, Extended y, u16 control) {
  constexpr u16 kPrecision = 1u << 5;
  u16 saved = 0, status = 0;
  switch (arith) {
    case Arith::kSub:
      LASTBRANCH_X87("fsub");
      break;
    case Arith::kMul:
      LASTBRANCH_X87("fmul");
      break;
    case Arith::kDiv:
      LASTBRANCH_X87("fdiv");
      break;
    default:
      LASTBRANCH_X87("fadd");
      break;
  }
  return {x, (status & kPrecision) != 0};
}

#undef LASTBRANCH_X87

template <class T>
Extended element(Vec v, unsigned n, u32 guest) {
  T values[16 / sizeof(T)];
  std::memcpy(values, &v, sizeof v);
  // By x87 and not by SSE: MXCSR's DAZ must not decide what is compared here.
  const Extended x = values[n];
  const bool denormal = std::abs(x) < Extended{std::numeric_limits<T>::min()};
  return denormal && (guest & mxcsr::kDaz) != 0 ? Extended{0} : x;
}

/// Element `n` of the result, from operands with elements of type Source.
template <class Source, class Result>
Rounded unbounded(Arith arith, Vec a, Vec b, unsigned n, unsigned count, u32 guest) {
  const u16 control = control_word<Result>(guest);
  const auto vertical = [&](Arith op) {
    return compute(op, element<Source>(a, n, guest), element<Source>(b, n, guest), control);
  };
  const auto horizontal = [&](Arith op) {
    const Vec v = n < count / 2 ? a : b;
    const unsigned first = 2 * n % count;
    return compute(op, element<Source>(v, first, guest), element<Source>(v, first + 1, guest), control);
  };
  switch (arith) {
    case Arith::kAddSub:
      return vertical(n % 2 == 0 ? Arith::kSub : Arith::kAdd);
    case Arith::kHadd:
      return horizontal(Arith::kAdd);
    case Arith::kHsub:
      return horizontal(Arith::kSub);
    case Arith::kNarrow:
      return compute(Arith::kMul, element<Source>(b, n, guest), 1, control);
    default:
      return vertical(arith);
  }
}

/// Overflow, underflow and precision flags of one element whose masked result is `masked`.
template <class Result>
u32 element_flags(u32 guest, const Rounded& r, Extended masked) {
  if (!std::isfinite(r.value)) return 0;
  const bool huge = std::abs(r.value) > Extended{std::numeric_limits<Result>::max()};
  const bool tiny = r.value != 0 && std::abs(r.value) < Extended{std::numeric_limits<Result>::min()};
  const bool traps =
      (huge && mxcsr::traps(guest, mxcsr::kOverflow)) || (tiny && mxcsr::traps(guest, mxcsr::kUnderflow));
  const bool inexact = r.inexact || (!traps && masked != r.value);
  return (huge ? mxcsr::kOverflow : 0) | (inexact ? mxcsr::kPrecision : 0) |
         (tiny && (traps || inexact) ? mxcsr::kUnderflow : 0);
}

template <class Source, class Result>
u32 elements_flags(u32 guest, Arith arith, Vec result, Vec a, Vec b, unsigned count) {
  u32 flags = 0;
  for (unsigned n = 0; n < count; ++n) {
    const Rounded r = unbounded<Source, Result>(arith, a, b, n, count, guest);
    flags |= element_flags<Result>(guest, r, element<Result>(result, n, 0));
  }
  return flags;
}

/// Exceptions of the operands, which come before there is a result.
constexpr u32 kBeforeComputation = mxcsr::kInvalid | mxcsr::kDenormal | mxcsr::kDivideByZero;

}  // namespace

u32 range_flags(u32 guest, u32 flags, Range range, Vec result, Vec a, Vec b) {
  flags &= kBeforeComputation;
  if (range.arith == Arith::kNarrow) {
    const unsigned count = range.elements == Elements::kPs ? 2 : 1;
    return flags | elements_flags<double, float>(guest, range.arith, result, a, b, count);
  }
  switch (range.elements) {
    case Elements::kSs:
      return flags | elements_flags<float, float>(guest, range.arith, result, a, b, 1);
    case Elements::kPs:
      return flags | elements_flags<float, float>(guest, range.arith, result, a, b, 4);
    case Elements::kSd:
      return flags | elements_flags<double, double>(guest, range.arith, result, a, b, 1);
    case Elements::kPd:
      return flags | elements_flags<double, double>(guest, range.arith, result, a, b, 2);
  }
  return flags;
}

bool raise_unmasked(Cpu& c, u32 guest, u32 flags) {
  constexpr u64 kOsxmmexcpt = 1u << 10;
  // An unmasked exception of the operands ends the instruction before it computes what the others depend on.
  if (mxcsr::traps(guest, flags & kBeforeComputation)) flags &= kBeforeComputation;
  set_guest_mxcsr(c, guest | flags);
  if (!mxcsr::traps(guest, flags)) return false;
  raise(c, {.vector = (c.cr4 & kOsxmmexcpt) != 0 ? Vector::kXM : Vector::kUD});
  return true;
}

}  // namespace lastbranch::cpu
