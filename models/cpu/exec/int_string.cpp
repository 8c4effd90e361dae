// String instructions: MOVS, STOS, LODS, SCAS, CMPS with REP, REPE, REPNE, and XLAT.
//
// A repeated instruction retires once. Each iteration is complete in itself: a fault in the n-th leaves RCX,
// RSI and RDI as after n-1 and RIP on the instruction, as the manual demands. Forward MOVS and STOS move
// whole runs within a page at once. Source: SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ", "MOVS", "STOS", "LODS",
// "SCAS", "CMPS", "XLAT".
#include <algorithm>

#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

/// Adds `delta` to an index or count register, at the address size (a 32-bit result clears the upper half).
void advance(Cpu& c, Gpr r, i64 delta, bool addr32) {
  const u64 v = c.r[r] + static_cast<u64>(delta);
  c.r[r] = addr32 ? static_cast<u32>(v) : v;
}
u64 index_value(const Cpu& c, Gpr r, bool addr32) {
  return addr32 ? static_cast<u32>(c.r[r]) : c.r[r];
}
u64 source(const Cpu& c, const Insn* i, bool addr32) {
  return index_value(c, kRsi, addr32) + reg<u64>(c, i->seg);
}

/// Host pointer for `size` bytes by the TLB alone; nullptr on a miss.
const u8* quick_read(const Cpu& c, u64 va, u64 size) {
  const TlbEntry& e = c.tlb->read[TlbBank::slot(va)];
  return va - e.page <= kPageSize - size ? e.host + (va - e.page) : nullptr;
}
u8* quick_write(const Cpu& c, u64 va, u64 size) {
  const TlbEntry& e = c.tlb->write[TlbBank::slot(va)];
  return va - e.page <= kPageSize - size ? e.host + (va - e.page) : nullptr;
}

/// Reads one element; false when it faults.
template <class T>
bool read_element(Cpu& c, u64 va, T& v) {
  const u8* p = quick_read(c, va, sizeof(T));
  if (p == nullptr) p = slow_load(c, va, sizeof(T));
  if (p == nullptr) return false;
  v = get<T>(p);
  return true;
}
template <class T>
bool write_element(Cpu& c, u64 va, T v) {
  if (u8* p = quick_write(c, va, sizeof(T)); p != nullptr) {
    put<T>(p, v);
    return true;
  }
  put<T>(c.scratch.data(), v);
  return slow_store(c, va, sizeof(T));
}

/// Elements that fit between `va` and the end of its page.
template <class T>
u64 run_length(u64 va) {
  return (kPageSize - (va & (kPageSize - 1))) / sizeof(T);
}

// Each operation: step(cpu, insn, addr32, delta) does one iteration, false on a fault; bulk() does many or
// returns 0.
template <class T>
struct Movs {
  static bool step(Cpu& c, const Insn* i, bool a32, i64 delta) {
    T v{};
    if (!read_element<T>(c, source(c, i, a32), v)) return false;
    if (!write_element<T>(c, index_value(c, kRdi, a32), v)) return false;
    advance(c, kRsi, delta, a32);
    advance(c, kRdi, delta, a32);
    return true;
  }
  static u64 bulk(Cpu& c, const Insn* i, u64 count) {
    const u64 from = source(c, i, false), to = c.r[kRdi];
    const u64 n = std::min({count, run_length<T>(from), run_length<T>(to)});
    if (n == 0) return 0;
    const u8* p = quick_read(c, from, n * sizeof(T));
    u8* q = quick_write(c, to, n * sizeof(T));
    if (p == nullptr || q == nullptr) return 0;
    if (q > p && q < p + n * sizeof(T)) return 0;  // overlapping: element by element replicates a pattern
    std::memmove(q, p, n * sizeof(T));
    c.r[kRsi] += n * sizeof(T);
    c.r[kRdi] += n * sizeof(T);
    return n;
  }
};
template <class T>
struct Stos {
  static bool step(Cpu& c, const Insn*, bool a32, i64 delta) {
    if (!write_element<T>(c, index_value(c, kRdi, a32), static_cast<T>(c.r[kRax]))) return false;
    advance(c, kRdi, delta, a32);
    return true;
  }
  static u64 bulk(Cpu& c, const Insn*, u64 count) {
    const u64 n = std::min(count, run_length<T>(c.r[kRdi]));
    if (n == 0) return 0;
    u8* q = quick_write(c, c.r[kRdi], n * sizeof(T));
    if (q == nullptr) return 0;
    for (u64 k = 0; k < n; ++k) put<T>(q + k * sizeof(T), static_cast<T>(c.r[kRax]));
    c.r[kRdi] += n * sizeof(T);
    return n;
  }
};
template <class T>
struct Lods {
  static bool step(Cpu& c, const Insn* i, bool a32, i64 delta) {
    T v{};
    if (!read_element<T>(c, source(c, i, a32), v)) return false;
    set_reg<T>(c, kRax * 8, v);
    advance(c, kRsi, delta, a32);
    return true;
  }
  static u64 bulk(Cpu&, const Insn*, u64) { return 0; }
};
template <class T>
struct Scas {
  static bool step(Cpu& c, const Insn*, bool a32, i64 delta) {
    T b{};
    if (!read_element<T>(c, index_value(c, kRdi, a32), b)) return false;
    const T a = static_cast<T>(c.r[kRax]);
    c.f.set_sub(sext(a), sext(b), sext(static_cast<T>(a - b)));
    advance(c, kRdi, delta, a32);
    return true;
  }
};
template <class T>
struct Cmps {
  static bool step(Cpu& c, const Insn* i, bool a32, i64 delta) {
    T a{}, b{};
    if (!read_element<T>(c, source(c, i, a32), a)) return false;
    if (!read_element<T>(c, index_value(c, kRdi, a32), b)) return false;
    c.f.set_sub(sext(a), sext(b), sext(static_cast<T>(a - b)));
    advance(c, kRsi, delta, a32);
    advance(c, kRdi, delta, a32);
    return true;
  }
};

