#pragma once
// What the x87 files share: the register stack, stack faults, pending exceptions, and the host's FPU as the
// calculator.
//
// Arithmetic runs on the host's own x87 under the guest's control word, so rounding, precision control,
// special values and the responses to masked and unmasked exceptions are the hardware's. Stack, tags, TOP and
// pointers are kept here: the host's stack holds only the operands of one instruction and is empty again
// after it. Results of the transcendental instructions are the host's, which may differ in the last place
// between processors.
//
// Not modelled: FCS and FDS (zero, as on processors that deprecate them). FOP is written only with an
// unmasked exception, the default of every processor since the Pentium 4.
//
// Sources: SDM vol. 1 "Programming with the x87 FPU" (Status Word, Instruction and Operand Pointers,
// Exception Handling), "x87 FPU Floating-Point Exception Conditions"; vol. 2, the page of each mnemonic.
#include "models/cpu/exec/exec.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu::x87 {

/// Status word.
namespace fsw {
inline constexpr u16 kIE = 1u << 0, kDE = 1u << 1, kZE = 1u << 2, kOE = 1u << 3, kUE = 1u << 4, kPE = 1u << 5;
inline constexpr u16 kSF = 1u << 6, kES = 1u << 7, kC0 = 1u << 8, kC1 = 1u << 9, kC2 = 1u << 10,
                     kC3 = 1u << 14;
inline constexpr u16 kB = 1u << 15;
inline constexpr u16 kExceptions = 0x3f;
inline constexpr u16 kSticky = kExceptions | kSF;
/// Detected before the operation: unmasked, they leave the destination and the stack alone.
inline constexpr u16 kBefore = kIE | kDE | kZE;
/// What keeps a store to memory from happening when unmasked; PE alone does not.
inline constexpr u16 kNoStore = kBefore | kOE | kUE;
inline constexpr u16 kCodes = kC0 | kC1 | kC2 | kC3;
inline constexpr u16 kTopShift = 11;
}  // namespace fsw

inline constexpr u64 kCr0Mp = 1u << 1, kCr0Em = 1u << 2, kCr0Ts = 1u << 3;
inline constexpr u16 kInitialControl = 0x37f;
/// The quiet NaN that masked invalid operations answer.
inline constexpr X87Slot kIndefinite{u64{3} << 62, 0xffff, {}};

/// The bits of a control word that exist; bit 6 reads as 1.
[[nodiscard]] constexpr u16 control_word(u16 v) {
  return static_cast<u16>((v & 0x1f3f) | 0x40);
}

[[nodiscard]] inline unsigned slot(const X87& f, unsigned n) {
  return (f.top + n) & 7;
}
/// ST(n).
[[nodiscard]] inline X87Slot& st(X87& f, unsigned n) {
  return f.physical[slot(f, n)];
}
[[nodiscard]] inline bool full(const X87& f, unsigned n) {
  return ((f.valid >> slot(f, n)) & 1) != 0;
}

inline void write(X87& f, unsigned n, const X87Slot& v) {
  st(f, n) = v;
  f.valid = static_cast<u8>(f.valid | (1u << slot(f, n)));
}
inline void free_register(X87& f, unsigned n) {
  f.valid = static_cast<u8>(f.valid & ~(1u << slot(f, n)));
}
inline void pop(X87& f) {
  free_register(f, 0);
  f.top = (f.top + 1) & 7;
}
/// The caller has seen that ST(7) is empty, or that a stack overflow is masked.
inline void push(X87& f, const X87Slot& v) {
  f.top = (f.top - 1) & 7;
  write(f, 0, v);
}

/// ES and B follow from the flags and their masks.
inline void summarize(X87& f) {
  f.status &= static_cast<u16>(~(fsw::kES | fsw::kB));
  if ((f.status & ~f.control & fsw::kExceptions) != 0) f.status |= fsw::kES | fsw::kB;
}

enum class StackFault : u8 { kUnderflow, kOverflow };

/// Raises a stack fault; true when it is masked, so that the indefinite value is the result.
inline bool stack_fault(X87& f, StackFault what) {
  f.status = static_cast<u16>((f.status & ~fsw::kC1) | fsw::kIE | fsw::kSF);
  if (what == StackFault::kOverflow) f.status |= fsw::kC1;
  summarize(f);
  return (f.control & fsw::kIE) != 0;
}

/// Takes over the host's status word `host` after one operation: exception flags, and the condition codes in
/// `codes`.
inline void settle(X87& f, u16 host, u16 codes) {
  f.status = static_cast<u16>((f.status & ~codes) | (host & (codes | fsw::kSticky)));
  summarize(f);
}
/// Whether an unmasked exception among `which` kept the host from writing its destination.
[[nodiscard]] inline bool withheld(const X87& f, u16 host, u16 which) {
  return (host & ~f.control & which) != 0;
}

