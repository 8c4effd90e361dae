// Packed integers in XMM registers: arithmetic, logic (also that of floating-point elements), compares,
// shifts of elements.
//
// Source: SDM vol. 1, "SSE2 128-Bit SIMD Integer Instructions" and its counterparts for SSE, SSSE3, SSE4.1,
// SSE4.2; vol. 2.
#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"
#include "models/cpu/exec/sse_tables.h"

namespace lastbranch::cpu {
namespace {

LASTBRANCH_SSE_BINARY(Paddb, "paddb");
LASTBRANCH_SSE_BINARY(Paddw, "paddw");
LASTBRANCH_SSE_BINARY(Paddd, "paddd");
LASTBRANCH_SSE_BINARY(Paddq, "paddq");
LASTBRANCH_SSE_BINARY(Paddsb, "paddsb");
LASTBRANCH_SSE_BINARY(Paddsw, "paddsw");
LASTBRANCH_SSE_BINARY(Paddusb, "paddusb");
LASTBRANCH_SSE_BINARY(Paddusw, "paddusw");
LASTBRANCH_SSE_BINARY(Psubb, "psubb");
LASTBRANCH_SSE_BINARY(Psubw, "psubw");
LASTBRANCH_SSE_BINARY(Psubd, "psubd");
LASTBRANCH_SSE_BINARY(Psubq, "psubq");
LASTBRANCH_SSE_BINARY(Psubsb, "psubsb");
LASTBRANCH_SSE_BINARY(Psubsw, "psubsw");
LASTBRANCH_SSE_BINARY(Psubusb, "psubusb");
LASTBRANCH_SSE_BINARY(Psubusw, "psubusw");
LASTBRANCH_SSE_BINARY(Phaddw, "phaddw");
LASTBRANCH_SSE_BINARY(Phaddd, "phaddd");
LASTBRANCH_SSE_BINARY(Phaddsw, "phaddsw");
LASTBRANCH_SSE_BINARY(Phsubw, "phsubw");
LASTBRANCH_SSE_BINARY(Phsubd, "phsubd");
LASTBRANCH_SSE_BINARY(Phsubsw, "phsubsw");
LASTBRANCH_SSE_BINARY(Psignb, "psignb");
LASTBRANCH_SSE_BINARY(Psignw, "psignw");
LASTBRANCH_SSE_BINARY(Psignd, "psignd");
LASTBRANCH_SSE_BINARY(Pmullw, "pmullw");
LASTBRANCH_SSE_BINARY(Pmulhw, "pmulhw");
LASTBRANCH_SSE_BINARY(Pmulhuw, "pmulhuw");
LASTBRANCH_SSE_BINARY(Pmulhrsw, "pmulhrsw");
LASTBRANCH_SSE_BINARY(Pmulld, "pmulld");
LASTBRANCH_SSE_BINARY(Pmuldq, "pmuldq");
LASTBRANCH_SSE_BINARY(Pmuludq, "pmuludq");
LASTBRANCH_SSE_BINARY(Pmaddwd, "pmaddwd");
LASTBRANCH_SSE_BINARY(Pmaddubsw, "pmaddubsw");
LASTBRANCH_SSE_BINARY(Psadbw, "psadbw");
LASTBRANCH_SSE_BINARY(Pavgb, "pavgb");
LASTBRANCH_SSE_BINARY(Pavgw, "pavgw");
LASTBRANCH_SSE_BINARY(Pminsb, "pminsb");
LASTBRANCH_SSE_BINARY(Pminsw, "pminsw");
LASTBRANCH_SSE_BINARY(Pminsd, "pminsd");
LASTBRANCH_SSE_BINARY(Pminub, "pminub");
LASTBRANCH_SSE_BINARY(Pminuw, "pminuw");
LASTBRANCH_SSE_BINARY(Pminud, "pminud");
LASTBRANCH_SSE_BINARY(Pmaxsb, "pmaxsb");
LASTBRANCH_SSE_BINARY(Pmaxsw, "pmaxsw");
LASTBRANCH_SSE_BINARY(Pmaxsd, "pmaxsd");
LASTBRANCH_SSE_BINARY(Pmaxub, "pmaxub");
LASTBRANCH_SSE_BINARY(Pmaxuw, "pmaxuw");
LASTBRANCH_SSE_BINARY(Pmaxud, "pmaxud");
LASTBRANCH_SSE_UNARY(Pabsb, "pabsb");
LASTBRANCH_SSE_UNARY(Pabsw, "pabsw");
LASTBRANCH_SSE_UNARY(Pabsd, "pabsd");
LASTBRANCH_SSE_UNARY(Phminposuw, "phminposuw");

LASTBRANCH_SSE_BINARY(And, "pand");
LASTBRANCH_SSE_BINARY(Andn, "pandn");
LASTBRANCH_SSE_BINARY(Or, "por");
LASTBRANCH_SSE_BINARY(Xor, "pxor");

LASTBRANCH_SSE_BINARY(Pcmpeqb, "pcmpeqb");
LASTBRANCH_SSE_BINARY(Pcmpeqw, "pcmpeqw");
LASTBRANCH_SSE_BINARY(Pcmpeqd, "pcmpeqd");
LASTBRANCH_SSE_BINARY(Pcmpeqq, "pcmpeqq");
LASTBRANCH_SSE_BINARY(Pcmpgtb, "pcmpgtb");
LASTBRANCH_SSE_BINARY(Pcmpgtw, "pcmpgtw");
LASTBRANCH_SSE_BINARY(Pcmpgtd, "pcmpgtd");
LASTBRANCH_SSE_BINARY(Pcmpgtq, "pcmpgtq");

// Shifts of elements: the count is the low quadword of the source, or an immediate.
LASTBRANCH_SSE_BINARY(Psllw, "psllw");
LASTBRANCH_SSE_BINARY(Pslld, "pslld");
LASTBRANCH_SSE_BINARY(Psllq, "psllq");
LASTBRANCH_SSE_BINARY(Psrlw, "psrlw");
LASTBRANCH_SSE_BINARY(Psrld, "psrld");
LASTBRANCH_SSE_BINARY(Psrlq, "psrlq");
LASTBRANCH_SSE_BINARY(Psraw, "psraw");
LASTBRANCH_SSE_BINARY(Psrad, "psrad");

template <class V, class F>
const Insn* shift_imm(Cpu& c, const Insn* i) {
  set_xmm(c, i->r0, F::run(get_xmm(c, i->r0), _mm_cvtsi64_si128(static_cast<u8>(i->imm))));
  return next<V>(c, i);
}
template <class V, class F>
Op shift(const Shape& s, Insn& i) {
  if (s.is(Kind::kXmm, Kind::kImm)) return &shift_imm<V, F>;
  return packed<V, F>(s, i);
}

/// MPSADBW: immediate bit 2 chooses the group of bytes in `a`, bits 1:0 the four bytes of `b`.
struct Mpsadbw {
  static Vec run(Vec a, Vec b, i64 imm) {
    const Vec group = _mm_shuffle_epi8(a, get_mask(sse_tables::kSlide.data() + 16 + (imm & 4)));
    const Vec block = _mm_shuffle_epi8(b, get_mask(sse_tables::kShuffleDwords[imm & 3].data()));
    return _mm_mpsadbw_epu8(group, block, 0);
  }
};

/// PTEST: ZF = no common bit, CF = no bit of b outside a.
struct Ptest {
  static u32 run(Vec a, Vec b) {
    return (_mm_testz_si128(a, b) != 0 ? u32{rflags::kZF} : 0) |
           (_mm_testc_si128(a, b) != 0 ? u32{rflags::kCF} : 0);
  }
};

template <class V>
constexpr OpRow kRows[] = {
    {"paddb", packed_hot<V, Paddb>},     {"paddw", packed_hot<V, Paddw>},
    {"paddd", packed_hot<V, Paddd>},     {"paddq", packed_hot<V, Paddq>},
    {"paddsb", packed<V, Paddsb>},       {"paddsw", packed<V, Paddsw>},
    {"paddusb", packed<V, Paddusb>},     {"paddusw", packed<V, Paddusw>},
    {"psubb", packed_hot<V, Psubb>},     {"psubw", packed_hot<V, Psubw>},
    {"psubd", packed_hot<V, Psubd>},     {"psubq", packed_hot<V, Psubq>},
    {"psubsb", packed<V, Psubsb>},       {"psubsw", packed<V, Psubsw>},
    {"psubusb", packed<V, Psubusb>},     {"psubusw", packed<V, Psubusw>},
    {"phaddw", packed<V, Phaddw>},       {"phaddd", packed<V, Phaddd>},
    {"phaddsw", packed<V, Phaddsw>},     {"phsubw", packed<V, Phsubw>},
    {"phsubd", packed<V, Phsubd>},       {"phsubsw", packed<V, Phsubsw>},
    {"psignb", packed<V, Psignb>},       {"psignw", packed<V, Psignw>},
    {"psignd", packed<V, Psignd>},       {"pmullw", packed<V, Pmullw>},
    {"pmulhw", packed<V, Pmulhw>},       {"pmulhuw", packed<V, Pmulhuw>},
    {"pmulhrsw", packed<V, Pmulhrsw>},   {"pmulld", packed<V, Pmulld>},
    {"pmuldq", packed<V, Pmuldq>},       {"pmuludq", packed_hot<V, Pmuludq>},
    {"pmaddwd", packed<V, Pmaddwd>},     {"pmaddubsw", packed<V, Pmaddubsw>},
    {"psadbw", packed<V, Psadbw>},       {"mpsadbw", packed<V, Mpsadbw>},
    {"pavgb", packed<V, Pavgb>},         {"pavgw", packed<V, Pavgw>},
    {"pminsb", packed<V, Pminsb>},       {"pminsw", packed<V, Pminsw>},
    {"pminsd", packed<V, Pminsd>},       {"pminub", packed_hot<V, Pminub>},
    {"pminuw", packed<V, Pminuw>},       {"pminud", packed<V, Pminud>},
    {"pmaxsb", packed<V, Pmaxsb>},       {"pmaxsw", packed<V, Pmaxsw>},
    {"pmaxsd", packed<V, Pmaxsd>},       {"pmaxub", packed<V, Pmaxub>},
    {"pmaxuw", packed<V, Pmaxuw>},       {"pmaxud", packed<V, Pmaxud>},
    {"pabsb", packed<V, Pabsb>},         {"pabsw", packed<V, Pabsw>},
    {"pabsd", packed<V, Pabsd>},         {"phminposuw", packed<V, Phminposuw>},

    {"pand", packed_hot<V, And>},        {"andps", packed_hot<V, And>},
    {"andpd", packed_hot<V, And>},       {"pandn", packed_hot<V, Andn>},
    {"andnps", packed_hot<V, Andn>},     {"andnpd", packed_hot<V, Andn>},
    {"por", packed_hot<V, Or>},          {"orps", packed_hot<V, Or>},
    {"orpd", packed_hot<V, Or>},         {"pxor", packed_hot<V, Xor>},
    {"xorps", packed_hot<V, Xor>},       {"xorpd", packed_hot<V, Xor>},
    {"ptest", flags_from<V, Ptest, 16>},

    {"pcmpeqb", packed_hot<V, Pcmpeqb>}, {"pcmpeqw", packed<V, Pcmpeqw>},
    {"pcmpeqd", packed_hot<V, Pcmpeqd>}, {"pcmpeqq", packed<V, Pcmpeqq>},
    {"pcmpgtb", packed<V, Pcmpgtb>},     {"pcmpgtw", packed<V, Pcmpgtw>},
    {"pcmpgtd", packed<V, Pcmpgtd>},     {"pcmpgtq", packed<V, Pcmpgtq>},

    {"psllw", shift<V, Psllw>},          {"pslld", shift<V, Pslld>},
    {"psllq", shift<V, Psllq>},          {"psrlw", shift<V, Psrlw>},
    {"psrld", shift<V, Psrld>},          {"psrlq", shift<V, Psrlq>},
    {"psraw", shift<V, Psraw>},          {"psrad", shift<V, Psrad>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_int_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_int_rows<Fast>();
template std::span<const OpRow> sse_int_rows<Observed>();

}  // namespace lastbranch::cpu
