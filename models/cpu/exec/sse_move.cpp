// Loads, stores and moves of XMM registers, also between them and general-purpose registers.
// Source: SDM vol. 1, "SSE Data Transfer Instructions" and its counterparts for SSE2, SSE3, SSE4.1; vol. 2.
#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"
#include "models/cpu/exec/sse_tables.h"

namespace lastbranch::cpu {
namespace {

// Moves that are operations on whole registers: the value that is written to operand 0.
struct Copy {
  static Vec run(Vec b) { return b; }
};
struct CopyLow {  ///< MOVSD xmm, xmm; MOVLPS: the low half changes
  static Vec run(Vec a, Vec b) {
    return _mm_castpd_si128(_mm_move_sd(_mm_castsi128_pd(a), _mm_castsi128_pd(b)));
  }
};
struct CopyLowest {  ///< MOVSS xmm, xmm
  static Vec run(Vec a, Vec b) {
    return _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(a), _mm_castsi128_ps(b)));
  }
};
struct CopyClear {  ///< MOVQ xmm, xmm: the high half becomes zero
  static Vec run(Vec b) { return _mm_move_epi64(b); }
};
struct LowToHigh {  ///< MOVHPS, MOVLHPS
  static Vec run(Vec a, Vec b) { return _mm_unpacklo_epi64(a, b); }
};
struct HighToLow {  ///< MOVHLPS
  static Vec run(Vec a, Vec b) {
    return _mm_castps_si128(_mm_movehl_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b)));
  }
};
LASTBRANCH_SSE_UNARY(Movddup, "movddup");
LASTBRANCH_SSE_UNARY(Movshdup, "movshdup");
LASTBRANCH_SSE_UNARY(Movsldup, "movsldup");

/// Stores the low kBytes of operand 1, or with kHigh those of its upper half.
template <class V, unsigned kBytes, class Form, bool kAligned, bool kHigh = false>
const Insn* store_xmm(Cpu& c, const Insn* i) {
  const u64 a = Form::template address<V>(c, i);
  if constexpr (kAligned) {
    if ((a & 15) != 0) [[unlikely]]
      return general_protection_at(c, i);
  }
  const u8* from = xmm(c, i->r1) + (kHigh ? 8 : 0);
  bool done = false;
  if constexpr (kBytes == 16) done = store<Vec>(c, a, get_vec<16>(from));
  if constexpr (kBytes == 8) done = store<u64>(c, a, get<u64>(from));
  if constexpr (kBytes == 4) done = store<u32>(c, a, get<u32>(from));
  if (!done) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}

/// MOVAPS and its kind: 16 bytes between registers and memory, in both directions.
template <class V, bool kAligned>
Op move16(const Shape& s, Insn&) {
  if (s.is(Kind::kXmm, Kind::kXmm)) return &from_xmm<V, Copy>;
  return by_form(s, [&]<class Form>() -> Op {
    if (s.is(Kind::kXmm, Kind::kMem)) return &from_mem<V, Copy, 16, Form, ToXmm, kAligned>;
    if (s.is(Kind::kMem, Kind::kXmm)) return &store_xmm<V, 16, Form, kAligned>;
    return nullptr;
  });
}

/// MOVSS, MOVSD: a load clears the rest of the register, a register move (Between) need not.
template <class V, unsigned kBytes, class Between>
Op move_scalar(const Shape& s, Insn&) {
  if (s.is(Kind::kXmm, Kind::kXmm)) return &from_xmm<V, Between>;
  return by_form(s, [&]<class Form>() -> Op {
    if (s.is(Kind::kXmm, Kind::kMem)) return &from_mem<V, Copy, kBytes, Form>;
    if (s.is(Kind::kMem, Kind::kXmm)) return &store_xmm<V, kBytes, Form, false>;
    return nullptr;
  });
}

/// MOVLPS, MOVHPS and the forms for doubles: one half of the register and 8 bytes of memory.
template <class V, class Load, bool kHigh>
Op move_half(const Shape& s, Insn&) {
  return by_form(s, [&]<class Form>() -> Op {
    if (s.is(Kind::kXmm, Kind::kMem)) return &from_mem<V, Load, 8, Form>;
    if (s.is(Kind::kMem, Kind::kXmm)) return &store_xmm<V, 8, Form, false, kHigh>;
    return nullptr;
  });
}

