// MMX integer arithmetic, logic, comparisons, shuffles and shifts: MMX itself, and SSE, SSE2 and SSSE3 on MM
// registers.
//
// Source: SDM vol. 2, the page of each mnemonic.
#include "models/cpu/exec/mmx.h"

namespace lastbranch::cpu {
namespace {

/// Both operands as one vector, which pairwise instructions then treat as they would treat the two MM
/// registers.
template <auto kInstruction>
[[gnu::always_inline]] inline Vec halves(Vec a, Vec b) {
  const Vec both = _mm_unpacklo_epi64(a, b);
  return kInstruction(both, both);
}

/// Each word is the one that two bits of the immediate select.
[[gnu::always_inline]] inline Vec shuffle_words(Vec b, i64 imm) {
  const u64 v = static_cast<u64>(_mm_cvtsi128_si64(b));
  u64 r = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const unsigned from = static_cast<unsigned>(imm >> (2 * n)) & 3;
    r |= ((v >> (16 * from)) & 0xffff) << (16 * n);
  }
  return _mm_cvtsi64_si128(static_cast<i64>(r));
}

/// Bytes imm..imm+7 of b with a above it.
[[gnu::always_inline]] inline Vec align_right(Vec a, Vec b, i64 imm) {
  const unsigned by = static_cast<u8>(imm);
  const Vec bits = _mm_cvtsi32_si128(static_cast<int>(8 * (by % 8)));
  const Vec low = by < 8 ? b : by < 16 ? a : _mm_setzero_si128();
  const Vec high = by < 8 ? a : _mm_setzero_si128();
  // A count of 64, for a whole number of registers, shifts everything out.
  const Vec rest = _mm_cvtsi32_si128(static_cast<int>(64 - 8 * (by % 8)));
  return _mm_or_si128(_mm_srl_epi64(low, bits), _mm_sll_epi64(high, rest));
}

/// Shift count in the immediate.
template <class V, auto kOperation>
const Insn* shift_imm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  execute_mmx<kOperation>(c, i, _mm_cvtsi32_si128(static_cast<u8>(i->imm)));
  return next<V>(c, i);
}
template <class V, auto kOperation>
Op bind_shift(const Shape& s, Insn& i) {
  if (s.is(Kind::kMmx, Kind::kImm)) return &shift_imm<V, kOperation>;
  return bind_mmx<V, kOperation>(s, i);
}

