#pragma once
// x87 FPU and MMX register state. Registers are held as the 80-bit values of the hardware, one per 16-byte
// slot; MMn is the low 64 bits of physical register n. Source: SDM vol. 1, "Programming with the x87 FPU",
// "x87 FPU Execution Environment"; "FXSAVE Area".
#include <array>

#include "sim/base/units.h"

namespace lastbranch::cpu {

struct alignas(16) X87Slot {
  u64 mantissa = 0;
  u16 sign_exponent = 0;
  u16 unused[3] = {};
};
static_assert(sizeof(X87Slot) == 16);

struct X87 {
  std::array<X87Slot, 8> physical{};  ///< R0..R7; ST(i) is physical[(top + i) & 7]
  u16 control = 0x37f;                ///< FCW
  u16 status = 0;                     ///< FSW without TOP (bits 13:11 are zero here)
  u8 top = 0;                         ///< TOP
  u8 valid = 0;                       ///< abridged tag word of FXSAVE: bit n set when Rn is not empty
  u16 opcode = 0;                     ///< FOP
  u64 instruction = 0;                ///< FIP: address of the last non-control instruction
  u64 data = 0;                       ///< FDP: its memory operand
};

}  // namespace lastbranch::cpu