template <class V, class T>
const Insn* xmm_from_gpr(Cpu& c, const Insn* i) {
  set_xmm(c, i->r0, _mm_cvtsi64_si128(static_cast<i64>(u64{reg<T>(c, i->r1)})));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* gpr_from_xmm(Cpu& c, const Insn* i) {
  set_reg<T>(c, i->r0, get<T>(xmm(c, i->r1)));
  return next<V>(c, i);
}
/// MOVD, MOVQ: 4 or 8 bytes between XMM registers, general-purpose registers and memory.
template <class V, class T>
Op move_integer(const Shape& s, Insn& i) {
  if (s.is(Kind::kXmm, Kind::kGpr)) return &xmm_from_gpr<V, T>;
  if (s.is(Kind::kGpr, Kind::kXmm)) return &gpr_from_xmm<V, T>;
  return move_scalar<V, sizeof(T), CopyClear>(s, i);
}

template <class V, class T>
const Insn* store_gpr(Cpu& c, const Insn* i) {
  if (!store<T>(c, ea<V>(c, i), reg<T>(c, i->r1))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V>
Op movnti(const Shape& s, Insn&) {
  if (!s.is(Kind::kMem, Kind::kGpr)) return nullptr;
  return s.op[1].size == 8 ? &store_gpr<V, u64> : &store_gpr<V, u32>;
}

/// MASKMOVDQU. All 16 bytes must be writable, also those that are not written, and even with a mask of zeros
/// (the manual leaves that to the implementation).
template <class V>
const Insn* store_masked(Cpu& c, const Insn* i) {
  const u64 a = ea<V>(c, i);
  u8* p = modify_ptr<Vec>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  modify_put<Vec>(c, a, p, _mm_blendv_epi8(get_vec<16>(p), get_xmm(c, i->r0), get_xmm(c, i->r1)));
  return next<V>(c, i);
}
template <class V>
Op maskmovdqu(const Shape& s, Insn& i) {
  if (!s.is(Kind::kXmm, Kind::kXmm)) return nullptr;
  // The address is implied: RDI, or EDI, in DS or the segment of a prefix, which the decoder has put in
  // `seg`.
  i.base = kRdi * 8;
  i.index = kZeroReg;
  i.scale = s.address_size == 4 ? kAddr32 : 0;
  i.disp = 0;
  return &store_masked<V>;
}

// MOVMSKPS, MOVMSKPD, PMOVMSKB: the sign bits, zero-extended.
struct SignsPs {
  static u64 run(Vec b) { return static_cast<u32>(_mm_movemask_ps(_mm_castsi128_ps(b))); }
};
struct SignsPd {
  static u64 run(Vec b) { return static_cast<u32>(_mm_movemask_pd(_mm_castsi128_pd(b))); }
};
struct SignsBytes {
  static u64 run(Vec b) { return static_cast<u32>(_mm_movemask_epi8(b)); }
};
template <class V, class F>
Op signs(const Shape& s, Insn&) {
  return s.is(Kind::kGpr, Kind::kXmm) ? &from_xmm<V, F, ToGpr> : nullptr;
}

// PEXTRx, EXTRACTPS; the binder leaves the byte offset of the element in `r2`.
template <class V, class T>
const Insn* extract_to_gpr(Cpu& c, const Insn* i) {
  set_reg<u64>(c, i->r0, get<T>(xmm(c, i->r1) + i->r2));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* extract_to_mem(Cpu& c, const Insn* i) {
  if (!store<T>(c, ea<V>(c, i), get<T>(xmm(c, i->r1) + i->r2))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
/// Byte offset of the element of `size` bytes that an immediate selects; its upper bits are ignored.
u8 element_offset(i64 imm, std::size_t size) {
  return static_cast<u8>((static_cast<u64>(imm) * size) & 15);
}

template <class V, class T>
Op extract(const Shape& s, Insn& i) {
  if (s.kind(1) != Kind::kXmm) return nullptr;
  i.r2 = element_offset(i.imm, sizeof(T));
  return s.kind(0) == Kind::kGpr ? &extract_to_gpr<V, T> : &extract_to_mem<V, T>;
}

/// `a` with `v` in the element at byte `offset`; `v` is zero outside its low sizeof(T) bytes.
template <class T>
Vec with_element(Vec a, Vec v, u8 offset) {
  const Vec slide = get_mask(sse_tables::kSlide.data() + 16 - offset);
  const Vec hole = _mm_shuffle_epi8(_mm_cvtsi64_si128(static_cast<i64>(u64{T(~T{0})})), slide);
  return _mm_or_si128(_mm_andnot_si128(hole, a), _mm_shuffle_epi8(v, slide));
}
template <class V, class T>
const Insn* insert_gpr(Cpu& c, const Insn* i) {
  const Vec v = _mm_cvtsi64_si128(static_cast<i64>(u64{reg<T>(c, i->r1)}));
  set_xmm(c, i->r0, with_element<T>(get_xmm(c, i->r0), v, i->r2));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* insert_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const Vec v = _mm_cvtsi64_si128(static_cast<i64>(u64{get<T>(p)}));
  set_xmm(c, i->r0, with_element<T>(get_xmm(c, i->r0), v, i->r2));
  return next<V>(c, i);
}
template <class V, class T>
Op insert(const Shape& s, Insn& i) {
  if (s.kind(0) != Kind::kXmm) return nullptr;
  i.r2 = element_offset(i.imm, sizeof(T));
  return s.kind(1) == Kind::kGpr ? &insert_gpr<V, T> : &insert_mem<V, T>;
}

/// INSERTPS: imm bits 7:6 select the source element (memory has one), 5:4 the destination's, 3:0 those to
/// clear.
template <bool kFromMemory>
struct Insertps {
  static Vec run(Vec a, Vec b, i64 imm) {
    const auto control = static_cast<u8>(imm);
    if constexpr (!kFromMemory) {
      const Vec first = _mm_cvtsi32_si128(-1);
      b = _mm_and_si128(first,
                        _mm_shuffle_epi8(b, get_mask(sse_tables::kShuffleDwords[control >> 6].data())));
    }
    const Vec inserted = with_element<u32>(a, b, static_cast<u8>((control >> 4 & 3) * 4));
    return _mm_andnot_si128(get_mask(sse_tables::kDwords[control & 15].data()), inserted);
  }
};
template <class V>
Op insertps(const Shape& s, Insn&) {
  if (s.kind(1) == Kind::kXmm) return &from_xmm<V, Insertps<false>>;
  return &from_mem<V, Insertps<true>, 4>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"movaps", move16<V, true>},
    {"movapd", move16<V, true>},
    {"movdqa", move16<V, true>},
    {"movups", move16<V, false>},
    {"movupd", move16<V, false>},
    {"movdqu", move16<V, false>},
    {"lddqu", move16<V, false>},
    {"movntps", move16<V, true>},
    {"movntpd", move16<V, true>},
    {"movntdq", move16<V, true>},
    {"movntdqa", move16<V, true>},
    {"movnti", movnti<V>},
    {"maskmovdqu", maskmovdqu<V>},
    {"movss", move_scalar<V, 4, CopyLowest>},
    {"movsd", move_scalar<V, 8, CopyLow>},
    {"movd", move_integer<V, u32>},
    {"movq", move_integer<V, u64>},
    {"movlps", move_half<V, CopyLow, false>},
    {"movlpd", move_half<V, CopyLow, false>},
    {"movhps", move_half<V, LowToHigh, true>},
    {"movhpd", move_half<V, LowToHigh, true>},
    {"movhlps", packed<V, HighToLow>},
    {"movlhps", packed<V, LowToHigh>},
    {"movddup", packed_hot<V, Movddup, 8>},
    {"movshdup", packed<V, Movshdup>},
    {"movsldup", packed<V, Movsldup>},
    {"movmskps", signs<V, SignsPs>},
    {"movmskpd", signs<V, SignsPd>},
    {"pmovmskb", signs<V, SignsBytes>},
    {"pextrb", extract<V, u8>},
    {"pextrw", extract<V, u16>},
    {"pextrd", extract<V, u32>},
    {"pextrq", extract<V, u64>},
    {"extractps", extract<V, u32>},
    {"pinsrb", insert<V, u8>},
    {"pinsrw", insert<V, u16>},
    {"pinsrd", insert<V, u32>},
    {"pinsrq", insert<V, u64>},
    {"insertps", insertps<V>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_move_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_move_rows<Fast>();
template std::span<const OpRow> sse_move_rows<Observed>();

}  // namespace lastbranch::cpu
