// x87 data transfer: FLD, FST(P), FILD, FIST(P), FISTTP, FBLD, FBSTP, FXCH, FCMOVcc and the constants.
// Source: SDM vol. 1 "Data Transfer Instructions", "Load Constant Instructions"; vol. 2, the page of each
// mnemonic.
#include "models/cpu/exec/x87_ops.h"

namespace lastbranch::cpu::x87 {
namespace {

/// An 80-bit memory operand: extended real or packed decimal.
struct Bytes10 {
  u8 b[10];
};

/// Pushes, or takes the response to a full stack.
void push_checked(X87& f, const X87Slot& v) {
  if (full(f, 7)) [[unlikely]] {
    if (stack_fault(f, StackFault::kOverflow)) push(f, kIndefinite);
    return;
  }
  f.status &= static_cast<u16>(~fsw::kC1);
  push(f, v);
}

// Loads that convert: run() pushes the operand onto the host's stack. Those of reals can raise IE and DE;
// unmasked, only IE keeps them from pushing.
struct LoadF32 {
  using Value = u32;
  static void run(const u8* p) { asm volatile("flds %0" : : "m"(bytes<4>(p))); }
};
struct LoadF64 {
  using Value = u64;
  static void run(const u8* p) { asm volatile("fldl %0" : : "m"(bytes<8>(p))); }
};
struct LoadI16 {
  using Value = u16;
  static void run(const u8* p) { asm volatile("filds %0" : : "m"(bytes<2>(p))); }
};
struct LoadI32 {
  using Value = u32;
  static void run(const u8* p) { asm volatile("fildl %0" : : "m"(bytes<4>(p))); }
};
struct LoadI64 {
  using Value = u64;
  static void run(const u8* p) { asm volatile("fildll %0" : : "m"(bytes<8>(p))); }
};
struct LoadBcd {
  using Value = Bytes10;
  static void run(const u8* p) { asm volatile("fbld %0" : : "m"(bytes<10>(p))); }
};

template <class O>
[[gnu::noinline]] bool load(Cpu& c, u64 a) {
  const u8* p = load_ptr<typename O::Value>(c, a);
  if (p == nullptr) [[unlikely]]
    return false;
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  if (!full(f, 7)) [[likely]] {
    HostFpu host(f);
    host.start();
    O::run(p);
    const u16 status = host.stop();
    host.pop(r);
    settle(f, status, fsw::kC1);
    if (withheld(f, status, fsw::kIE)) return true;
  } else if (!stack_fault(f, StackFault::kOverflow)) {
    return true;
  }
  push(f, r);
  return true;
}

[[gnu::noinline]] bool load_extended(Cpu& c, u64 a) {
  const u8* p = load_ptr<Bytes10>(c, a);
  if (p == nullptr) [[unlikely]]
    return false;
  push_checked(c.x87, {get<u64>(p), get<u16>(p + 8), {}});
  return true;
}

[[gnu::noinline]] void load_register(Cpu& c, unsigned n) {
  X87& f = c.x87;
  if (!full(f, n)) [[unlikely]] {
    if (stack_fault(f, StackFault::kUnderflow)) push(f, kIndefinite);
    return;
  }
  const X87Slot v = st(f, n);
  push_checked(f, v);
}

// Constants: run() pushes onto the host's stack, under the guest's rounding control.
#define LASTBRANCH_X87_CONSTANT(Name, op)   \
  struct Name {                             \
    static void run() { asm volatile(op); } \
  };
LASTBRANCH_X87_CONSTANT(One, "fld1")
LASTBRANCH_X87_CONSTANT(Log2Ten, "fldl2t")
LASTBRANCH_X87_CONSTANT(Log2E, "fldl2e")
LASTBRANCH_X87_CONSTANT(Pi, "fldpi")
LASTBRANCH_X87_CONSTANT(Log10Two, "fldlg2")
LASTBRANCH_X87_CONSTANT(LogETwo, "fldln2")
LASTBRANCH_X87_CONSTANT(Zero, "fldz")
#undef LASTBRANCH_X87_CONSTANT

template <class O>
[[gnu::noinline]] void constant(Cpu& c, unsigned) {
  X87Slot v;
  {
    HostFpu host(c.x87);
    host.start();
    O::run();
    host.stop();
    host.pop(v);
  }
  push_checked(c.x87, v);
}

// Stores that convert: run() pops the host's stack into `v`; kInvalid is stored for a masked invalid operand.
struct StoreF32 {
  using Value = u32;
  static constexpr Value kInvalid = 0xffc00000;
  static void run(Value& v) { asm volatile("fstps %0" : "+m"(v)); }
};
struct StoreF64 {
  using Value = u64;
  static constexpr Value kInvalid = u64{0xfff8} << 48;
  static void run(Value& v) { asm volatile("fstpl %0" : "+m"(v)); }
};
struct StoreI16 {
  using Value = u16;
  static constexpr Value kInvalid = 0x8000;
  static void run(Value& v) { asm volatile("fistps %0" : "+m"(v)); }
};
struct StoreI32 {
  using Value = u32;
  static constexpr Value kInvalid = 0x80000000;
  static void run(Value& v) { asm volatile("fistpl %0" : "+m"(v)); }
};
struct StoreI64 {
  using Value = u64;
  static constexpr Value kInvalid = u64{1} << 63;
  static void run(Value& v) { asm volatile("fistpll %0" : "+m"(v)); }
};
struct TruncateI16 : StoreI16 {
  static void run(Value& v) { asm volatile("fisttps %0" : "+m"(v)); }
};
struct TruncateI32 : StoreI32 {
  static void run(Value& v) { asm volatile("fisttpl %0" : "+m"(v)); }
};
struct TruncateI64 : StoreI64 {
  static void run(Value& v) { asm volatile("fisttpll %0" : "+m"(v)); }
};
struct StoreBcd {
  using Value = Bytes10;
  static constexpr Value kInvalid{{0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff}};
  static void run(Value& v) { asm volatile("fbstp %0" : "+m"(v)); }
};

/// Stores `v`, or only makes sure that it could be: the memory operand of an instruction that an unmasked
/// exception keeps from storing faults all the same. False: the access failed.
template <class T>
[[gnu::always_inline]] inline bool store_unless(Cpu& c, bool withhold, u64 a, const T& v) {
  return withhold ? probe_store(c, a, sizeof(T)) : store<T>(c, a, v);
}

/// The response of a store to an empty ST: what `v` holds is stored if the fault is masked. False: the access
/// failed.
template <class T>
bool store_nothing(Cpu& c, u64 a, const T& v, bool pops) {
  X87& f = c.x87;
  if (!store_unless<T>(c, (f.control & fsw::kIE) == 0, a, v)) return false;
  if (stack_fault(f, StackFault::kUnderflow) && pops) pop(f);
  return true;
}

template <class O, bool kPop>
[[gnu::noinline]] bool store_top(Cpu& c, u64 a) {
  using T = typename O::Value;
  X87& f = c.x87;
  T v = O::kInvalid;
  if (!full(f, 0)) [[unlikely]]
    return store_nothing<T>(c, a, v, kPop);
  HostFpu host(f);
  host.push(st(f, 0));
  host.start();
  O::run(v);
  const u16 status = host.stop();
  const bool kept = withheld(f, status, fsw::kNoStore);
  if (!store_unless<T>(c, kept, a, v)) [[unlikely]]
    return false;
  settle(f, status, fsw::kC1);
  if (kPop && !kept) pop(f);
  return true;
}

[[gnu::noinline]] bool store_extended(Cpu& c, u64 a) {
  X87& f = c.x87;
  const auto image = [](const X87Slot& s) {
    Bytes10 v;
    put<u64>(v.b, s.mantissa);
    put<u16>(v.b + 8, s.sign_exponent);
    return v;
  };
  if (!full(f, 0)) [[unlikely]]
    return store_nothing<Bytes10>(c, a, image(kIndefinite), true);
  if (!store<Bytes10>(c, a, image(st(f, 0)))) [[unlikely]]
    return false;
  f.status &= static_cast<u16>(~fsw::kC1);
  pop(f);
  return true;
}

template <bool kPop>
[[gnu::noinline]] void store_register(Cpu& c, unsigned n) {
  X87& f = c.x87;
  if (full(f, 0)) [[likely]] {
    f.status &= static_cast<u16>(~fsw::kC1);
    const X87Slot v = st(f, 0);
    write(f, n, v);
  } else if (stack_fault(f, StackFault::kUnderflow)) {
    write(f, n, kIndefinite);
  } else {
    return;
  }
  if constexpr (kPop) pop(f);
}

[[gnu::noinline]] void exchange(Cpu& c, unsigned n) {
  X87& f = c.x87;
  const bool present = full(f, 0) && full(f, n);
  if (!present && !stack_fault(f, StackFault::kUnderflow)) [[unlikely]]
    return;
  const X87Slot a = full(f, 0) ? st(f, 0) : kIndefinite, b = full(f, n) ? st(f, n) : kIndefinite;
  write(f, n, a);
  write(f, 0, b);
  f.status &= static_cast<u16>(~fsw::kC1);
}

enum class If : u8 { kBelow, kEqual, kBelowOrEqual, kUnordered };

template <If kIf, bool kWanted>
[[gnu::noinline]] void move_if(Cpu& c, unsigned n) {
  X87& f = c.x87;
  if (!full(f, 0) || !full(f, n)) [[unlikely]] {
    if (stack_fault(f, StackFault::kUnderflow)) write(f, 0, kIndefinite);
    return;
  }
  bool is = false;
  if constexpr (kIf == If::kBelow)
    is = c.f.cf();
  else if constexpr (kIf == If::kEqual)
    is = c.f.zf();
  else if constexpr (kIf == If::kBelowOrEqual)
    is = c.f.cf() || c.f.zf();
  else
    is = c.f.pf();
  if (is != kWanted) return;
  const X87Slot v = st(f, n);
  write(f, 0, v);
}

template <class V>
Op bind_load(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.kind(0) != Kind::kMem) return &register_form<V, load_register>;
  switch (s.op[0].size) {
    case 4:
      return &memory_form<V, load<LoadF32>>;
    case 8:
      return &memory_form<V, load<LoadF64>>;
    default:
      return &memory_form<V, load_extended>;
  }
}
template <class V, bool kPop>
Op bind_store(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.kind(0) != Kind::kMem) return &register_form<V, store_register<kPop>>;
  switch (s.op[0].size) {
    case 4:
      return &memory_form<V, store_top<StoreF32, kPop>>;
    case 8:
      return &memory_form<V, store_top<StoreF64, kPop>>;
    default:
      return &memory_form<V, store_extended>;
  }
}
/// A memory operand of 2, 4 or 8 bytes; FIST has no form of 8.
template <class V, auto Two, auto Four, auto Eight = nullptr>
Op bind_integer(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.op[0].size == 2) return &memory_form<V, Two>;
  if (s.op[0].size == 4) return &memory_form<V, Four>;
  if constexpr (Eight == nullptr) {
    return nullptr;
  } else {
    return &memory_form<V, Eight>;
  }
}
template <class V, auto Body>
Op bind_memory(const Shape& s, Insn& i) {
  keep_site(s, i);
  return &memory_form<V, Body>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"fld", bind_load<V>},
    {"fst", bind_store<V, false>},
    {"fstp", bind_store<V, true>},
    {"fild", bind_integer<V, load<LoadI16>, load<LoadI32>, load<LoadI64>>},
    {"fist", bind_integer<V, store_top<StoreI16, false>, store_top<StoreI32, false>>},
    {"fistp",
     bind_integer<V, store_top<StoreI16, true>, store_top<StoreI32, true>, store_top<StoreI64, true>>},
    {"fisttp", bind_integer<V, store_top<TruncateI16, true>, store_top<TruncateI32, true>,
                            store_top<TruncateI64, true>>},
    {"fbld", bind_memory<V, load<LoadBcd>>},
    {"fbstp", bind_memory<V, store_top<StoreBcd, true>>},
    {"fld1", bind_register<V, constant<One>>},
    {"fldl2t", bind_register<V, constant<Log2Ten>>},
    {"fldl2e", bind_register<V, constant<Log2E>>},
    {"fldpi", bind_register<V, constant<Pi>>},
    {"fldlg2", bind_register<V, constant<Log10Two>>},
    {"fldln2", bind_register<V, constant<LogETwo>>},
    {"fldz", bind_register<V, constant<Zero>>},
    {"fxch", bind_register<V, exchange>},
    {"fcmovb", bind_register<V, move_if<If::kBelow, true>>},
    {"fcmove", bind_register<V, move_if<If::kEqual, true>>},
    {"fcmovbe", bind_register<V, move_if<If::kBelowOrEqual, true>>},
    {"fcmovu", bind_register<V, move_if<If::kUnordered, true>>},
    {"fcmovnb", bind_register<V, move_if<If::kBelow, false>>},
    {"fcmovne", bind_register<V, move_if<If::kEqual, false>>},
    {"fcmovnbe", bind_register<V, move_if<If::kBelowOrEqual, false>>},
    {"fcmovnu", bind_register<V, move_if<If::kUnordered, false>>},
};

}  // namespace
}  // namespace lastbranch::cpu::x87

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> x87_move_rows() {
  return x87::kRows<V>;
}
template std::span<const OpRow> x87_move_rows<Fast>();
template std::span<const OpRow> x87_move_rows<Observed>();

}  // namespace lastbranch::cpu
