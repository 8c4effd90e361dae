// x87 transcendental functions: F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FSINCOS, FPTAN, FPATAN.
// The values are those of the host's FPU: the manual bounds their error and does not fix them.
// Source: SDM vol. 1 "Trigonometric Instructions", "Logarithmic, Exponential, and Scale"; vol. 2, each page.
#include "models/cpu/exec/x87_ops.h"

namespace lastbranch::cpu::x87 {
namespace {

// ST = op(ST). C2 is written by those that refuse operands out of range.
struct TwoToXMinusOne {
  static constexpr u16 kWritten = fsw::kC1;
  static void run() { asm volatile("f2xm1"); }
};
struct Sine {
  static constexpr u16 kWritten = fsw::kC1 | fsw::kC2;
  static void run() { asm volatile("fsin"); }
};
struct Cosine {
  static constexpr u16 kWritten = fsw::kC1 | fsw::kC2;
  static void run() { asm volatile("fcos"); }
};

template <class O>
[[gnu::noinline]] void function(Cpu& c, unsigned) {
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  if (!full(f, 0)) [[unlikely]] {
    f.status &= static_cast<u16>(~O::kWritten);
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else {
    HostFpu host(f);
    host.push(st(f, 0));
    host.start();
    O::run();
    const u16 status = host.stop();
    host.pop(r);
    settle(f, status, O::kWritten);
    if (withheld(f, status, fsw::kBefore)) return;
  }
  write(f, 0, r);
}

// ST becomes the first result, the second is pushed, unless C2 says that the operand is out of range.
struct SineCosine {
  static void run() { asm volatile("fsincos"); }
};
struct Tangent {
  static void run() { asm volatile("fptan"); }
};

template <class O>
[[gnu::noinline]] void function_push(Cpu& c, unsigned) {
  X87& f = c.x87;
  X87Slot first = kIndefinite, second = kIndefinite;
  if (!full(f, 0) || full(f, 7)) [[unlikely]] {
    f.status &= static_cast<u16>(~fsw::kC2);
    if (!stack_fault(f, full(f, 0) ? StackFault::kOverflow : StackFault::kUnderflow)) return;
  } else {
    HostFpu host(f);
    host.push(st(f, 0));
    host.start();
    O::run();
    const u16 status = host.stop();
    const bool kept = withheld(f, status, fsw::kBefore);
    settle(f, status, fsw::kC1 | fsw::kC2);
    if (!kept && (status & fsw::kC2) == 0) host.pop(second);
    host.pop(first);
    if (kept || (status & fsw::kC2) != 0) return;
  }
  write(f, 0, first);
  push(f, second);
}

// ST(1) = op(ST(1), ST), then pop.
struct YLog2X {
  static void run() { asm volatile("fyl2x"); }
};
struct YLog2XPlusOne {
  static void run() { asm volatile("fyl2xp1"); }
};
struct Arctangent {
  static void run() { asm volatile("fpatan"); }
};

template <class O>
[[gnu::noinline]] void function_pop(Cpu& c, unsigned) {
  X87& f = c.x87;
  X87Slot r = kIndefinite;
  if (!full(f, 0) || !full(f, 1)) [[unlikely]] {
    if (!stack_fault(f, StackFault::kUnderflow)) return;
  } else {
    HostFpu host(f);
    host.push(st(f, 1));
    host.push(st(f, 0));
    host.start();
    O::run();
    const u16 status = host.stop();
    host.pop(r);
    settle(f, status, fsw::kC1);
    if (withheld(f, status, fsw::kBefore)) return;
  }
  write(f, 1, r);
  pop(f);
}

template <class V>
constexpr OpRow kRows[] = {
    {"f2xm1", bind_register<V, function<TwoToXMinusOne>>},
    {"fsin", bind_register<V, function<Sine>>},
    {"fcos", bind_register<V, function<Cosine>>},
    {"fsincos", bind_register<V, function_push<SineCosine>>},
    {"fptan", bind_register<V, function_push<Tangent>>},
    {"fyl2x", bind_register<V, function_pop<YLog2X>>},
    {"fyl2xp1", bind_register<V, function_pop<YLog2XPlusOne>>},
    {"fpatan", bind_register<V, function_pop<Arctangent>>},
};

}  // namespace
}  // namespace lastbranch::cpu::x87

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> x87_transcendental_rows() {
  return x87::kRows<V>;
}
template std::span<const OpRow> x87_transcendental_rows<Fast>();
template std::span<const OpRow> x87_transcendental_rows<Observed>();

}  // namespace lastbranch::cpu
