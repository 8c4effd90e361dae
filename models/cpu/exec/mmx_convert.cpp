// Conversions between packed integers in MM registers and floating point in XMM registers or memory.
// Each is done by the host's conversion of four elements with zeros above, which convert exactly.
// Source: SDM vol. 2, CVTPI2PS, CVTPS2PI, CVTTPS2PI, CVTPI2PD, CVTPD2PI, CVTTPD2PI.
#include "models/cpu/exec/mmx.h"

namespace lastbranch::cpu {
namespace {

LASTBRANCH_SSE_FP_UNARY(FourSinglesToInts, "cvtps2dq");
LASTBRANCH_SSE_FP_UNARY(FourSinglesToIntsTruncating, "cvttps2dq");
template <class Four>
struct LowTwo {
  [[maybe_unused]] static constexpr Range kRange{};
  [[gnu::always_inline]] static Vec run(Vec b) { return Four::run(_mm_move_epi64(b)); }
};
using SinglesToInts = LowTwo<FourSinglesToInts>;
using SinglesToIntsTruncating = LowTwo<FourSinglesToIntsTruncating>;
LASTBRANCH_SSE_FP_UNARY(DoublesToInts, "cvtpd2dq");
LASTBRANCH_SSE_FP_UNARY(DoublesToIntsTruncating, "cvttpd2dq");
LASTBRANCH_SSE_UNARY(IntsToDoubles, "cvtdq2pd");  // exact: raises nothing
/// The upper half of the destination stays.
struct IntsToSingles {
  [[maybe_unused]] static constexpr Range kRange{};
  [[gnu::always_inline]] static Vec run(Vec a, Vec b) {
    Vec r;
    asm volatile("cvtdq2ps %1, %0" : "=x"(r) : "x"(b));
    return _mm_castpd_si128(_mm_move_sd(_mm_castsi128_pd(a), _mm_castsi128_pd(r)));
  }
};

/// The transition belongs to the result, because an instruction that faults makes none.
struct ToMm {
  [[gnu::always_inline]] static void put(Cpu& c, const Insn* i, Vec v) {
    enter_mmx(c);
    set_mm(c, i->r0, v);
  }
};
struct ToXmmFromMm {
  [[gnu::always_inline]] static void put(Cpu& c, const Insn* i, Vec v) {
    enter_mmx(c);
    set_xmm(c, i->r0, v);
  }
};

/// `kForm` is one of sse.h's execution functions.
template <Op kForm>
const Insn* unless_blocked(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  return kForm(c, i);
}

template <class V, class F, unsigned kBytes>
Op bind_to_mm(const Shape& s, Insn&) {
  if (s.is(Kind::kMmx, Kind::kXmm)) return &unless_blocked<from_xmm<V, F, ToMm>>;
  return s.is(Kind::kMmx, Kind::kMem) ? &unless_blocked<from_mem<V, F, kBytes, FullForm, ToMm>> : nullptr;
}

template <class V, class F>
const Insn* from_mm(Cpu& c, const Insn* i) {
  return finish_with<V, F, ToXmmFromMm>(c, i, get_mm(c, i->r1));
}
/// From memory these are SSE instructions like any other: no MM register, no transition.
template <class V, class F>
Op bind_from_mm(const Shape& s, Insn&) {
  if (s.is(Kind::kXmm, Kind::kMmx)) return &unless_blocked<from_mm<V, F>>;
  return s.is(Kind::kXmm, Kind::kMem) ? &from_mem<V, F, 8> : nullptr;
}

template <class V>
constexpr OpRow kRows[] = {
    {"cvtps2pi", bind_to_mm<V, SinglesToInts, 8>},  {"cvttps2pi", bind_to_mm<V, SinglesToIntsTruncating, 8>},
    {"cvtpd2pi", bind_to_mm<V, DoublesToInts, 16>}, {"cvttpd2pi", bind_to_mm<V, DoublesToIntsTruncating, 16>},
    {"cvtpi2ps", bind_from_mm<V, IntsToSingles>},   {"cvtpi2pd", bind_from_mm<V, IntsToDoubles>},
};

}  // namespace

template <class V>
std::span<const OpRow> mmx_convert_rows() {
  return kRows<V>;
}
template std::span<const OpRow> mmx_convert_rows<Fast>();
template std::span<const OpRow> mmx_convert_rows<Observed>();

}  // namespace lastbranch::cpu
