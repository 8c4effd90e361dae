// Rearranging elements of XMM registers, integer or floating point: packs, unpacks, extensions, shuffles,
// blends, shifts of whole registers.
//
// Source: SDM vol. 1, "SSE2 128-Bit SIMD Integer Instructions", "SSE Shuffle and Unpack Instructions" and
// their counterparts for SSE2, SSSE3, SSE4.1; vol. 2.
#include <algorithm>

#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"
#include "models/cpu/exec/sse_tables.h"

namespace lastbranch::cpu {
namespace {

LASTBRANCH_SSE_BINARY(Packsswb, "packsswb");
LASTBRANCH_SSE_BINARY(Packssdw, "packssdw");
LASTBRANCH_SSE_BINARY(Packuswb, "packuswb");
LASTBRANCH_SSE_BINARY(Packusdw, "packusdw");
LASTBRANCH_SSE_BINARY(Punpcklbw, "punpcklbw");
LASTBRANCH_SSE_BINARY(Punpcklwd, "punpcklwd");
LASTBRANCH_SSE_BINARY(Punpckldq, "punpckldq");
LASTBRANCH_SSE_BINARY(Punpcklqdq, "punpcklqdq");
LASTBRANCH_SSE_BINARY(Punpckhbw, "punpckhbw");
LASTBRANCH_SSE_BINARY(Punpckhwd, "punpckhwd");
LASTBRANCH_SSE_BINARY(Punpckhdq, "punpckhdq");
LASTBRANCH_SSE_BINARY(Punpckhqdq, "punpckhqdq");

LASTBRANCH_SSE_UNARY(Pmovsxbw, "pmovsxbw");
LASTBRANCH_SSE_UNARY(Pmovsxbd, "pmovsxbd");
LASTBRANCH_SSE_UNARY(Pmovsxbq, "pmovsxbq");
LASTBRANCH_SSE_UNARY(Pmovsxwd, "pmovsxwd");
LASTBRANCH_SSE_UNARY(Pmovsxwq, "pmovsxwq");
LASTBRANCH_SSE_UNARY(Pmovsxdq, "pmovsxdq");
LASTBRANCH_SSE_UNARY(Pmovzxbw, "pmovzxbw");
LASTBRANCH_SSE_UNARY(Pmovzxbd, "pmovzxbd");
LASTBRANCH_SSE_UNARY(Pmovzxbq, "pmovzxbq");
LASTBRANCH_SSE_UNARY(Pmovzxwd, "pmovzxwd");
LASTBRANCH_SSE_UNARY(Pmovzxwq, "pmovzxwq");
LASTBRANCH_SSE_UNARY(Pmovzxdq, "pmovzxdq");

// Shifts of the whole register by bytes. The binder leaves in `imm` an index into kSlide.
template <class V>
const Insn* slide(Cpu& c, const Insn* i) {
  set_xmm(c, i->r0, _mm_shuffle_epi8(get_xmm(c, i->r0), get_mask(sse_tables::kSlide.data() + i->imm)));
  return next<V>(c, i);
}
template <class V, int kDirection>
Op shift_bytes(const Shape& s, Insn& i) {
  if (!s.is(Kind::kXmm, Kind::kImm)) return nullptr;
  i.imm = 16 + kDirection * std::min<int>(static_cast<u8>(i.imm), 16);
  return &slide<V>;
}
/// PALIGNR: bytes imm.. of the 32-byte value whose upper half is `a`.
struct Palignr {
  static Vec run(Vec a, Vec b, i64 imm) {
    const unsigned n = std::min<unsigned>(static_cast<u8>(imm), 32);
    return _mm_or_si128(_mm_shuffle_epi8(b, get_mask(sse_tables::kSlide.data() + 16 + n)),
                        _mm_shuffle_epi8(a, get_mask(sse_tables::kSlide.data() + n)));
  }
};

// Shuffles by an immediate.
struct Pshufd {
  static Vec run(Vec, Vec b, i64 imm) {
    return _mm_shuffle_epi8(b, get_mask(sse_tables::kShuffleDwords[static_cast<u8>(imm)].data()));
  }
};
struct Pshuflw {
  static Vec run(Vec, Vec b, i64 imm) {
    return _mm_shuffle_epi8(b, get_mask(sse_tables::kShuffleLowWords[static_cast<u8>(imm)].data()));
  }
};
struct Pshufhw {
  static Vec run(Vec, Vec b, i64 imm) {
    return _mm_shuffle_epi8(b, get_mask(sse_tables::kShuffleHighWords[static_cast<u8>(imm)].data()));
  }
};
LASTBRANCH_SSE_BINARY(Pshufb, "pshufb");
/// The lower half of the result comes from `a`, the upper from `b`.
struct Shufps {
  static Vec run(Vec a, Vec b, i64 imm) {
    const Vec mask = get_mask(sse_tables::kShuffleDwords[static_cast<u8>(imm)].data());
    return _mm_blend_epi16(_mm_shuffle_epi8(a, mask), _mm_shuffle_epi8(b, mask), 0xf0);
  }
};
/// SHUFPD is the SHUFPS whose selectors pick both halves of a double.
template <class V>
Op shufpd(const Shape& s, Insn& i) {
  constexpr int kDouble[] = {0b0100, 0b1110};
  i.imm = kDouble[i.imm & 1] | kDouble[i.imm >> 1 & 1] << 4;
  return packed<V, Shufps>(s, i);
}

// Blends: of words by immediate, and by the sign bits of XMM0.
struct Pblendw {
  static Vec run(Vec a, Vec b, i64 imm) {
    return _mm_blendv_epi8(a, b, get_mask(sse_tables::kBlendWords[static_cast<u8>(imm)].data()));
  }
};
/// BLENDPS, BLENDPD: each immediate bit stands for kWords of PBLENDW's.
template <class V, int kWords>
Op blend_elements(const Shape& s, Insn& i) {
  int words = 0;
  for (int n = 0; n < 8; ++n) words |= static_cast<int>(i.imm >> (n / kWords) & 1) << n;
  i.imm = words;
  return packed<V, Pblendw>(s, i);
}
struct Pblendvb {
  static Vec run(Vec a, Vec b, Vec mask) { return _mm_blendv_epi8(a, b, mask); }
};
struct Blendvps {
  static Vec run(Vec a, Vec b, Vec mask) { return _mm_blendv_epi8(a, b, _mm_srai_epi32(mask, 31)); }
};
struct Blendvpd {
  static Vec run(Vec a, Vec b, Vec mask) {
    return _mm_blendv_epi8(a, b, _mm_shuffle_epi32(_mm_srai_epi32(mask, 31), _MM_SHUFFLE(3, 3, 1, 1)));
  }
};
template <class V, class F>
const Insn* blend_xmm0(Cpu& c, const Insn* i) {
  set_xmm(c, i->r0, F::run(get_xmm(c, i->r0), get_xmm(c, i->r1), get_xmm(c, 0)));
  return next<V>(c, i);
}
template <class V, class F>
const Insn* blend_xmm0_mem(Cpu& c, const Insn* i) {
  const u64 a = ea<V>(c, i);
  if ((a & 15) != 0) [[unlikely]]
    return general_protection_at(c, i);
  const u8* p = load_ptr<Vec>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  set_xmm(c, i->r0, F::run(get_xmm(c, i->r0), get_vec<16>(p), get_xmm(c, 0)));
  return next<V>(c, i);
}
template <class V, class F>
Op blend_variable(const Shape& s, Insn&) {
  return s.kind(1) == Kind::kXmm ? &blend_xmm0<V, F> : &blend_xmm0_mem<V, F>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"packsswb", packed<V, Packsswb>},
    {"packssdw", packed<V, Packssdw>},
    {"packuswb", packed<V, Packuswb>},
    {"packusdw", packed<V, Packusdw>},
    {"punpcklbw", packed_hot<V, Punpcklbw>},
    {"punpcklwd", packed_hot<V, Punpcklwd>},
    {"punpckldq", packed_hot<V, Punpckldq>},
    {"punpcklqdq", packed_hot<V, Punpcklqdq>},
    {"punpckhbw", packed<V, Punpckhbw>},
    {"punpckhwd", packed<V, Punpckhwd>},
    {"punpckhdq", packed<V, Punpckhdq>},
    {"punpckhqdq", packed<V, Punpckhqdq>},
    {"unpcklps", packed_hot<V, Punpckldq>},
    {"unpcklpd", packed_hot<V, Punpcklqdq>},
    {"unpckhps", packed<V, Punpckhdq>},
    {"unpckhpd", packed<V, Punpckhqdq>},
    {"pmovsxbw", packed<V, Pmovsxbw, 8>},
    {"pmovsxbd", packed<V, Pmovsxbd, 4>},
    {"pmovsxbq", packed<V, Pmovsxbq, 2>},
    {"pmovsxwd", packed<V, Pmovsxwd, 8>},
    {"pmovsxwq", packed<V, Pmovsxwq, 4>},
    {"pmovsxdq", packed<V, Pmovsxdq, 8>},
    {"pmovzxbw", packed<V, Pmovzxbw, 8>},
    {"pmovzxbd", packed<V, Pmovzxbd, 4>},
    {"pmovzxbq", packed<V, Pmovzxbq, 2>},
    {"pmovzxwd", packed<V, Pmovzxwd, 8>},
    {"pmovzxwq", packed<V, Pmovzxwq, 4>},
    {"pmovzxdq", packed<V, Pmovzxdq, 8>},

    {"pslldq", shift_bytes<V, -1>},
    {"psrldq", shift_bytes<V, +1>},
    {"palignr", packed<V, Palignr>},
    {"pshufb", packed<V, Pshufb>},
    {"pshufd", packed_hot<V, Pshufd>},
    {"pshuflw", packed<V, Pshuflw>},
    {"pshufhw", packed<V, Pshufhw>},
    {"shufps", packed<V, Shufps>},
    {"shufpd", shufpd<V>},
    {"pblendw", packed<V, Pblendw>},
    {"blendps", blend_elements<V, 2>},
    {"blendpd", blend_elements<V, 4>},
    {"pblendvb", blend_variable<V, Pblendvb>},
    {"blendvps", blend_variable<V, Blendvps>},
    {"blendvpd", blend_variable<V, Blendvpd>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_shuffle_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_shuffle_rows<Fast>();
template std::span<const OpRow> sse_shuffle_rows<Observed>();

}  // namespace lastbranch::cpu