template <class V, class O, class T>
const Insn* once(Cpu& c, const Insn* i) {
  const bool a32 = (i->scale & kAddr32) != 0;
  const i64 delta =
      (c.system_flags & rflags::kDF) != 0 ? -static_cast<i64>(sizeof(T)) : static_cast<i64>(sizeof(T));
  if constexpr (V::kObserved) c.effective_address = source(c, i, a32);
  if (!O::step(c, i, a32, delta)) return trap(c, i);
  return next<V>(c, i);
}
/// REP MOVS, STOS, LODS.
template <class V, class O, class T>
const Insn* repeat(Cpu& c, const Insn* i) {
  const bool a32 = (i->scale & kAddr32) != 0;
  const bool down = (c.system_flags & rflags::kDF) != 0;
  const i64 delta = down ? -static_cast<i64>(sizeof(T)) : static_cast<i64>(sizeof(T));
  if constexpr (V::kObserved) c.effective_address = source(c, i, a32);
  while (index_value(c, kRcx, a32) != 0) {
    u64 done = !down && !a32 ? O::bulk(c, i, c.r[kRcx]) : 0;
    if (done == 0) {
      if (!O::step(c, i, a32, delta)) return trap(c, i);
      done = 1;
    }
    advance(c, kRcx, -static_cast<i64>(done), a32);
  }
  return next<V>(c, i);
}
/// REPE and REPNE SCAS, CMPS: also end when ZF says so.
template <class V, class O, class T, bool kWhileEqual>
const Insn* repeat_compare(Cpu& c, const Insn* i) {
  const bool a32 = (i->scale & kAddr32) != 0;
  const i64 delta =
      (c.system_flags & rflags::kDF) != 0 ? -static_cast<i64>(sizeof(T)) : static_cast<i64>(sizeof(T));
  if constexpr (V::kObserved) c.effective_address = source(c, i, a32);
  while (index_value(c, kRcx, a32) != 0) {
    if (!O::step(c, i, a32, delta)) return trap(c, i);
    advance(c, kRcx, -1, a32);
    if (c.f.zf() != kWhileEqual) break;
  }
  return next<V>(c, i);
}

/// These mnemonics are shared with SSE2 ("movsd", "cmpsd"): a string instruction has no explicit register
/// operand.
bool is_string(const Shape& s) {
  return s.kind(0) != Kind::kXmm && s.kind(1) != Kind::kXmm;
}
void note_address_size(const Shape& s, Insn& insn) {
  insn.scale = s.address_size == 4 ? kAddr32 : 0;
}

template <class V, class O, class T>
Op bind_move(const Shape& s, Insn& insn) {
  if (!is_string(s)) return nullptr;
  note_address_size(s, insn);
  return s.rep || s.repne ? &repeat<V, O, T> : &once<V, O, T>;
}
template <class V, class O, class T>
Op bind_compare(const Shape& s, Insn& insn) {
  if (!is_string(s)) return nullptr;
  note_address_size(s, insn);
  if (s.rep) return &repeat_compare<V, O, T, true>;
  if (s.repne) return &repeat_compare<V, O, T, false>;
  return &once<V, O, T>;
}

/// XLAT: AL := [RBX + AL].
template <class V>
const Insn* xlat(Cpu& c, const Insn* i) {
  u64 a = c.r[kRbx] + reg<u8>(c, kRax * 8);
  if ((i->scale & kAddr32) != 0) a = static_cast<u32>(a);
  a += reg<u64>(c, i->seg);
  if constexpr (V::kObserved) c.effective_address = a;
  const u8* p = load_ptr<u8>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  set_reg<u8>(c, kRax * 8, *p);
  return next<V>(c, i);
}
template <class V>
Op bind_xlat(const Shape& s, Insn& insn) {
  note_address_size(s, insn);
  return &xlat<V>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"movsb", bind_move<V, Movs<u8>, u8>},
    {"movsw", bind_move<V, Movs<u16>, u16>},
    {"movsd", bind_move<V, Movs<u32>, u32>},
    {"movsq", bind_move<V, Movs<u64>, u64>},
    {"stosb", bind_move<V, Stos<u8>, u8>},
    {"stosw", bind_move<V, Stos<u16>, u16>},
    {"stosd", bind_move<V, Stos<u32>, u32>},
    {"stosq", bind_move<V, Stos<u64>, u64>},
    {"lodsb", bind_move<V, Lods<u8>, u8>},
    {"lodsw", bind_move<V, Lods<u16>, u16>},
    {"lodsd", bind_move<V, Lods<u32>, u32>},
    {"lodsq", bind_move<V, Lods<u64>, u64>},
    {"scasb", bind_compare<V, Scas<u8>, u8>},
    {"scasw", bind_compare<V, Scas<u16>, u16>},
    {"scasd", bind_compare<V, Scas<u32>, u32>},
    {"scasq", bind_compare<V, Scas<u64>, u64>},
    {"cmpsb", bind_compare<V, Cmps<u8>, u8>},
    {"cmpsw", bind_compare<V, Cmps<u16>, u16>},
    {"cmpsd", bind_compare<V, Cmps<u32>, u32>},
    {"cmpsq", bind_compare<V, Cmps<u64>, u64>},
    {"xlat", bind_xlat<V>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_string_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_string_rows<Fast>();
template std::span<const OpRow> int_string_rows<Observed>();

}  // namespace lastbranch::cpu
