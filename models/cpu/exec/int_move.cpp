// Data movement between registers and memory: MOV, MOVZX, MOVSX, LEA, XCHG, XADD, CMPXCHG, BSWAP and the
// sign extensions of the accumulator.
// A LOCK prefix changes nothing here: instructions execute one after another.
// Source: SDM vol. 2, the page of each mnemonic.
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

template <class V, class T>
const Insn* mov_reg_reg(Cpu& c, const Insn* i) {
  set_reg<T>(c, i->r0, reg<T>(c, i->r1));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* mov_reg_imm(Cpu& c, const Insn* i) {
  set_reg<T>(c, i->r0, static_cast<T>(i->imm));
  return next<V>(c, i);
}
template <class V, class T, class Form>
const Insn* mov_reg_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, Form::template address<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  set_reg<T>(c, i->r0, get<T>(p));
  return next<V>(c, i);
}
template <class V, class T, class Form>
const Insn* mov_mem_reg(Cpu& c, const Insn* i) {
  if (!store<T>(c, Form::template address<V>(c, i), reg<T>(c, i->r1))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V, class T, class Form>
const Insn* mov_mem_imm(Cpu& c, const Insn* i) {
  if (!store<T>(c, Form::template address<V>(c, i), static_cast<T>(i->imm))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V>
Op bind_mov(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    if (s.is(Kind::kGpr, Kind::kGpr)) return &mov_reg_reg<V, T>;
    if (s.is(Kind::kGpr, Kind::kImm)) return &mov_reg_imm<V, T>;
    return by_form(s, [&]<class Form>() -> Op {
      if (s.is(Kind::kGpr, Kind::kMem)) return &mov_reg_mem<V, T, Form>;
      if (s.is(Kind::kMem, Kind::kGpr)) return &mov_mem_reg<V, T, Form>;
      if (s.is(Kind::kMem, Kind::kImm)) return &mov_mem_imm<V, T, Form>;
      return nullptr;
    });
  });
}

// MOVZX, MOVSX, MOVSXD: T from S.
template <class T, class S, bool kSigned>
[[gnu::always_inline]] inline T widen(S v) {
  if constexpr (kSigned)
    return static_cast<T>(sext(v));
  else
    return static_cast<T>(v);
}
template <class V, class T, class S, bool kSigned>
const Insn* widen_reg(Cpu& c, const Insn* i) {
  set_reg<T>(c, i->r0, widen<T, S, kSigned>(reg<S>(c, i->r1)));
  return next<V>(c, i);
}
template <class V, class T, class S, bool kSigned, class Form>
const Insn* widen_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<S>(c, Form::template address<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  set_reg<T>(c, i->r0, widen<T, S, kSigned>(get<S>(p)));
  return next<V>(c, i);
}
template <class V, bool kSigned>
Op bind_widen(const Shape& s, Insn&) {
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op {
    return by_size(s.op[1].size, [&]<class S>() -> Op {
      if constexpr (sizeof(S) > sizeof(T) || sizeof(S) == 8) {
        return nullptr;
      } else {
        if (s.kind(1) == Kind::kGpr) return &widen_reg<V, T, S, kSigned>;
        return by_form(s, [&]<class Form>() -> Op { return &widen_mem<V, T, S, kSigned, Form>; });
      }
    });
  });
}

/// LEA computes the offset: no segment base.
template <class V, class T>
const Insn* lea(Cpu& c, const Insn* i) {
  const u64 a =
      reg<u64>(c, i->base) + (reg<u64>(c, i->index) << (i->scale & kScaleMask)) + static_cast<u64>(i->disp);
  set_reg<T>(c, i->r0, static_cast<T>((i->scale & kAddr32) != 0 ? static_cast<u32>(a) : a));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* lea_base(Cpu& c, const Insn* i) {
  set_reg<T>(c, i->r0, static_cast<T>(reg<u64>(c, i->base) + static_cast<u64>(i->disp)));
  return next<V>(c, i);
}
template <class V>
Op bind_lea(const Shape& s, Insn&) {
  return by_wide_size(s.op[0].size,
                      [&]<class T>() -> Op { return s.base_only ? &lea_base<V, T> : &lea<V, T>; });
}

template <class V, class T>
const Insn* xchg_reg(Cpu& c, const Insn* i) {
  const T a = reg<T>(c, i->r0), b = reg<T>(c, i->r1);
  set_reg<T>(c, i->r0, b);
  set_reg<T>(c, i->r1, a);
  return next<V>(c, i);
}
template <class V, class T>
const Insn* xchg_mem(Cpu& c, const Insn* i) {
  u8* p = modify_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const T old = get<T>(p);
  put<T>(p, reg<T>(c, i->r1));
  set_reg<T>(c, i->r1, old);
  return next<V>(c, i);
}
template <class V>
Op bind_xchg(const Shape& s, Insn& insn) {
  if (s.is(Kind::kGpr, Kind::kMem)) insn.r1 = insn.r0;  // the order of operands means nothing
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    return s.is(Kind::kGpr, Kind::kGpr) ? &xchg_reg<V, T> : &xchg_mem<V, T>;
  });
}

