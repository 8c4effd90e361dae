#pragma once
// The x87 state as programs see it in memory: words in which stack, tags and TOP are encoded, and transfers
// of areas that are larger than an operand.
//
// Source: SDM vol. 1 "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE", "x87 FPU Tag Word".
#include <algorithm>
#include <array>

#include "models/cpu/exec/x87_ops.h"

namespace lastbranch::cpu::x87 {

[[nodiscard]] inline u16 status_word(const X87& f) {
  return static_cast<u16>(f.status | f.top << fsw::kTopShift);
}

/// Takes over a control and a status word; ES and B of the latter follow from the flags.
inline void set_words(X87& f, u16 control, u16 status) {
  f.control = control_word(control);
  f.top = (status >> fsw::kTopShift) & 7;
  f.status = static_cast<u16>(status & ~(7u << fsw::kTopShift));
  summarize(f);
}

/// Two bits per physical register: 0 valid, 1 zero, 2 special (NaN, infinity, denormal, unsupported), 3
/// empty.
[[nodiscard]] inline u16 tag_word(const X87& f) {
  unsigned tags = 0;
  for (unsigned n = 0; n < 8; ++n) {
    const X87Slot& v = f.physical[n];
    const unsigned exponent = v.sign_exponent & 0x7fff;
    unsigned tag = 0;
    if (((f.valid >> n) & 1) == 0)
      tag = 3;
    else if (exponent == 0 && v.mantissa == 0)
      tag = 1;
    else if (exponent == 0 || exponent == 0x7fff || (v.mantissa >> 63) == 0)
      tag = 2;
    tags |= tag << (2 * n);
  }
  return static_cast<u16>(tags);
}
/// Only whether a register is empty matters; the rest follows from its value.
inline void set_tag_word(X87& f, u16 tags) {
  f.valid = 0;
  for (unsigned n = 0; n < 8; ++n) {
    if (((tags >> (2 * n)) & 3) != 3) f.valid = static_cast<u8>(f.valid | (1u << n));
  }
}

inline void initialize(X87& f) {
  f.control = kInitialControl;
  f.status = 0;
  f.top = 0;
  f.valid = 0;
  f.opcode = 0;
  f.instruction = f.data = 0;
}

/// An 80-bit register at `p`.
inline void put_register(u8* p, const X87Slot& v) {
  put<u64>(p, v.mantissa);
  put<u16>(p + 8, v.sign_exponent);
}
[[nodiscard]] inline X87Slot get_register(const u8* p) {
  return {get<u64>(p), get<u16>(p + 8), {}};
}

inline constexpr u32 kPiece = 64;

/// Reads an area; false on a fault.
inline bool load_area(Cpu& c, u64 a, u8* to, u32 size) {
  for (u32 at = 0; at < size; at += kPiece) {
    const u32 n = std::min(kPiece, size - at);
    const u8* p = slow_load(c, a + at, n);
    if (p == nullptr) return false;
    std::memcpy(to + at, p, n);
  }
  return true;
}

/// Writes the first `size` bytes of an area of `extent` bytes, all of which must be writable; false, and
/// nothing is written, on a fault. When a store has to be done alone, the instruction comes back and writes
/// everything again.
inline bool store_area(Cpu& c, u64 a, const u8* from, u32 size, u32 extent) {
  for (u32 at = 0; at < extent; at += kPiece) {
    if (!probe_store(c, a + at, std::min(kPiece, extent - at))) return false;
  }
  for (u32 at = 0; at < size; at += kPiece) {
    const u32 n = std::min(kPiece, size - at);
    std::memcpy(c.scratch.data(), from + at, n);
    if (!slow_store(c, a + at, n)) return false;
  }
  return true;
}

}  // namespace lastbranch::cpu::x87
