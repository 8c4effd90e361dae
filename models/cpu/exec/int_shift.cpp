// Shifts and rotates: SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD.
//
// Undefined flags: OF after counts above 1 is computed as for a count of 1 from the final state, AF is
// cleared by shifts. Source: SDM vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD".
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

template <class T>
inline constexpr unsigned kBits = 8 * sizeof(T);
/// The count is masked to 5 bits, to 6 for 64-bit operands.
template <class T>
inline constexpr unsigned kCountMask = sizeof(T) == 8 ? 63 : 31;

u64 cf_of(bool cf, bool of) {
  return (cf ? rflags::kCF : 0) | (of ? rflags::kOF : 0);
}

template <class T>
bool top(T v) {
  return (v >> (kBits<T> - 1)) != 0;
}

/// A rotate writes CF and OF and keeps the other four.
void set_carry_overflow(Flags& f, bool cf, bool of) {
  if (f.kind == FlagKind::kWord) {
    f.word = (f.word & ~static_cast<u32>(rflags::kCF | rflags::kOF)) | static_cast<u32>(cf_of(cf, of));
  } else {
    f.set_res(f.res, cf_of(cf, of) | (f.af() ? rflags::kAF : 0));
  }
}

// Each operation: run<T, kFlags>(cpu, a, n) with n masked and not 0.
struct Shl {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    const T r = n < kBits<T> ? static_cast<T>(a << n) : T{0};
    if constexpr (kFlags) {
      const bool cf = n <= kBits<T> && ((a >> (kBits<T> - n)) & 1) != 0;
      c.f.set_res(sext(r), cf_of(cf, top(r) != cf));
    }
    return r;
  }
};
struct Shr {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    const T r = n < kBits<T> ? static_cast<T>(a >> n) : T{0};
    if constexpr (kFlags) {
      const bool cf = n <= kBits<T> && ((a >> (n - 1)) & 1) != 0;
      c.f.set_res(sext(r), cf_of(cf, top(a)));
    }
    return r;
  }
};
struct Sar {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    const i64 wide = sext(a);
    const T r = static_cast<T>(wide >> n);
    if constexpr (kFlags) c.f.set_res(sext(r), cf_of(((wide >> (n - 1)) & 1) != 0, false));
    return r;
  }
};
struct Rol {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    const T r = std::rotl(a, static_cast<int>(n % kBits<T>));
    if constexpr (kFlags) set_carry_overflow(c.f, (r & 1) != 0, top(r) != ((r & 1) != 0));
    return r;
  }
};
struct Ror {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    const T r = std::rotr(a, static_cast<int>(n % kBits<T>));
    if constexpr (kFlags) set_carry_overflow(c.f, top(r), top(r) != top(static_cast<T>(r << 1)));
    return r;
  }
};
struct Rcl {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    bool cf = c.f.cf();
    T r = a;
    for (n %= kBits<T> + 1; n != 0; --n) {
      const bool out = top(r);
      r = static_cast<T>((r << 1) | (cf ? 1 : 0));
      cf = out;
    }
    set_carry_overflow(c.f, cf, top(r) != cf);
    return r;
  }
};
struct Rcr {
  template <class T, bool kFlags>
  static T run(Cpu& c, T a, unsigned n) {
    bool cf = c.f.cf();
    T r = a;
    for (n %= kBits<T> + 1; n != 0; --n) {
      const bool out = (r & 1) != 0;
      r = static_cast<T>((r >> 1) | (static_cast<T>(cf) << (kBits<T> - 1)));
      cf = out;
    }
    set_carry_overflow(c.f, cf, top(r) != top(static_cast<T>(r << 1)));
    return r;
  }
};

template <class V, class O, class T, bool kFlags>
const Insn* reg_imm(Cpu& c, const Insn* i) {
  const unsigned n = static_cast<unsigned>(i->imm) & kCountMask<T>;
  T r = reg<T>(c, i->r0);
  if (n != 0) [[likely]]
    r = O::template run<T, kFlags>(c, r, n);
  set_reg<T>(c, i->r0, r);
  return next<V>(c, i);
}
template <class V, class O, class T>
const Insn* reg_cl(Cpu& c, const Insn* i) {
  const unsigned n = reg<u8>(c, kRcx * 8) & kCountMask<T>;
  T r = reg<T>(c, i->r0);
  if (n != 0) r = O::template run<T, true>(c, r, n);
  set_reg<T>(c, i->r0, r);
  return next<V>(c, i);
}
template <class V, class O, class T, bool kCl>
const Insn* mem_count(Cpu& c, const Insn* i) {
  const unsigned n = (kCl ? reg<u8>(c, kRcx * 8) : static_cast<unsigned>(i->imm)) & kCountMask<T>;
  const u64 a = ea<V>(c, i);
  u8* p = modify_ptr<T>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  if (n != 0) modify_put<T>(c, a, p, O::template run<T, true>(c, get<T>(p), n));
  return next<V>(c, i);
}

