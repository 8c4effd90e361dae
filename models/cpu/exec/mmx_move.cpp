// Moves between MM registers, GPRs, XMM registers and memory; EMMS.
// Not modelled: write combining of MOVNTQ and MASKMOVQ (they are ordinary stores).
// Source: SDM vol. 2, the page of each mnemonic.
#include "models/cpu/exec/mmx.h"

namespace lastbranch::cpu {
namespace {

/// mm := zero-extended GPR or memory of T.
template <class V, class T>
const Insn* mm_from_gpr(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_mm(c, i->r0, u64{reg<T>(c, i->r1)});
  return next<V>(c, i);
}
template <class V, class T>
const Insn* mm_from_memory(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  enter_mmx(c);
  set_mm(c, i->r0, u64{get<T>(p)});
  return next<V>(c, i);
}
template <class V, class T>
const Insn* gpr_from_mm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_reg<T>(c, i->r0, static_cast<T>(c.x87.physical[i->r1].mantissa));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* memory_from_mm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  if (!store<T>(c, ea<V>(c, i), static_cast<T>(c.x87.physical[i->r1].mantissa))) [[unlikely]]
    return trap(c, i);
  enter_mmx(c);
  return next<V>(c, i);
}
template <class V>
const Insn* mm_from_mm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_mm(c, i->r0, c.x87.physical[i->r1].mantissa);
  return next<V>(c, i);
}
template <class V>
const Insn* xmm_from_mm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_xmm(c, i->r0, get_mm(c, i->r1));
  return next<V>(c, i);
}
template <class V>
const Insn* mm_from_xmm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_mm(c, i->r0, get_xmm(c, i->r1));
  return next<V>(c, i);
}

/// MOVD and MOVQ: T is u32 or u64.
template <class V, class T>
Op bind_move(const Shape& s, Insn&) {
  if (s.is(Kind::kMmx, Kind::kGpr)) return &mm_from_gpr<V, T>;
  if (s.is(Kind::kMmx, Kind::kMem)) return &mm_from_memory<V, T>;
  if (s.is(Kind::kGpr, Kind::kMmx)) return &gpr_from_mm<V, T>;
  if (s.is(Kind::kMem, Kind::kMmx)) return &memory_from_mm<V, T>;
  if (s.is(Kind::kMmx, Kind::kMmx)) return &mm_from_mm<V>;
  return nullptr;
}
template <class V>
Op bind_store_quad(const Shape& s, Insn&) {
  return s.is(Kind::kMem, Kind::kMmx) ? &memory_from_mm<V, u64> : nullptr;
}
template <class V>
Op bind_to_xmm(const Shape& s, Insn&) {
  return s.is(Kind::kXmm, Kind::kMmx) ? &xmm_from_mm<V> : nullptr;
}
template <class V>
Op bind_from_xmm(const Shape& s, Insn&) {
  return s.is(Kind::kMmx, Kind::kXmm) ? &mm_from_xmm<V> : nullptr;
}

/// One bit per byte.
template <class V>
const Insn* sign_mask(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_reg<u32>(c, i->r0, static_cast<u32>(_mm_movemask_epi8(get_mm(c, i->r1))));
  return next<V>(c, i);
}
template <class V>
Op bind_sign_mask(const Shape& s, Insn&) {
  return s.is(Kind::kGpr, Kind::kMmx) ? &sign_mask<V> : nullptr;
}

/// Bit position of the word that an immediate selects.
[[gnu::always_inline]] inline unsigned word_shift(i64 imm) {
  return 16 * (static_cast<unsigned>(imm) & 3);
}

template <class V>
const Insn* extract_word(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  enter_mmx(c);
  set_reg<u32>(c, i->r0, static_cast<u16>(c.x87.physical[i->r1].mantissa >> word_shift(i->imm)));
  return next<V>(c, i);
}
template <class V>
Op bind_extract_word(const Shape& s, Insn&) {
  return s.is(Kind::kGpr, Kind::kMmx, Kind::kImm) ? &extract_word<V> : nullptr;
}

[[gnu::always_inline]] inline void insert(Cpu& c, const Insn* i, u16 word) {
  enter_mmx(c);
  const unsigned at = word_shift(i->imm);
  set_mm(c, i->r0, (c.x87.physical[i->r0].mantissa & ~(u64{0xffff} << at)) | u64{word} << at);
}
template <class V>
const Insn* insert_register(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  insert(c, i, reg<u16>(c, i->r1));
  return next<V>(c, i);
}
template <class V>
const Insn* insert_memory(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  const u8* p = load_ptr<u16>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  insert(c, i, get<u16>(p));
  return next<V>(c, i);
}
template <class V>
Op bind_insert_word(const Shape& s, Insn&) {
  if (s.is(Kind::kMmx, Kind::kGpr, Kind::kImm)) return &insert_register<V>;
  if (s.is(Kind::kMmx, Kind::kMem, Kind::kImm)) return &insert_memory<V>;
  return nullptr;
}

/// Stores the bytes of r0 whose byte in r1 has its sign set. All eight must be writable, also those that are
/// not written.
template <class V>
const Insn* mask_store(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  const u64 a = ea<V>(c, i);
  u8* p = modify_ptr<u64>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const Vec merged = _mm_blendv_epi8(get_vec<8>(p), get_mm(c, i->r0), get_mm(c, i->r1));
  modify_put<u64>(c, a, p, static_cast<u64>(_mm_cvtsi128_si64(merged)));
  enter_mmx(c);
  return next<V>(c, i);
}
template <class V>
Op bind_mask_store(const Shape& s, Insn& i) {
  // The address is implied: RDI, or EDI, in DS or the segment of a prefix, which the decoder leaves in `seg`.
  i.base = kRdi * 8;
  i.index = kZeroReg;
  i.scale = s.address_size == 4 ? kAddr32 : 0;
  i.disp = 0;
  return &mask_store<V>;
}

/// Empties all registers; TOP becomes zero, as with every MMX instruction.
template <class V>
const Insn* empty_state(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  c.x87.top = 0;
  c.x87.valid = 0;
  return next<V>(c, i);
}
template <class V>
Op bind_empty_state(const Shape&, Insn&) {
  return &empty_state<V>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"movd", bind_move<V, u32>},      {"movq", bind_move<V, u64>},     {"movntq", bind_store_quad<V>},
    {"movq2dq", bind_to_xmm<V>},      {"movdq2q", bind_from_xmm<V>},   {"pmovmskb", bind_sign_mask<V>},
    {"pextrw", bind_extract_word<V>}, {"pinsrw", bind_insert_word<V>}, {"maskmovq", bind_mask_store<V>},
    {"emms", bind_empty_state<V>},
};

}  // namespace

template <class V>
std::span<const OpRow> mmx_move_rows() {
  return kRows<V>;
}
template std::span<const OpRow> mmx_move_rows<Fast>();
template std::span<const OpRow> mmx_move_rows<Observed>();

}  // namespace lastbranch::cpu
