#pragma once
// The vocabulary of the execution functions.
//
// Every function has the type Op, is a template over the variant V, and ends with `return next<V>(c, i)`.
// With LASTBRANCH_THREADED that is a jump to the next instruction's function (a sibling call, which the
// compiler makes as long as no local's address escapes); without, a return to a loop. Operand fields are
// filled by the decoder: explicit operand 0 in r0 or, if memory, in base/index/scale/seg/disp; operand 1
// likewise in r1; an immediate in imm.
#include <type_traits>

#include "models/cpu/cpu.h"
#include "models/cpu/mem.h"
#include "models/cpu/shape.h"

namespace lastbranch::cpu {

/// The plain variant: nothing is told to anybody per instruction.
struct Fast {
  static constexpr bool kObserved = false;
};
/// Leaves effective addresses in Cpu::effective_address and calls Cpu::observer after each instruction.
struct Observed {
  static constexpr bool kObserved = true;
};

template <class V>
[[gnu::always_inline]] inline const Insn* next(Cpu& c, const Insn* i) {
  if constexpr (V::kObserved) c.observer(c.observer_self, c, i);
#if LASTBRANCH_THREADED
  return i[1].fn(c, i + 1);
#else
  (void)c;
  return i + 1;
#endif
}

/// The instruction at `i` could not complete: a memory access missed the TLB, or a fault is pending.
[[gnu::always_inline]] inline const Insn* trap(Cpu& c, const Insn* i) {
  return resolve(c, i);
}
/// Leaves the interpreter with a fault of the instruction at `i`, which had no effect.
[[gnu::always_inline]] inline const Insn* trap(Cpu& c, const Insn* i, Fault fault) {
  c.fault = fault;
  c.miss = Miss::kNone;
  c.exit = Exit::kFault;
  return resolve(c, i);
}

/// Register operand `field` (a byte offset in Cpu::r) as T.
template <class T>
[[gnu::always_inline]] inline T reg(const Cpu& c, u8 field) {
  return get<T>(reinterpret_cast<const u8*>(c.r.data()) + field);
}
/// Writes a register operand; 32-bit writes clear the upper half, 8- and 16-bit writes keep the rest.
template <class T>
[[gnu::always_inline]] inline void set_reg(Cpu& c, u8 field, T v) {
  u8* p = reinterpret_cast<u8*>(c.r.data()) + field;
  if constexpr (sizeof(T) == 4) {
    put<u64>(p, static_cast<u32>(v));
  } else {
    put<T>(p, v);
  }
}

/// An XMM register operand (byte offset in Cpu::xmm).
[[gnu::always_inline]] inline u8* xmm(Cpu& c, u8 field) {
  return reinterpret_cast<u8*>(c.xmm.data()) + field;
}

/// Effective (linear) address of the memory operand, any form.
template <class V>
[[gnu::always_inline]] inline u64 ea(Cpu& c, const Insn* i) {
  u64 a =
      reg<u64>(c, i->base) + (reg<u64>(c, i->index) << (i->scale & kScaleMask)) + static_cast<u64>(i->disp);
  if (i->scale & kAddr32) [[unlikely]]
    a = static_cast<u32>(a);
  a += reg<u64>(c, i->seg);
  if constexpr (V::kObserved) c.effective_address = a;
  return a;
}

/// Effective address of base + displacement, the form of most operands (Shape::base_only).
template <class V>
[[gnu::always_inline]] inline u64 ea_base(Cpu& c, const Insn* i) {
  const u64 a = reg<u64>(c, i->base) + static_cast<u64>(i->disp);
  if constexpr (V::kObserved) c.effective_address = a;
  return a;
}

/// Sign-extends T's bits to the 64 bits in which flags are kept.
template <class T>
[[gnu::always_inline]] inline i64 sext(T v) {
  return static_cast<i64>(static_cast<std::make_signed_t<T>>(v));
}

}  // namespace lastbranch::cpu
