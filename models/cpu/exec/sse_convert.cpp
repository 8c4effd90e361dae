// Conversions between integers, single and double precision, in XMM and general-purpose registers.
// Those with MMX operands are in the MMX file.
// Source: SDM vol. 1, "SSE Conversion Instructions", "SSE2 Conversion Instructions"; vol. 2.
#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"

namespace lastbranch::cpu {
namespace {

using enum Arith;
using enum Elements;

LASTBRANCH_SSE_UNARY(Cvtdq2pd, "cvtdq2pd");  // exact: raises nothing
LASTBRANCH_SSE_FP_UNARY(Cvtdq2ps, "cvtdq2ps");
LASTBRANCH_SSE_FP_UNARY(Cvtpd2dq, "cvtpd2dq");
LASTBRANCH_SSE_FP_UNARY(Cvttpd2dq, "cvttpd2dq");
LASTBRANCH_SSE_FP_UNARY(Cvtps2dq, "cvtps2dq");
LASTBRANCH_SSE_FP_UNARY(Cvttps2dq, "cvttps2dq");
LASTBRANCH_SSE_FP_UNARY(Cvtps2pd, "cvtps2pd");
LASTBRANCH_SSE_FP_UNARY(Cvtpd2ps, "cvtpd2ps", kNarrow, kPs);
LASTBRANCH_SSE_FP_BINARY(Cvtss2sd, "cvtss2sd");
LASTBRANCH_SSE_FP_BINARY(Cvtsd2ss, "cvtsd2ss", kNarrow, kSs);

// The text names the width of the integer: functions that differ only in an operand's type have the same
// text, and GCC merges those as identical code.

/// From a general-purpose register or memory.
#define LASTBRANCH_SSE_FROM_INTEGER(Name, text)           \
  struct Name {                                           \
    [[maybe_unused]] static constexpr Range kRange{};     \
    [[gnu::always_inline]] static Vec run(Vec a, u32 b) { \
      asm volatile(text "l %k1, %0" : "+x"(a) : "r"(b));  \
      return a;                                           \
    }                                                     \
    [[gnu::always_inline]] static Vec run(Vec a, u64 b) { \
      asm volatile(text "q %q1, %0" : "+x"(a) : "r"(b));  \
      return a;                                           \
    }                                                     \
  }
LASTBRANCH_SSE_FROM_INTEGER(Cvtsi2ss, "cvtsi2ss");
LASTBRANCH_SSE_FROM_INTEGER(Cvtsi2sd, "cvtsi2sd");

template <class V, class F, class T>
const Insn* from_gpr(Cpu& c, const Insn* i) {
  return finish<V, F, ToXmm>(c, i, get_xmm(c, i->r0), reg<T>(c, i->r1));
}
template <class V, class F, class T>
const Insn* from_integer_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  return finish<V, F, ToXmm>(c, i, get_xmm(c, i->r0), get<T>(p));
}
template <class V, class F>
Op from_integer(const Shape& s, Insn&) {
  const bool wide = s.op[1].size == 8;
  if (s.is(Kind::kXmm, Kind::kGpr)) return wide ? &from_gpr<V, F, u64> : &from_gpr<V, F, u32>;
  if (s.is(Kind::kXmm, Kind::kMem)) return wide ? &from_integer_mem<V, F, u64> : &from_integer_mem<V, F, u32>;
  return nullptr;
}

/// To a general-purpose register of 32 or 64 bits.
#define LASTBRANCH_SSE_TO_INTEGER(Name, text)             \
  template <class T>                                      \
  struct Name {                                           \
    [[maybe_unused]] static constexpr Range kRange{};     \
    [[gnu::always_inline]] static T run(Vec b) {          \
      T r;                                                \
      if constexpr (sizeof(T) == 8) {                     \
        asm volatile(text " %1, %q0" : "=r"(r) : "x"(b)); \
      } else {                                            \
        asm volatile(text " %1, %k0" : "=r"(r) : "x"(b)); \
      }                                                   \
      return r;                                           \
    }                                                     \
  }
LASTBRANCH_SSE_TO_INTEGER(Cvtss2si, "cvtss2si");
LASTBRANCH_SSE_TO_INTEGER(Cvttss2si, "cvttss2si");
LASTBRANCH_SSE_TO_INTEGER(Cvtsd2si, "cvtsd2si");
LASTBRANCH_SSE_TO_INTEGER(Cvttsd2si, "cvttsd2si");

template <class V, template <class> class F, unsigned kBytes>
Op to_integer(const Shape& s, Insn&) {
  const bool wide = s.op[0].size == 8;
  if (s.is(Kind::kGpr, Kind::kXmm)) return wide ? &from_xmm<V, F<u64>, ToGpr> : &from_xmm<V, F<u32>, ToGpr>;
  if (s.is(Kind::kGpr, Kind::kMem)) {
    return wide ? &from_mem<V, F<u64>, kBytes, FullForm, ToGpr>
                : &from_mem<V, F<u32>, kBytes, FullForm, ToGpr>;
  }
  return nullptr;
}

template <class V>
constexpr OpRow kRows[] = {
    {"cvtdq2pd", packed<V, Cvtdq2pd, 8>},     {"cvtdq2ps", packed<V, Cvtdq2ps>},
    {"cvtpd2dq", packed<V, Cvtpd2dq>},        {"cvttpd2dq", packed<V, Cvttpd2dq>},
    {"cvtps2dq", packed<V, Cvtps2dq>},        {"cvttps2dq", packed<V, Cvttps2dq>},
    {"cvtps2pd", packed<V, Cvtps2pd, 8>},     {"cvtpd2ps", packed<V, Cvtpd2ps>},
    {"cvtss2sd", packed<V, Cvtss2sd, 4>},     {"cvtsd2ss", packed<V, Cvtsd2ss, 8>},
    {"cvtsi2ss", from_integer<V, Cvtsi2ss>},  {"cvtsi2sd", from_integer<V, Cvtsi2sd>},
    {"cvtss2si", to_integer<V, Cvtss2si, 4>}, {"cvttss2si", to_integer<V, Cvttss2si, 4>},
    {"cvtsd2si", to_integer<V, Cvtsd2si, 8>}, {"cvttsd2si", to_integer<V, Cvttsd2si, 8>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_convert_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_convert_rows<Fast>();
template std::span<const OpRow> sse_convert_rows<Observed>();

}  // namespace lastbranch::cpu
