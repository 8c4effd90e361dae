// Two-operand arithmetic and logic, and the one-operand INC, DEC, NEG, NOT.
// Source: SDM vol. 2, the page of each mnemonic; flags: vol. 1 appendix A.
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

// Each operation: run<T, kFlags>(cpu, a, b) -> result, setting the flags unless they are dead; kWrites: has a
// destination.
struct Add {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    const T r = static_cast<T>(a + b);
    if constexpr (kFlags) c.f.set_add(sext(a), sext(b), sext(r));
    return r;
  }
};
struct Sub {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    const T r = static_cast<T>(a - b);
    if constexpr (kFlags) c.f.set_sub(sext(a), sext(b), sext(r));
    return r;
  }
};
struct Cmp : Sub {
  static constexpr bool kWrites = false;
};
struct Adc {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    const bool carry = c.f.cf();
    const T r = static_cast<T>(a + b + carry);
    if constexpr (kFlags) {
      c.f.set_add(sext(a), sext(b), sext(r));
      c.f.kind = FlagKind::kAddCarry;
      c.f.word = (carry ? r <= a : r < a) ? rflags::kCF : 0;
    }
    return r;
  }
};
struct Sbb {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    const bool borrow = c.f.cf();
    const T r = static_cast<T>(a - b - borrow);
    if constexpr (kFlags) {
      c.f.set_sub(sext(a), sext(b), sext(r));
      c.f.kind = FlagKind::kSubCarry;
      c.f.word = (borrow ? a <= b : a < b) ? rflags::kCF : 0;
    }
    return r;
  }
};
template <class T, bool kFlags>
T logic(Cpu& c, T r) {
  if constexpr (kFlags) c.f.set_logic(sext(r));
  return r;
}
struct And {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    return logic<T, kFlags>(c, static_cast<T>(a & b));
  }
};
struct Test : And {
  static constexpr bool kWrites = false;
};
struct Or {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    return logic<T, kFlags>(c, static_cast<T>(a | b));
  }
};
struct Xor {
  static constexpr bool kWrites = true;
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, T b) {
    return logic<T, kFlags>(c, static_cast<T>(a ^ b));
  }
};

template <class V, class O, class T, bool kFlags>
const Insn* reg_reg(Cpu& c, const Insn* i) {
  const T r = O::template run<T, kFlags>(c, reg<T>(c, i->r0), reg<T>(c, i->r1));
  if constexpr (O::kWrites) set_reg<T>(c, i->r0, r);
  return next<V>(c, i);
}
template <class V, class O, class T, bool kFlags>
const Insn* reg_imm(Cpu& c, const Insn* i) {
  const T r = O::template run<T, kFlags>(c, reg<T>(c, i->r0), static_cast<T>(i->imm));
  if constexpr (O::kWrites) set_reg<T>(c, i->r0, r);
  return next<V>(c, i);
}
template <class V, class O, class T, bool kFlags, class Form>
const Insn* reg_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, Form::template address<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const T r = O::template run<T, kFlags>(c, reg<T>(c, i->r0), get<T>(p));
  if constexpr (O::kWrites) set_reg<T>(c, i->r0, r);
  return next<V>(c, i);
}
template <class V, class O, class T, class Form, bool kImm>
const Insn* mem_any(Cpu& c, const Insn* i) {
  const u64 a = Form::template address<V>(c, i);
  T b{};
  if constexpr (kImm)
    b = static_cast<T>(i->imm);
  else
    b = reg<T>(c, i->r1);
  if constexpr (O::kWrites) {
    u8* p = modify_ptr<T>(c, a);
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    modify_put<T>(c, a, p, O::template run<T, true>(c, get<T>(p), b));
  } else {
    const u8* p = load_ptr<T>(c, a);
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    O::template run<T, true>(c, get<T>(p), b);
  }
  return next<V>(c, i);
}

template <class V, class O>
Op bind_alu(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    const bool dead = s.flags_dead && O::kWrites;
    if (s.is(Kind::kGpr, Kind::kGpr)) return dead ? &reg_reg<V, O, T, false> : &reg_reg<V, O, T, true>;
    if (s.is(Kind::kGpr, Kind::kImm)) return dead ? &reg_imm<V, O, T, false> : &reg_imm<V, O, T, true>;
    return by_form(s, [&]<class Form>() -> Op {
      if (s.is(Kind::kGpr, Kind::kMem)) {
        return dead ? &reg_mem<V, O, T, false, Form> : &reg_mem<V, O, T, true, Form>;
      }
      if (s.is(Kind::kMem, Kind::kGpr)) return &mem_any<V, O, T, Form, false>;
      if (s.is(Kind::kMem, Kind::kImm)) return &mem_any<V, O, T, Form, true>;
      return nullptr;
    });
  });
}

// One-operand forms. INC and DEC keep CF.
struct Inc {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a) {
    const T r = static_cast<T>(a + 1);
    if constexpr (kFlags) {
      const bool carry = c.f.cf();
      c.f.set_add(sext(a), 1, sext(r));
      c.f.kind = FlagKind::kAddCarry;
      c.f.word = carry ? rflags::kCF : 0;
    }
    return r;
  }
};
struct Dec {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a) {
    const T r = static_cast<T>(a - 1);
    if constexpr (kFlags) {
      const bool carry = c.f.cf();
      c.f.set_sub(sext(a), 1, sext(r));
      c.f.kind = FlagKind::kSubCarry;
      c.f.word = carry ? rflags::kCF : 0;
    }
    return r;
  }
};
struct Neg {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a) {
    return Sub::run<T, kFlags>(c, T{0}, a);
  }
};
struct Not {
  template <class T, bool kFlags>
  static T run(Cpu&, T a) {
    return static_cast<T>(~a);
  }
};

template <class V, class O, class T, bool kFlags>
const Insn* unary_reg(Cpu& c, const Insn* i) {
  set_reg<T>(c, i->r0, O::template run<T, kFlags>(c, reg<T>(c, i->r0)));
  return next<V>(c, i);
}
template <class V, class O, class T>
const Insn* unary_mem(Cpu& c, const Insn* i) {
  const u64 a = ea<V>(c, i);
  u8* p = modify_ptr<T>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  modify_put<T>(c, a, p, O::template run<T, true>(c, get<T>(p)));
  return next<V>(c, i);
}
template <class V, class O>
Op bind_unary(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    if (s.is(Kind::kGpr)) return s.flags_dead ? &unary_reg<V, O, T, false> : &unary_reg<V, O, T, true>;
    if (s.is(Kind::kMem)) return &unary_mem<V, O, T>;
    return nullptr;
  });
}

template <class V>
constexpr OpRow kRows[] = {
    {"add", bind_alu<V, Add>},   {"or", bind_alu<V, Or>},     {"adc", bind_alu<V, Adc>},
    {"sbb", bind_alu<V, Sbb>},   {"and", bind_alu<V, And>},   {"sub", bind_alu<V, Sub>},
    {"xor", bind_alu<V, Xor>},   {"cmp", bind_alu<V, Cmp>},   {"test", bind_alu<V, Test>},
    {"inc", bind_unary<V, Inc>}, {"dec", bind_unary<V, Dec>}, {"neg", bind_unary<V, Neg>},
    {"not", bind_unary<V, Not>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_alu_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_alu_rows<Fast>();
template std::span<const OpRow> int_alu_rows<Observed>();

}  // namespace lastbranch::cpu
