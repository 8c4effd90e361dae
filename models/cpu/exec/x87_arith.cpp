// x87 basic arithmetic: FADD, FMUL, FSUB(R), FDIV(R) with their P and I forms, FSQRT, FABS, FCHS, FRNDINT,
// FSCALE, FXTRACT, FPREM, FPREM1.
//
// Source: SDM vol. 2, the page of each mnemonic; vol. 1 "Basic Arithmetic Instructions".
#include "models/cpu/exec/x87_ops.h"

namespace lastbranch::cpu::x87 {
namespace {

enum class From : u8 { kF32, kF64, kI16, kI32 };

// Each operation: ST = ST op operand.
#define LASTBRANCH_X87_ARITH(Name, op)                         \
  struct Name {                                                \
    static void reg() { asm volatile("f" op " %st(1), %st"); } \
    template <From kFrom>                                      \
    static void mem(const u8* p) {                             \
      if constexpr (kFrom == From::kF32)                       \
        asm volatile("f" op "s %0" : : "m"(bytes<4>(p)));      \
      else if constexpr (kFrom == From::kF64)                  \
        asm volatile("f" op "l %0" : : "m"(bytes<8>(p)));      \
      else if constexpr (kFrom == From::kI16)                  \
        asm volatile("fi" op "s %0" : : "m"(bytes<2>(p)));     \
      else                                                     \
        asm volatile("fi" op "l %0" : : "m"(bytes<4>(p)));     \
    }                                                          \
  };
LASTBRANCH_X87_ARITH(Add, "add")
LASTBRANCH_X87_ARITH(Mul, "mul")
LASTBRANCH_X87_ARITH(Sub, "sub")
LASTBRANCH_X87_ARITH(SubR, "subr")
LASTBRANCH_X87_ARITH(Div, "div")
LASTBRANCH_X87_ARITH(DivR, "divr")
#undef LASTBRANCH_X87_ARITH

enum class Into : u8 { kTop, kNth, kNthPop };

template <class O, Into kInto>
[[gnu::noinline]] void arith(Cpu& c, unsigned n) {
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  const unsigned to = kInto == Into::kTop ? 0 : n;
  const unsigned from = kInto == Into::kTop ? n : 0;
  if (!full(f, 0) || !full(f, n)) [[unlikely]] {
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else {
    HostFpu host(f);
    host.push(st(f, from));
    host.push(st(f, to));
    host.start();
    O::reg();
    const u16 status = host.stop();
    host.pop(r);
    host.drop();
    settle(f, status, fsw::kC1);
    if (withheld(f, status, fsw::kBefore)) return;
  }
  write(f, to, r);
  if constexpr (kInto == Into::kNthPop) pop(f);
}

template <class O, From kFrom, class T>
[[gnu::noinline]] bool arith_memory(Cpu& c, u64 a) {
  const u8* p = load_ptr<T>(c, a);
  if (p == nullptr) [[unlikely]]
    return false;
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  if (!full(f, 0)) [[unlikely]] {
    if (!stack_fault(f, StackFault::kUnderflow)) return true;
  } else {
    HostFpu host(f);
    host.push(st(f, 0));
    host.start();
    O::template mem<kFrom>(p);
    const u16 status = host.stop();
    host.pop(r);
    settle(f, status, fsw::kC1);
    if (withheld(f, status, fsw::kBefore)) return true;
  }
  write(f, 0, r);
  return true;
}

template <class V, class O>
Op bind_arith(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.kind(0) == Kind::kMem) {
    if (s.op[0].size == 4) return &memory_form<V, arith_memory<O, From::kF32, u32>>;
    return &memory_form<V, arith_memory<O, From::kF64, u64>>;
  }
  // The escape byte D8 writes ST(0), DC writes ST(i).
  return (s.fop >> 8) == 0 ? &register_form<V, arith<O, Into::kTop>>
                           : &register_form<V, arith<O, Into::kNth>>;
}
template <class V, class O>
Op bind_arith_integer(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.op[0].size == 2) return &memory_form<V, arith_memory<O, From::kI16, u16>>;
  return &memory_form<V, arith_memory<O, From::kI32, u32>>;
}

// FABS and FCHS look at nothing but the sign.
struct Abs {
  static u16 run(u16 sign_exponent) { return sign_exponent & 0x7fff; }
};
struct Chs {
  static u16 run(u16 sign_exponent) { return sign_exponent ^ 0x8000; }
};
template <class O>
[[gnu::noinline]] void sign(Cpu& c, unsigned) {
  X87& f = c.x87;
  if (!full(f, 0)) [[unlikely]] {
    if (stack_fault(f, StackFault::kUnderflow)) write(f, 0, kIndefinite);
    return;
  }
  st(f, 0).sign_exponent = O::run(st(f, 0).sign_exponent);
  f.status &= static_cast<u16>(~fsw::kC1);
}

// ST = op(ST), or op(ST, ST(1)) when kBinary; kWritten condition codes come from the host.
struct Sqrt {
  static constexpr bool kBinary = false;
  static constexpr u16 kWritten = fsw::kC1;
  static void run() { asm volatile("fsqrt"); }
};
struct RoundToInteger {
  static constexpr bool kBinary = false;
  static constexpr u16 kWritten = fsw::kC1;
  static void run() { asm volatile("frndint"); }
};
struct Scale {
  static constexpr bool kBinary = true;
  static constexpr u16 kWritten = fsw::kC1;
  static void run() { asm volatile("fscale"); }
};
template <class O>
[[gnu::noinline]] void in_place(Cpu& c, unsigned) {
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  if (!full(f, 0) || (O::kBinary && !full(f, 1))) [[unlikely]] {
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else {
    HostFpu host(f);
    if constexpr (O::kBinary) host.push(st(f, 1));
    host.push(st(f, 0));
    host.start();
    O::run();
    const u16 status = host.stop();
    host.pop(r);
    if constexpr (O::kBinary) host.drop();
    settle(f, status, O::kWritten);
    if (withheld(f, status, fsw::kBefore)) return;
  }
  write(f, 0, r);
}

struct Truncating {
  static void run() { asm volatile("fprem"); }
};
struct Nearest {
  static void run() { asm volatile("fprem1"); }
};
/// FPREM, FPREM1: C0, C3, C1 are the low bits of the quotient where there is one, C2 says that the reduction
/// goes on.
template <class O>
[[gnu::noinline]] void remainder(Cpu& c, unsigned) {
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  if (!full(f, 0) || !full(f, 1)) [[unlikely]] {
    f.status &= static_cast<u16>(~fsw::kC2);
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else {
    HostFpu host(f);
    host.push(st(f, 1));
    host.push(st(f, 0));
    host.start();
    O::run();
    const u16 status = host.stop();
    host.pop(r);
    host.drop();
    const bool keeps = withheld(f, status, fsw::kBefore);
    if (keeps || (r.sign_exponent & 0x7fff) == 0x7fff) {
      settle(f, status & fsw::kSticky, fsw::kC1 | fsw::kC2);
    } else {
      settle(f, status, fsw::kCodes);
    }
    if (keeps) return;
  }
  write(f, 0, r);
}

/// ST becomes the exponent, the significand is pushed.
[[gnu::noinline]] void extract(Cpu& c, unsigned) {
  X87& f = c.x87;
  X87Slot exponent = kIndefinite, significand = kIndefinite;
  if (!full(f, 0)) [[unlikely]] {
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else if (full(f, 7)) [[unlikely]] {
    if (!stack_fault(f, StackFault::kOverflow)) return;
  } else {
    HostFpu host(f);
    host.push(st(f, 0));
    host.start();
    asm volatile("fxtract");
    const u16 status = host.stop();
    host.pop(significand);
    host.pop(exponent);
    settle(f, status, fsw::kC1);
    if (withheld(f, status, fsw::kBefore)) return;
  }
  write(f, 0, exponent);
  push(f, significand);
}

template <class V, class O>
constexpr Bind kInPlace = &bind_register<V, in_place<O>>;

template <class V>
constexpr OpRow kRows[] = {
    {"fadd", bind_arith<V, Add>},
    {"fmul", bind_arith<V, Mul>},
    {"fsub", bind_arith<V, Sub>},
    {"fsubr", bind_arith<V, SubR>},
    {"fdiv", bind_arith<V, Div>},
    {"fdivr", bind_arith<V, DivR>},
    {"faddp", bind_register<V, arith<Add, Into::kNthPop>>},
    {"fmulp", bind_register<V, arith<Mul, Into::kNthPop>>},
    {"fsubp", bind_register<V, arith<Sub, Into::kNthPop>>},
    {"fsubrp", bind_register<V, arith<SubR, Into::kNthPop>>},
    {"fdivp", bind_register<V, arith<Div, Into::kNthPop>>},
    {"fdivrp", bind_register<V, arith<DivR, Into::kNthPop>>},
    {"fiadd", bind_arith_integer<V, Add>},
    {"fimul", bind_arith_integer<V, Mul>},
    {"fisub", bind_arith_integer<V, Sub>},
    {"fisubr", bind_arith_integer<V, SubR>},
    {"fidiv", bind_arith_integer<V, Div>},
    {"fidivr", bind_arith_integer<V, DivR>},
    {"fabs", bind_register<V, sign<Abs>>},
    {"fchs", bind_register<V, sign<Chs>>},
    {"fsqrt", kInPlace<V, Sqrt>},
    {"frndint", kInPlace<V, RoundToInteger>},
    {"fscale", kInPlace<V, Scale>},
    {"fprem", bind_register<V, remainder<Truncating>>},
    {"fprem1", bind_register<V, remainder<Nearest>>},
    {"fxtract", bind_register<V, extract>},
};

}  // namespace
}  // namespace lastbranch::cpu::x87

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> x87_arith_rows() {
  return x87::kRows<V>;
}
template std::span<const OpRow> x87_arith_rows<Fast>();
template std::span<const OpRow> x87_arith_rows<Observed>();

}  // namespace lastbranch::cpu