template <class V>
constexpr OpRow kRows[] = {
    {"paddb", bind_mmx<V, [](Vec a, Vec b) { return _mm_add_epi8(a, b); }>},
    {"paddw", bind_mmx<V, [](Vec a, Vec b) { return _mm_add_epi16(a, b); }>},
    {"paddd", bind_mmx<V, [](Vec a, Vec b) { return _mm_add_epi32(a, b); }>},
    {"paddq", bind_mmx<V, [](Vec a, Vec b) { return _mm_add_epi64(a, b); }>},
    {"paddsb", bind_mmx<V, [](Vec a, Vec b) { return _mm_adds_epi8(a, b); }>},
    {"paddsw", bind_mmx<V, [](Vec a, Vec b) { return _mm_adds_epi16(a, b); }>},
    {"paddusb", bind_mmx<V, [](Vec a, Vec b) { return _mm_adds_epu8(a, b); }>},
    {"paddusw", bind_mmx<V, [](Vec a, Vec b) { return _mm_adds_epu16(a, b); }>},
    {"psubb", bind_mmx<V, [](Vec a, Vec b) { return _mm_sub_epi8(a, b); }>},
    {"psubw", bind_mmx<V, [](Vec a, Vec b) { return _mm_sub_epi16(a, b); }>},
    {"psubd", bind_mmx<V, [](Vec a, Vec b) { return _mm_sub_epi32(a, b); }>},
    {"psubq", bind_mmx<V, [](Vec a, Vec b) { return _mm_sub_epi64(a, b); }>},
    {"psubsb", bind_mmx<V, [](Vec a, Vec b) { return _mm_subs_epi8(a, b); }>},
    {"psubsw", bind_mmx<V, [](Vec a, Vec b) { return _mm_subs_epi16(a, b); }>},
    {"psubusb", bind_mmx<V, [](Vec a, Vec b) { return _mm_subs_epu8(a, b); }>},
    {"psubusw", bind_mmx<V, [](Vec a, Vec b) { return _mm_subs_epu16(a, b); }>},
    {"pmullw", bind_mmx<V, [](Vec a, Vec b) { return _mm_mullo_epi16(a, b); }>},
    {"pmulhw", bind_mmx<V, [](Vec a, Vec b) { return _mm_mulhi_epi16(a, b); }>},
    {"pmulhuw", bind_mmx<V, [](Vec a, Vec b) { return _mm_mulhi_epu16(a, b); }>},
    {"pmuludq", bind_mmx<V, [](Vec a, Vec b) { return _mm_mul_epu32(a, b); }>},
    {"pmaddwd", bind_mmx<V, [](Vec a, Vec b) { return _mm_madd_epi16(a, b); }>},
    {"pavgb", bind_mmx<V, [](Vec a, Vec b) { return _mm_avg_epu8(a, b); }>},
    {"pavgw", bind_mmx<V, [](Vec a, Vec b) { return _mm_avg_epu16(a, b); }>},
    {"pmaxsw", bind_mmx<V, [](Vec a, Vec b) { return _mm_max_epi16(a, b); }>},
    {"pmaxub", bind_mmx<V, [](Vec a, Vec b) { return _mm_max_epu8(a, b); }>},
    {"pminsw", bind_mmx<V, [](Vec a, Vec b) { return _mm_min_epi16(a, b); }>},
    {"pminub", bind_mmx<V, [](Vec a, Vec b) { return _mm_min_epu8(a, b); }>},
    {"psadbw", bind_mmx<V, [](Vec a, Vec b) { return _mm_sad_epu8(a, b); }>},
    {"pand", bind_mmx<V, [](Vec a, Vec b) { return _mm_and_si128(a, b); }>},
    {"pandn", bind_mmx<V, [](Vec a, Vec b) { return _mm_andnot_si128(a, b); }>},
    {"por", bind_mmx<V, [](Vec a, Vec b) { return _mm_or_si128(a, b); }>},
    {"pxor", bind_mmx<V, [](Vec a, Vec b) { return _mm_xor_si128(a, b); }>},
    {"pcmpeqb", bind_mmx<V, [](Vec a, Vec b) { return _mm_cmpeq_epi8(a, b); }>},
    {"pcmpeqw", bind_mmx<V, [](Vec a, Vec b) { return _mm_cmpeq_epi16(a, b); }>},
    {"pcmpeqd", bind_mmx<V, [](Vec a, Vec b) { return _mm_cmpeq_epi32(a, b); }>},
    {"pcmpgtb", bind_mmx<V, [](Vec a, Vec b) { return _mm_cmpgt_epi8(a, b); }>},
    {"pcmpgtw", bind_mmx<V, [](Vec a, Vec b) { return _mm_cmpgt_epi16(a, b); }>},
    {"pcmpgtd", bind_mmx<V, [](Vec a, Vec b) { return _mm_cmpgt_epi32(a, b); }>},
    {"psignb", bind_mmx<V, [](Vec a, Vec b) { return _mm_sign_epi8(a, b); }>},
    {"psignw", bind_mmx<V, [](Vec a, Vec b) { return _mm_sign_epi16(a, b); }>},
    {"psignd", bind_mmx<V, [](Vec a, Vec b) { return _mm_sign_epi32(a, b); }>},
    {"pmaddubsw", bind_mmx<V, [](Vec a, Vec b) { return _mm_maddubs_epi16(a, b); }>},
    {"pmulhrsw", bind_mmx<V, [](Vec a, Vec b) { return _mm_mulhrs_epi16(a, b); }>},
    {"pabsb", bind_mmx<V, [](Vec, Vec b) { return _mm_abs_epi8(b); }>},
    {"pabsw", bind_mmx<V, [](Vec, Vec b) { return _mm_abs_epi16(b); }>},
    {"pabsd", bind_mmx<V, [](Vec, Vec b) { return _mm_abs_epi32(b); }>},
    {"packsswb", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_packs_epi16>(a, b); }>},
    {"packssdw", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_packs_epi32>(a, b); }>},
    {"packuswb", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_packus_epi16>(a, b); }>},
    {"phaddw", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_hadd_epi16>(a, b); }>},
    {"phaddd", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_hadd_epi32>(a, b); }>},
    {"phaddsw", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_hadds_epi16>(a, b); }>},
    {"phsubw", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_hsub_epi16>(a, b); }>},
    {"phsubd", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_hsub_epi32>(a, b); }>},
    {"phsubsw", bind_mmx<V, [](Vec a, Vec b) { return halves<_mm_hsubs_epi16>(a, b); }>},
    {"punpcklbw", bind_mmx<V, [](Vec a, Vec b) { return _mm_unpacklo_epi8(a, b); }, 4>},
    {"punpckhbw", bind_mmx<V, [](Vec a, Vec b) { return _mm_srli_si128(_mm_unpacklo_epi8(a, b), 8); }>},
    {"punpcklwd", bind_mmx<V, [](Vec a, Vec b) { return _mm_unpacklo_epi16(a, b); }, 4>},
    {"punpckhwd", bind_mmx<V, [](Vec a, Vec b) { return _mm_srli_si128(_mm_unpacklo_epi16(a, b), 8); }>},
    {"punpckldq", bind_mmx<V, [](Vec a, Vec b) { return _mm_unpacklo_epi32(a, b); }, 4>},
    {"punpckhdq", bind_mmx<V, [](Vec a, Vec b) { return _mm_srli_si128(_mm_unpacklo_epi32(a, b), 8); }>},
    {"pshufb", bind_mmx<V,
                        [](Vec a, Vec b) {
                          return _mm_shuffle_epi8(a,
                                                  _mm_and_si128(b, _mm_set1_epi8(static_cast<char>(0x87))));
                        }>},
    {"pshufw", bind_mmx<V, [](Vec, Vec b, i64 imm) { return shuffle_words(b, imm); }>},
    {"palignr", bind_mmx<V, [](Vec a, Vec b, i64 imm) { return align_right(a, b, imm); }>},
    {"psllw", bind_shift<V, [](Vec a, Vec b) { return _mm_sll_epi16(a, b); }>},
    {"pslld", bind_shift<V, [](Vec a, Vec b) { return _mm_sll_epi32(a, b); }>},
    {"psllq", bind_shift<V, [](Vec a, Vec b) { return _mm_sll_epi64(a, b); }>},
    {"psrlw", bind_shift<V, [](Vec a, Vec b) { return _mm_srl_epi16(a, b); }>},
    {"psrld", bind_shift<V, [](Vec a, Vec b) { return _mm_srl_epi32(a, b); }>},
    {"psrlq", bind_shift<V, [](Vec a, Vec b) { return _mm_srl_epi64(a, b); }>},
    {"psraw", bind_shift<V, [](Vec a, Vec b) { return _mm_sra_epi16(a, b); }>},
    {"psrad", bind_shift<V, [](Vec a, Vec b) { return _mm_sra_epi32(a, b); }>},
};

}  // namespace

template <class V>
std::span<const OpRow> mmx_int_rows() {
  return kRows<V>;
}
template std::span<const OpRow> mmx_int_rows<Fast>();
template std::span<const OpRow> mmx_int_rows<Observed>();

}  // namespace lastbranch::cpu
