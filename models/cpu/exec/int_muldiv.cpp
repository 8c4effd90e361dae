// Multiplication and division: MUL, IMUL (one, two and three operands), DIV, IDIV.
//
// Undefined flags: after MUL and IMUL, SF, ZF and PF are those of the low half and AF is 0; DIV and IDIV
// leave all. Source: SDM vol. 2, "MUL", "IMUL", "DIV", "IDIV".
#include <limits>

#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;

template <class T>
struct Wide;
template <>
struct Wide<u8> {
  using U = u16;
  using S = i16;
};
template <>
struct Wide<u16> {
  using U = u32;
  using S = i32;
};
template <>
struct Wide<u32> {
  using U = u64;
  using S = i64;
};
template <>
struct Wide<u64> {
  using U = u128;
  using S = i128;
};

constexpr u8 kRaxField = kRax * 8, kRdxField = kRdx * 8;

/// Writes a double-width result to AX, or to the halves rDX:rAX.
template <class T>
void set_pair(Cpu& c, T low, T high) {
  if constexpr (sizeof(T) == 1) {
    set_reg<u16>(c, kRaxField, static_cast<u16>(low | (high << 8)));
  } else {
    set_reg<T>(c, kRaxField, low);
    set_reg<T>(c, kRdxField, high);
  }
}

template <class T>
void set_multiply_flags(Cpu& c, T low, bool overflow) {
  c.f.set_res(sext(low), overflow ? rflags::kCF | rflags::kOF : 0);
}

struct Mul {
  template <class T>
  static void run(Cpu& c, T b) {
    using W = typename Wide<T>::U;
    const W r = static_cast<W>(static_cast<W>(reg<T>(c, kRaxField)) * static_cast<W>(b));
    const T low = static_cast<T>(r), high = static_cast<T>(r >> (8 * sizeof(T)));
    set_pair<T>(c, low, high);
    set_multiply_flags<T>(c, low, high != 0);
  }
};
template <class T>
auto signed_product(T a, T b) {
  using W = typename Wide<T>::S;
  using S = std::make_signed_t<T>;
  return static_cast<W>(static_cast<W>(static_cast<S>(a)) * static_cast<W>(static_cast<S>(b)));
}
struct Imul {
  template <class T>
  static void run(Cpu& c, T b) {
    const auto r = signed_product<T>(reg<T>(c, kRaxField), b);
    const T low = static_cast<T>(r), high = static_cast<T>(r >> (8 * sizeof(T)));
    set_pair<T>(c, low, high);
    set_multiply_flags<T>(c, low, r != static_cast<std::make_signed_t<T>>(low));
  }
};

template <class V, class O, class T>
const Insn* multiply_reg(Cpu& c, const Insn* i) {
  O::template run<T>(c, reg<T>(c, i->r0));
  return next<V>(c, i);
}
template <class V, class O, class T>
const Insn* multiply_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  O::template run<T>(c, get<T>(p));
  return next<V>(c, i);
}

/// IMUL with a destination register: kImm has the second factor in the instruction.
template <class V, class T, bool kMem, bool kImm, bool kFlags>
const Insn* imul_to(Cpu& c, const Insn* i) {
  T b{};
  if constexpr (kMem) {
    const u8* p = load_ptr<T>(c, ea<V>(c, i));
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    b = get<T>(p);
  } else {
    b = reg<T>(c, i->r1);
  }
  T a{};
  if constexpr (kImm)
    a = static_cast<T>(i->imm);
  else
    a = reg<T>(c, i->r0);
  if constexpr (kFlags) {
    const auto r = signed_product<T>(a, b);
    const T low = static_cast<T>(r);
    set_reg<T>(c, i->r0, low);
    set_multiply_flags<T>(c, low, r != static_cast<std::make_signed_t<T>>(low));
  } else {
    set_reg<T>(c, i->r0, static_cast<T>(u64{a} * u64{b}));
  }
  return next<V>(c, i);
}