template <class V, class T, bool kMem>
const Insn* xadd(Cpu& c, const Insn* i) {
  const T b = reg<T>(c, i->r1);
  T a{};
  u8* p = nullptr;
  if constexpr (kMem) {
    p = modify_ptr<T>(c, ea<V>(c, i));
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    a = get<T>(p);
  } else {
    a = reg<T>(c, i->r0);
  }
  const T r = static_cast<T>(a + b);
  c.f.set_add(sext(a), sext(b), sext(r));
  set_reg<T>(c, i->r1, a);
  if constexpr (kMem)
    put<T>(p, r);
  else
    set_reg<T>(c, i->r0, r);
  return next<V>(c, i);
}
template <class V>
Op bind_xadd(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    return s.kind(0) == Kind::kMem ? &xadd<V, T, true> : &xadd<V, T, false>;
  });
}

template <class V, class T, bool kMem>
const Insn* cmpxchg(Cpu& c, const Insn* i) {
  const T accumulator = reg<T>(c, kRax * 8);
  T old{};
  u8* p = nullptr;
  if constexpr (kMem) {
    p = modify_ptr<T>(c, ea<V>(c, i));  // the destination is always written
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    old = get<T>(p);
  } else {
    old = reg<T>(c, i->r0);
  }
  c.f.set_sub(sext(accumulator), sext(old), sext(static_cast<T>(accumulator - old)));
  if (accumulator == old) {
    if constexpr (kMem)
      put<T>(p, reg<T>(c, i->r1));
    else
      set_reg<T>(c, i->r0, reg<T>(c, i->r1));
  } else {
    if constexpr (!kMem) set_reg<T>(c, i->r0, old);
    set_reg<T>(c, kRax * 8, old);
  }
  return next<V>(c, i);
}
template <class V>
Op bind_cmpxchg(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    return s.kind(0) == Kind::kMem ? &cmpxchg<V, T, true> : &cmpxchg<V, T, false>;
  });
}

/// CMPXCHG8B (T = u32) and CMPXCHG16B (T = u64): rDX:rAX against memory, rCX:rBX in. Writes only ZF.
template <class V, class T>
const Insn* cmpxchg_pair(Cpu& c, const Insn* i) {
  struct Pair {
    T low, high;
  };
  const u64 a = ea<V>(c, i);
  if (sizeof(T) == 8 && (a & 15) != 0) [[unlikely]]
    return trap(c, i, general_protection());
  u8* p = modify_ptr<Pair>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const Pair old = get<Pair>(p);
  const bool equal = old.low == reg<T>(c, kRax * 8) && old.high == reg<T>(c, kRdx * 8);
  if (equal) {
    put<Pair>(p, Pair{reg<T>(c, kRbx * 8), reg<T>(c, kRcx * 8)});
  } else {
    set_reg<T>(c, kRax * 8, old.low);
    set_reg<T>(c, kRdx * 8, old.high);
  }
  c.f.set_status((c.f.status() & ~rflags::kZF) | (equal ? rflags::kZF : 0));
  return next<V>(c, i);
}
template <class V, class T>
Op bind_cmpxchg_pair(const Shape& s, Insn&) {
  return s.kind(0) == Kind::kMem ? &cmpxchg_pair<V, T> : nullptr;
}

template <class V, class T>
const Insn* bswap(Cpu& c, const Insn* i) {
  if constexpr (sizeof(T) == 8) set_reg<u64>(c, i->r0, __builtin_bswap64(reg<u64>(c, i->r0)));
  if constexpr (sizeof(T) == 4) set_reg<u32>(c, i->r0, __builtin_bswap32(reg<u32>(c, i->r0)));
  if constexpr (sizeof(T) == 2) set_reg<u16>(c, i->r0, 0);  // undefined by the manual; the hardware clears it
  return next<V>(c, i);
}
template <class V>
Op bind_bswap(const Shape& s, Insn&) {
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op { return &bswap<V, T>; });
}

/// CBW, CWDE, CDQE: rAX from its lower half.
template <class V, class T, class S>
const Insn* extend_rax(Cpu& c, const Insn* i) {
  set_reg<T>(c, kRax * 8, static_cast<T>(sext(reg<S>(c, kRax * 8))));
  return next<V>(c, i);
}
/// CWD, CDQ, CQO: rDX from the sign of rAX.
template <class V, class T>
const Insn* extend_rdx(Cpu& c, const Insn* i) {
  set_reg<T>(c, kRdx * 8, static_cast<T>(sext(reg<T>(c, kRax * 8)) >> 63));
  return next<V>(c, i);
}
template <class V, class T, class S>
Op bind_extend_rax(const Shape&, Insn&) {
  return &extend_rax<V, T, S>;
}
template <class V, class T>
Op bind_extend_rdx(const Shape&, Insn&) {
  return &extend_rdx<V, T>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"cbw", bind_extend_rax<V, u16, u8>},
    {"mov", bind_mov<V>},
    {"movzx", bind_widen<V, false>},
    {"movsx", bind_widen<V, true>},
    {"movsxd", bind_widen<V, true>},
    {"lea", bind_lea<V>},
    {"xchg", bind_xchg<V>},
    {"xadd", bind_xadd<V>},
    {"cmpxchg", bind_cmpxchg<V>},
    {"cmpxchg8b", bind_cmpxchg_pair<V, u32>},
    {"cmpxchg16b", bind_cmpxchg_pair<V, u64>},
    {"bswap", bind_bswap<V>},
    {"cwde", bind_extend_rax<V, u32, u16>},
    {"cdqe", bind_extend_rax<V, u64, u32>},
    {"cwd", bind_extend_rdx<V, u16>},
    {"cdq", bind_extend_rdx<V, u32>},
    {"cqo", bind_extend_rdx<V, u64>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_move_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_move_rows<Fast>();
template std::span<const OpRow> int_move_rows<Observed>();

}  // namespace lastbranch::cpu
