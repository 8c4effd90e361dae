// x87 comparisons and classification: FCOM(P)(P), FUCOM(P)(P), FICOM(P), FCOMI(P), FUCOMI(P), FTST, FXAM.
// An unmasked exception leaves the condition codes, or RFLAGS, as they were.
// Source: SDM vol. 2, the page of each mnemonic; vol. 1 "Comparison and Classification Instructions".
#include "models/cpu/exec/x87_ops.h"

namespace lastbranch::cpu::x87 {
namespace {

constexpr u16 kUnordered = fsw::kC0 | fsw::kC2 | fsw::kC3;

enum class Quiet : u8 { kNo, kYes };

/// The comparison's condition codes become the guest's; false when an unmasked exception forbids it, and the
/// pops too.
bool settle_codes(X87& f, u16 host) {
  settle(f, host & fsw::kSticky, fsw::kC1);
  if (withheld(f, host, fsw::kBefore)) return false;
  f.status = static_cast<u16>((f.status & ~kUnordered) | (host & kUnordered));
  return true;
}
bool underflow_codes(X87& f) {
  if (!stack_fault(f, StackFault::kUnderflow)) return false;
  f.status |= kUnordered;
  return true;
}

template <Quiet kQuiet>
u16 compare_on_host(const X87& f, const X87Slot& a, const X87Slot& b) {
  HostFpu host(f);
  host.push(b);
  host.push(a);
  host.start();
  if constexpr (kQuiet == Quiet::kYes)
    asm volatile("fucom %st(1)");
  else
    asm volatile("fcom %st(1)");
  const u16 status = host.stop();
  host.drop();
  host.drop();
  return status;
}

template <Quiet kQuiet, unsigned kPops>
[[gnu::noinline]] void compare(Cpu& c, unsigned n) {
  X87& f = c.x87;
  const bool present = full(f, 0) && full(f, n);
  if (present ? !settle_codes(f, compare_on_host<kQuiet>(f, st(f, 0), st(f, n))) : !underflow_codes(f))
    return;
  for (unsigned k = 0; k < kPops; ++k) pop(f);
}
/// FCOMPP, FUCOMPP.
template <Quiet kQuiet>
void compare_next(Cpu& c, unsigned) {
  compare<kQuiet, 2>(c, 1);
}

/// FCOMI and its kin: C3, C2, C0 go to ZF, PF, CF; OF, SF and AF are cleared.
template <Quiet kQuiet, unsigned kPops>
[[gnu::noinline]] void compare_flags(Cpu& c, unsigned n) {
  X87& f = c.x87;
  u16 codes = kUnordered;
  if (!full(f, 0) || !full(f, n)) [[unlikely]] {
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else {
    codes = compare_on_host<kQuiet>(f, st(f, 0), st(f, n));
    settle(f, codes & fsw::kSticky, fsw::kC1);
    if (withheld(f, codes, fsw::kBefore)) return;
  }
  c.f.set_status(((codes & fsw::kC3) != 0 ? rflags::kZF : 0) | ((codes & fsw::kC2) != 0 ? rflags::kPF : 0) |
                 ((codes & fsw::kC0) != 0 ? rflags::kCF : 0));
  if constexpr (kPops != 0) pop(f);
}

enum class With : u8 { kF32, kF64, kI16, kI32 };

template <With kWith, class T, unsigned kPops>
[[gnu::noinline]] bool compare_memory(Cpu& c, u64 a) {
  const u8* p = load_ptr<T>(c, a);
  if (p == nullptr) [[unlikely]]
    return false;
  X87& f = c.x87;
  if (!full(f, 0)) [[unlikely]] {
    if (!underflow_codes(f)) return true;
  } else {
    HostFpu host(f);
    host.push(st(f, 0));
    host.start();
    if constexpr (kWith == With::kF32)
      asm volatile("fcoms %0" : : "m"(bytes<4>(p)));
    else if constexpr (kWith == With::kF64)
      asm volatile("fcoml %0" : : "m"(bytes<8>(p)));
    else if constexpr (kWith == With::kI16)
      asm volatile("ficoms %0" : : "m"(bytes<2>(p)));
    else
      asm volatile("ficoml %0" : : "m"(bytes<4>(p)));
    const u16 status = host.stop();
    host.drop();
    if (!settle_codes(f, status)) return true;
  }
  if constexpr (kPops != 0) pop(f);
  return true;
}

[[gnu::noinline]] void test_zero(Cpu& c, unsigned) {
  X87& f = c.x87;
  if (!full(f, 0)) [[unlikely]] {
    underflow_codes(f);
    return;
  }
  HostFpu host(f);
  host.push(st(f, 0));
  host.start();
  asm volatile("ftst");
  const u16 status = host.stop();
  host.drop();
  settle_codes(f, status);
}

/// An empty register is a class of its own, no fault; C1 is the sign whatever the class.
[[gnu::noinline]] void examine(Cpu& c, unsigned) {
  X87& f = c.x87;
  u16 codes = static_cast<u16>(fsw::kC3 | fsw::kC0 | ((st(f, 0).sign_exponent & 0x8000) != 0 ? fsw::kC1 : 0));
  if (full(f, 0)) {
    HostFpu host(f);
    host.push(st(f, 0));
    host.start();
    asm volatile("fxam");
    codes = host.stop();
    host.drop();
  }
  f.status = static_cast<u16>((f.status & ~fsw::kCodes) | (codes & fsw::kCodes));
}

template <class V, unsigned kPops>
Op bind_compare(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.kind(0) != Kind::kMem) return &register_form<V, compare<Quiet::kNo, kPops>>;
  if (s.op[0].size == 4) return &memory_form<V, compare_memory<With::kF32, u32, kPops>>;
  return &memory_form<V, compare_memory<With::kF64, u64, kPops>>;
}
template <class V, unsigned kPops>
Op bind_compare_integer(const Shape& s, Insn& i) {
  keep_site(s, i);
  if (s.op[0].size == 2) return &memory_form<V, compare_memory<With::kI16, u16, kPops>>;
  return &memory_form<V, compare_memory<With::kI32, u32, kPops>>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"fcom", bind_compare<V, 0>},
    {"fcomp", bind_compare<V, 1>},
    {"fcompp", bind_register<V, compare_next<Quiet::kNo>>},
    {"fucom", bind_register<V, compare<Quiet::kYes, 0>>},
    {"fucomp", bind_register<V, compare<Quiet::kYes, 1>>},
    {"fucompp", bind_register<V, compare_next<Quiet::kYes>>},
    {"ficom", bind_compare_integer<V, 0>},
    {"ficomp", bind_compare_integer<V, 1>},
    {"fcomi", bind_register<V, compare_flags<Quiet::kNo, 0>>},
    {"fcomip", bind_register<V, compare_flags<Quiet::kNo, 1>>},
    {"fucomi", bind_register<V, compare_flags<Quiet::kYes, 0>>},
    {"fucomip", bind_register<V, compare_flags<Quiet::kYes, 1>>},
    {"ftst", bind_register<V, test_zero>},
    {"fxam", bind_register<V, examine>},
};

}  // namespace
}  // namespace lastbranch::cpu::x87

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> x87_compare_rows() {
  return x87::kRows<V>;
}
template std::span<const OpRow> x87_compare_rows<Fast>();
template std::span<const OpRow> x87_compare_rows<Observed>();

}  // namespace lastbranch::cpu