template <class V>
Op bind_imul(const Shape& s, Insn&) {
  if (s.count == 1) {
    return by_size(s.op[0].size, [&]<class T>() -> Op {
      return s.kind(0) == Kind::kMem ? &multiply_mem<V, Imul, T> : &multiply_reg<V, Imul, T>;
    });
  }
  const bool mem = s.kind(1) == Kind::kMem, imm = s.count == 3;
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op {
    if (mem) return imm ? &imul_to<V, T, true, true, true> : &imul_to<V, T, true, false, true>;
    if (s.flags_dead) return imm ? &imul_to<V, T, false, true, false> : &imul_to<V, T, false, false, false>;
    return imm ? &imul_to<V, T, false, true, true> : &imul_to<V, T, false, false, true>;
  });
}
template <class V>
Op bind_mul(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    return s.kind(0) == Kind::kMem ? &multiply_mem<V, Mul, T> : &multiply_reg<V, Mul, T>;
  });
}

/// Divides rDX:rAX (AX for bytes) by `b`; false for #DE: division by zero or a quotient that does not fit.
struct Div {
  template <class T>
  static bool run(Cpu& c, T b) {
    using W = typename Wide<T>::U;
    if (b == 0) return false;
    const T high = sizeof(T) == 1 ? reg<T>(c, kRaxField + 1) : reg<T>(c, kRdxField);
    const T low = reg<T>(c, kRaxField);
    if (high >= b) return false;
    if constexpr (sizeof(T) == 8) {
      if (high == 0) {
        set_pair<T>(c, low / b, low % b);
        return true;
      }
    }
    const W a = static_cast<W>((static_cast<W>(high) << (8 * sizeof(T))) | low);
    set_pair<T>(c, static_cast<T>(a / b), static_cast<T>(a % b));
    return true;
  }
};
struct Idiv {
  template <class T>
  static bool run(Cpu& c, T divisor) {
    using U = typename Wide<T>::U;
    using W = typename Wide<T>::S;
    using S = std::make_signed_t<T>;
    const W b = static_cast<W>(sext(divisor));
    if (b == 0) return false;
    const T high = sizeof(T) == 1 ? reg<T>(c, kRaxField + 1) : reg<T>(c, kRdxField);
    const T low = reg<T>(c, kRaxField);
    if constexpr (sizeof(T) == 8) {
      if (high == static_cast<T>(static_cast<S>(low) >> 63) && !(b == -1 && low == T{1} << 63)) {
        set_pair<T>(c, static_cast<T>(static_cast<S>(low) / static_cast<S>(divisor)),
                    static_cast<T>(static_cast<S>(low) % static_cast<S>(divisor)));
        return true;
      }
    }
    const U bits = static_cast<U>((static_cast<U>(high) << (8 * sizeof(T))) | low);
    const W a = static_cast<W>(bits);
    // The most negative dividend by -1 overflows the host's division too.
    if (b == -1 && bits == static_cast<U>(U{1} << (16 * sizeof(T) - 1))) return false;
    const W q = static_cast<W>(a / b);
    if (q < std::numeric_limits<S>::min() || q > std::numeric_limits<S>::max()) return false;
    set_pair<T>(c, static_cast<T>(q), static_cast<T>(a % b));
    return true;
  }
};
template <class V, class O, class T, bool kMem>
const Insn* divide(Cpu& c, const Insn* i) {
  T b{};
  if constexpr (kMem) {
    const u8* p = load_ptr<T>(c, ea<V>(c, i));
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    b = get<T>(p);
  } else {
    b = reg<T>(c, i->r0);
  }
  if (!O::template run<T>(c, b)) [[unlikely]]
    return trap(c, i, Fault{.vector = Vector::kDE});
  return next<V>(c, i);
}
template <class V, class O>
Op bind_divide(const Shape& s, Insn&) {
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    return s.kind(0) == Kind::kMem ? &divide<V, O, T, true> : &divide<V, O, T, false>;
  });
}

template <class V>
constexpr OpRow kRows[] = {
    {"mul", bind_mul<V>},
    {"imul", bind_imul<V>},
    {"div", bind_divide<V, Div>},
    {"idiv", bind_divide<V, Idiv>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_muldiv_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_muldiv_rows<Fast>();
template std::span<const OpRow> int_muldiv_rows<Observed>();

}  // namespace lastbranch::cpu
