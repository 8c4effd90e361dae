#pragma once
// The compact instruction that a block holds: decoded once, executed many times.
//
// `Insn` is what the interpreter touches, 32 bytes. What only a timing model, a translator or a fault needs
// is in the `InsnInfo` beside it, so that nobody decodes a second time.
#include "sim/base/units.h"

namespace lastbranch::cpu {

struct Cpu;
struct Insn;

/// Executes the instruction; returns the next one to execute, or nullptr to leave the interpreter (Cpu::exit
/// says why).
using Op = const Insn* (*)(Cpu&, const Insn*);

struct Insn {
  Op fn = nullptr;
  i64 imm = 0;  ///< immediate, sign-extended; target of a direct branch
  i64 disp =
      0;  ///< displacement of the memory operand (absolute when RIP-relative); linear address of a branch
  u8 r0 = 0, r1 = 0;  ///< byte offsets of the first and second register operand in their register file
  u8 r2 = 0;          ///< third register operand, or a small per-instruction constant its binder chose
  u8 base = 0, index = 0, seg = 0;  ///< byte offsets in Cpu::r of the address parts; kZeroReg where absent
  u8 scale = 0;   ///< log2 of the index scale; kAddr32 set: the effective address wraps at 32 bits
  u8 length = 0;  ///< bytes of the instruction, 1..15
};
static_assert(sizeof(Insn) == 32);

inline constexpr u8 kAddr32 = 0x80;
inline constexpr u8 kScaleMask = 3;

/// Static facts of an instruction, one bit each, counted per block execution.
namespace fact {
inline constexpr u32 kLoad = 1 << 0;      ///< reads memory
inline constexpr u32 kStore = 1 << 1;     ///< writes memory
inline constexpr u32 kCond = 1 << 2;      ///< conditional branch
inline constexpr u32 kBranch = 1 << 3;    ///< any branch, taken or not
inline constexpr u32 kCall = 1 << 4;      ///< near CALL
inline constexpr u32 kReturn = 1 << 5;    ///< near RET
inline constexpr u32 kIndirect = 1 << 6;  ///< indirect JMP or CALL
inline constexpr u32 kFar = 1 << 7;       ///< far transfer, SYSCALL family, INT n
inline constexpr u32 kX87 = 1 << 8;
inline constexpr u32 kSseFp = 1 << 9;
inline constexpr u32 kLocked = 1 << 10;
inline constexpr u32 kEndsBlock = 1 << 11;  ///< nothing after it belongs to the block
inline constexpr u32 kNop = 1 << 12;        ///< ENDBR included
inline constexpr u32 kPause = 1 << 13;
inline constexpr u32 kLfence = 1 << 14;
inline constexpr u32 kMmx = 1 << 15;
inline constexpr u32 kFpScalarSingle = 1 << 16;  ///< arithmetic, as FP_ARITH_INST_RETIRED has it
inline constexpr u32 kFpScalarDouble = 1 << 17;
inline constexpr u32 kFpPackedSingle = 1 << 18;
inline constexpr u32 kFpPackedDouble = 1 << 19;
inline constexpr u32 kFpTwice = 1 << 20;      ///< two operations an element: counts two
inline constexpr u32 kPrefetchNta = 1 << 21;  ///< software prefetches access no memory, yet count as loads
inline constexpr u32 kPrefetchT0 = 1 << 22;
inline constexpr u32 kPrefetchT1T2 = 1 << 23;
inline constexpr u32 kPrefetchW = 1 << 24;
inline constexpr u32 kPrefetch = kPrefetchNta | kPrefetchT0 | kPrefetchT1T2 | kPrefetchW;
}  // namespace fact

/// Registers as a set: bits 0-15 GPRs, 16-31 XMM, 32 status flags, 33 x87/MMX, 34 segment, control and other
/// state.
using RegSet = u64;
namespace regset {
inline constexpr RegSet gpr(unsigned n) {
  return RegSet{1} << n;
}
inline constexpr RegSet xmm(unsigned n) {
  return RegSet{1} << (16 + n);
}
inline constexpr RegSet kFlags = RegSet{1} << 32;
inline constexpr RegSet kX87 = RegSet{1} << 33;
inline constexpr RegSet kSystem = RegSet{1} << 34;
}  // namespace regset

struct InsnInfo {
  RegSet reads = 0, writes = 0;
  u32 form = 0;            ///< stable form id: form_id() of the canonical form name, e.g. "ADD (R32, M32)"
  u32 facts = 0;           ///< fact:: bits
  u16 flags_read = 0;      ///< status flags tested, as RFLAGS bits
  u16 flags_written = 0;   ///< status flags written whatever the operands (undefined ones included)
  u16 offset = 0;          ///< bytes from the block's first instruction
  bool may_fault = false;  ///< touches memory or can raise an exception
};

/// FNV-1a of the form's canonical name: the same in every build and whatever tables are added later.
[[nodiscard]] constexpr u32 form_id(const char* name) {
  u32 h = 2166136261u;
  for (; *name != 0; ++name) h = (h ^ static_cast<u8>(*name)) * 16777619u;
  return h;
}

}  // namespace lastbranch::cpu
