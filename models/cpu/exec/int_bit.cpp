// Bit instructions: BT, BTS, BTR, BTC, BSF, BSR, POPCNT.
//
// Undefined flags: BT and its kin leave OF, SF, AF and PF alone; BSF and BSR set only ZF (the others are
// cleared). BSF and BSR of zero leave the destination unchanged, as Intel's processors do. Source: SDM vol.
// 2, the page of each mnemonic.
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

struct Bt {
  static constexpr bool kWrites = false;
  static u64 run(u64 v, u64) { return v; }
};
struct Bts {
  static constexpr bool kWrites = true;
  static u64 run(u64 v, u64 bit) { return v | bit; }
};
struct Btr {
  static constexpr bool kWrites = true;
  static u64 run(u64 v, u64 bit) { return v & ~bit; }
};
struct Btc {
  static constexpr bool kWrites = true;
  static u64 run(u64 v, u64 bit) { return v ^ bit; }
};

void set_carry(Flags& f, bool cf) {
  f.set_status((f.status() & ~rflags::kCF) | (cf ? rflags::kCF : 0));
}

template <class V, class O, class T, bool kImm>
const Insn* bit_reg(Cpu& c, const Insn* i) {
  const u64 n = (kImm ? static_cast<u64>(i->imm) : u64{reg<T>(c, i->r1)}) & (8 * sizeof(T) - 1);
  const T v = reg<T>(c, i->r0);
  set_carry(c.f, ((v >> n) & 1) != 0);
  if constexpr (O::kWrites) set_reg<T>(c, i->r0, static_cast<T>(O::run(v, u64{1} << n)));
  return next<V>(c, i);
}
/// With a register offset the bit string extends over all memory: the offset's upper bits select another
/// operand.
template <class V, class O, class T, bool kImm>
const Insn* bit_mem(Cpu& c, const Insn* i) {
  u64 a = ea<V>(c, i);
  u64 n = 0;
  if constexpr (kImm) {
    n = static_cast<u64>(i->imm) & (8 * sizeof(T) - 1);
  } else {
    const i64 offset = sext(reg<T>(c, i->r1));
    n = static_cast<u64>(offset) & (8 * sizeof(T) - 1);
    a += static_cast<u64>((offset >> (sizeof(T) == 8   ? 6
                                      : sizeof(T) == 4 ? 5
                                                       : 4)) *
                          static_cast<i64>(sizeof(T)));
    if constexpr (V::kObserved) c.effective_address = a;
  }
  if constexpr (O::kWrites) {
    u8* p = modify_ptr<T>(c, a);
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    const T v = get<T>(p);
    set_carry(c.f, ((v >> n) & 1) != 0);
    put<T>(p, static_cast<T>(O::run(v, u64{1} << n)));
  } else {
    const u8* p = load_ptr<T>(c, a);
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    set_carry(c.f, ((get<T>(p) >> n) & 1) != 0);
  }
  return next<V>(c, i);
}
template <class V, class O>
Op bind_bit(const Shape& s, Insn&) {
  const bool imm = s.kind(1) == Kind::kImm;
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op {
    if (s.kind(0) == Kind::kMem) return imm ? &bit_mem<V, O, T, true> : &bit_mem<V, O, T, false>;
    return imm ? &bit_reg<V, O, T, true> : &bit_reg<V, O, T, false>;
  });
}

// Scans and counts: run<T>(cpu, field, source).
struct Bsf {
  template <class T>
  static void run(Cpu& c, u8 field, T v) {
    c.f.set_status(v == 0 ? rflags::kZF : 0);
    if (v != 0) set_reg<T>(c, field, static_cast<T>(std::countr_zero(v)));
  }
};
struct Bsr {
  template <class T>
  static void run(Cpu& c, u8 field, T v) {
    c.f.set_status(v == 0 ? rflags::kZF : 0);
    if (v != 0)
      set_reg<T>(c, field, static_cast<T>(8 * sizeof(T) - 1 - static_cast<unsigned>(std::countl_zero(v))));
  }
};
struct Popcnt {
  template <class T>
  static void run(Cpu& c, u8 field, T v) {
    c.f.set_status(v == 0 ? rflags::kZF : 0);
    set_reg<T>(c, field, static_cast<T>(std::popcount(v)));
  }
};
template <class V, class O, class T>
const Insn* scan_reg(Cpu& c, const Insn* i) {
  O::template run<T>(c, i->r0, reg<T>(c, i->r1));
  return next<V>(c, i);
}
template <class V, class O, class T>
const Insn* scan_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  O::template run<T>(c, i->r0, get<T>(p));
  return next<V>(c, i);
}
template <class V, class O>
Op bind_scan(const Shape& s, Insn&) {
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op {
    return s.kind(1) == Kind::kMem ? &scan_mem<V, O, T> : &scan_reg<V, O, T>;
  });
}

template <class V>
constexpr OpRow kRows[] = {
    {"bt", bind_bit<V, Bt>},          {"bts", bind_bit<V, Bts>},  {"btr", bind_bit<V, Btr>},
    {"btc", bind_bit<V, Btc>},        {"bsf", bind_scan<V, Bsf>}, {"bsr", bind_scan<V, Bsr>},
    {"popcnt", bind_scan<V, Popcnt>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_bit_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_bit_rows<Fast>();
template std::span<const OpRow> int_bit_rows<Observed>();

}  // namespace lastbranch::cpu