template <class V, class O>
Op bind_shift(const Shape& s, Insn& insn) {
  if (s.count == 1) insn.imm = 1;
  const bool cl = s.count == 2 && s.kind(1) == Kind::kGpr;
  return by_size(s.op[0].size, [&]<class T>() -> Op {
    if (s.kind(0) == Kind::kMem) return cl ? &mem_count<V, O, T, true> : &mem_count<V, O, T, false>;
    if (cl) return &reg_cl<V, O, T>;
    return s.flags_dead ? &reg_imm<V, O, T, false> : &reg_imm<V, O, T, true>;
  });
}

// Double shifts. A count beyond a 16-bit operand is undefined; this rotates the pair as Intel's cores do not
// promise.
struct Shld {
  template <class T>
  static T run(Cpu& c, T a, T b, unsigned n) {
    T r{};
    bool cf = false;
    if constexpr (sizeof(T) == 2) {
      const u64 pair = (static_cast<u64>(a) << 32) | (static_cast<u64>(b) << 16) | a;
      r = static_cast<T>((pair << n) >> 32);
      cf = ((pair >> (48 - n)) & 1) != 0;
    } else {
      r = static_cast<T>((a << n) | (b >> (kBits<T> - n)));
      cf = ((a >> (kBits<T> - n)) & 1) != 0;
    }
    c.f.set_res(sext(r), cf_of(cf, top(r) != top(a)));
    return r;
  }
};
struct Shrd {
  template <class T>
  static T run(Cpu& c, T a, T b, unsigned n) {
    T r{};
    bool cf = false;
    if constexpr (sizeof(T) == 2) {
      const u64 pair = (static_cast<u64>(a) << 32) | (static_cast<u64>(b) << 16) | a;
      r = static_cast<T>(pair >> n);
      cf = ((pair >> (n - 1)) & 1) != 0;
    } else {
      r = static_cast<T>((a >> n) | (b << (kBits<T> - n)));
      cf = ((a >> (n - 1)) & 1) != 0;
    }
    c.f.set_res(sext(r), cf_of(cf, top(r) != top(a)));
    return r;
  }
};

template <class V, class O, class T, bool kMem, bool kCl>
const Insn* double_shift(Cpu& c, const Insn* i) {
  const unsigned n = (kCl ? reg<u8>(c, kRcx * 8) : static_cast<unsigned>(i->imm)) & kCountMask<T>;
  const T b = reg<T>(c, i->r1);
  if constexpr (kMem) {
    const u64 a = ea<V>(c, i);
    u8* p = modify_ptr<T>(c, a);
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    if (n != 0) modify_put<T>(c, a, p, O::template run<T>(c, get<T>(p), b, n));
  } else {
    T r = reg<T>(c, i->r0);
    if (n != 0) r = O::template run<T>(c, r, b, n);
    set_reg<T>(c, i->r0, r);
  }
  return next<V>(c, i);
}
template <class V, class O>
Op bind_double(const Shape& s, Insn&) {
  const bool mem = s.kind(0) == Kind::kMem;
  const bool cl = s.kind(2) == Kind::kGpr;
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op {
    if (mem) return cl ? &double_shift<V, O, T, true, true> : &double_shift<V, O, T, true, false>;
    return cl ? &double_shift<V, O, T, false, true> : &double_shift<V, O, T, false, false>;
  });
}

template <class V>
constexpr OpRow kRows[] = {
    {"shl", bind_shift<V, Shl>},    {"sal", bind_shift<V, Shl>}, {"shr", bind_shift<V, Shr>},
    {"sar", bind_shift<V, Sar>},    {"rol", bind_shift<V, Rol>}, {"ror", bind_shift<V, Ror>},
    {"rcl", bind_shift<V, Rcl>},    {"rcr", bind_shift<V, Rcr>}, {"shld", bind_double<V, Shld>},
    {"shrd", bind_double<V, Shrd>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_shift_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_shift_rows<Fast>();
template std::span<const OpRow> int_shift_rows<Observed>();

}  // namespace lastbranch::cpu
