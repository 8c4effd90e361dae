#pragma once
// What the MMX files share: MM registers, the transition from x87, and the forms `mm, mm/m` [, imm8].
//
// MMn is the low half of physical x87 register n. Every MMX instruction makes all registers valid and TOP
// zero; one that writes MMn sets the exponent and sign of that register to ones.
//
// An operation is an object with operator()(Vec, Vec) or (Vec, Vec, i64 imm), of whose result the low 64 bits
// count; the upper halves of its operands are zero.
//
// Sources: SDM vol. 1 "Programming with Intel MMX Technology"; vol. 3A "Intel MMX Technology System
// Programming".
#include "models/cpu/exec/sse.h"
#include "models/cpu/exec/x87_ops.h"

namespace lastbranch::cpu {

[[gnu::always_inline]] inline Vec get_mm(const Cpu& c, u8 n) {
  return _mm_loadl_epi64(reinterpret_cast<const Vec*>(&c.x87.physical[n].mantissa));
}
[[gnu::always_inline]] inline void set_mm(Cpu& c, u8 n, u64 v) {
  c.x87.physical[n].mantissa = v;
  c.x87.physical[n].sign_exponent = 0xffff;
}
[[gnu::always_inline]] inline void set_mm(Cpu& c, u8 n, Vec v) {
  set_mm(c, n, static_cast<u64>(_mm_cvtsi128_si64(v)));
}

/// The transition; the caller has seen that the instruction will complete.
[[gnu::always_inline]] inline void enter_mmx(Cpu& c) {
  c.x87.top = 0;
  c.x87.valid = 0xff;
}

/// CR0.EM is #UD here, where x87 instructions answer #NM; TS and pending exceptions are as for x87.
[[gnu::noinline, gnu::cold]] inline const Insn* mmx_blocked(Cpu& c, const Insn* i) {
  if ((c.cr0 & x87::kCr0Em) != 0) return trap(c, i, {Vector::kUD, false, 0, 0});
  return trap(c, i, x87::block_reason(c));
}

template <auto kOperation>
[[gnu::always_inline]] inline void execute_mmx(Cpu& c, const Insn* i, Vec b) {
  enter_mmx(c);
  if constexpr (requires { kOperation(b, b, i->imm); }) {
    set_mm(c, i->r0, kOperation(get_mm(c, i->r0), b, i->imm));
  } else {
    set_mm(c, i->r0, kOperation(get_mm(c, i->r0), b));
  }
}

template <class V, auto kOperation>
const Insn* mm_mm(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  execute_mmx<kOperation>(c, i, get_mm(c, i->r1));
  return next<V>(c, i);
}
template <class V, auto kOperation, unsigned kBytes>
const Insn* mm_mem(Cpu& c, const Insn* i) {
  if (x87::blocked(c)) [[unlikely]]
    return mmx_blocked(c, i);
  const u8* p = load_ptr<BytesOf<kBytes>>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  execute_mmx<kOperation>(c, i, get_vec<kBytes>(p));
  return next<V>(c, i);
}

/// Binds `mm, mm/m` [, imm8] with a memory operand of kBytes.
template <class V, auto kOperation, unsigned kBytes = 8>
Op bind_mmx(const Shape& s, Insn&) {
  if (s.kind(0) != Kind::kMmx) return nullptr;
  if (s.kind(1) == Kind::kMmx) return &mm_mm<V, kOperation>;
  if (s.kind(1) == Kind::kMem) return &mm_mem<V, kOperation, kBytes>;
  return nullptr;
}

}  // namespace lastbranch::cpu