/// One operation on the host's FPU: push operands, start(), the instruction, stop(), pop results.
///
/// Clearing the host's flags is slow. They are sticky in the guest as well, so with all exceptions masked it
/// is enough that the host starts with no flag that the guest has not.
class HostFpu {
 public:
  explicit HostFpu(const X87& f) : control_(f.control), unmasked_((~f.control & fsw::kExceptions) != 0) {
    asm volatile("fnstcw %0" : "=m"(saved_));
    u16 status = 0;
    asm volatile("fnstsw %0" : "=a"(status));
    if (unmasked_ || (status & ~f.status & fsw::kSticky) != 0) asm volatile("fnclex");
  }
  HostFpu(const HostFpu&) = delete;
  HostFpu& operator=(const HostFpu&) = delete;
  /// An unmasked exception may have left operands on the host's stack.
  ~HostFpu() {
    if (unmasked_) asm volatile("fninit\n\tfldcw %0" : : "m"(saved_));
  }

  void push(const X87Slot& v) { asm volatile("fldt %0" : : "m"(v)); }
  void start() { asm volatile("fldcw %0" : : "m"(control_)); }
  u16 stop() {
    u16 status = 0;
    asm volatile("fnstsw %0" : "=a"(status));
    if (unmasked_) asm volatile("fnclex");
    asm volatile("fldcw %0" : : "m"(saved_));
    return status;
  }
  void pop(X87Slot& v) { asm volatile("fstpt %0" : "=m"(v)); }
  void drop() { asm volatile("fstp %st(0)"); }

 private:
  u16 control_, saved_;
  bool unmasked_;
};

/// `size` bytes as an operand of an asm statement.
template <std::size_t kSize>
[[nodiscard]] inline const u8 (&bytes(const u8* p))[kSize] {
  return *reinterpret_cast<const u8(*)[kSize]>(p);
}

/// Whether a waiting instruction must fault instead: CR0.TS or EM, or a pending exception.
[[nodiscard]] [[gnu::always_inline]] inline bool blocked(const Cpu& c) {
  return ((c.cr0 & (kCr0Em | kCr0Ts)) | (c.x87.status & fsw::kES)) != 0;
}
/// The fault of a blocked instruction.
[[nodiscard]] inline Fault block_reason(const Cpu& c) {
  return {(c.cr0 & (kCr0Em | kCr0Ts)) != 0 ? Vector::kNM : Vector::kMF, false, 0, 0};
}

// Bodies do the work out of line, so that the functions of the interpreter stay small and end in a jump.

/// Leaves where the instruction is for FIP and FOP in fields that x87 instructions do not use otherwise; ST
/// number in r0.
inline void keep_site(const Shape& s, Insn& i) {
  i.imm = static_cast<i64>(s.address);
  i.r0 = s.fop & 7;
  i.r1 = static_cast<u8>(s.fop);
  i.r2 = static_cast<u8>(s.fop >> 8);
}
/// FIP of a non-control instruction, and FOP if it raised an unmasked exception.
inline void note(Cpu& c, const Insn* i) {
  c.x87.instruction = static_cast<u64>(i->imm);
  if ((c.x87.status & fsw::kES) != 0) [[unlikely]]
    c.x87.opcode = static_cast<u16>(i->r2 << 8 | i->r1);
}

/// A form without memory operand; `Body(Cpu&, unsigned n)` gets the number of the ST(i) operand.
template <class V, auto Body>
const Insn* register_form(Cpu& c, const Insn* i) {
  if (blocked(c)) [[unlikely]]
    return trap(c, i, block_reason(c));
  Body(c, unsigned{i->r0});
  note(c, i);
  return next<V>(c, i);
}
/// A form with memory operand; `Body(Cpu&, u64 address)` answers false, without effect, when the access
/// fails.
template <class V, auto Body>
const Insn* memory_form(Cpu& c, const Insn* i) {
  if (blocked(c)) [[unlikely]]
    return trap(c, i, block_reason(c));
  const u64 a = ea<V>(c, i);
  if (!Body(c, a)) [[unlikely]]
    return trap(c, i);
  c.x87.data = a - reg<u64>(c, i->seg);
  note(c, i);
  return next<V>(c, i);
}

/// Binder of a mnemonic without memory form.
template <class V, auto Body>
Op bind_register(const Shape& s, Insn& i) {
  keep_site(s, i);
  return &register_form<V, Body>;
}

}  // namespace lastbranch::cpu::x87
