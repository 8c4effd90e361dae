#pragma once
// What a binder sees of a decoded instruction: operand kinds and sizes, in the decoder's neutral words.
// Execution files choose a function from it; only the decoder knows the decoding library.
#include <array>
#include <span>

#include "models/cpu/insn.h"

namespace lastbranch::cpu {

enum class Kind : u8 { kNone, kGpr, kMem, kImm, kXmm, kMmx, kSt, kSeg, kCr, kDr, kRel, kFarPtr };

struct Operand {
  Kind kind = Kind::kNone;
  u8 size = 0;        ///< bytes
  u8 reg = 0;         ///< register number (GPR 0-15, XMM 0-15, ST/MMX 0-7, segment, CR, DR)
  bool high = false;  ///< AH, CH, DH, BH
};

/// One decoded instruction as the binders see it. Operands are the explicit ones, in Intel order.
struct Shape {
  std::array<Operand, 4> op{};
  u8 count = 0;
  u8 size = 4;              ///< effective operand size in bytes: 1, 2, 4, 8
  u8 address_size = 8;      ///< 4 or 8
  bool flags_dead = false;  ///< nothing reads the status flags this instruction writes
  bool lock = false;
  bool far = false;        ///< far JMP, CALL or RET
  bool rep = false;        ///< F3 as REP/REPE
  bool repne = false;      ///< F2 as REPNE
  bool base_only = false;  ///< the memory operand is base + displacement: ea_base() serves
  u64 address = 0;         ///< linear address of the instruction
  u16 fop =
      0;  ///< x87: low 3 bits of the escape byte, then ModR/M, as FOP holds them; also tells D8 from DC forms

  [[nodiscard]] Kind kind(unsigned n) const { return op[n].kind; }
  [[nodiscard]] bool is(Kind a) const { return count == 1 && kind(0) == a; }
  [[nodiscard]] bool is(Kind a, Kind b) const { return count == 2 && kind(0) == a && kind(1) == b; }
  [[nodiscard]] bool is(Kind a, Kind b, Kind d) const {
    return count == 3 && kind(0) == a && kind(1) == b && kind(2) == d;
  }
};

/// Chooses the function for one shape of a mnemonic, and may set Insn::r2 or rewrite other fields for it.
/// nullptr: this shape is not supported.
using Bind = Op (*)(const Shape&, Insn&);

/// One mnemonic of the manual and its binder; each execution file has a table of these.
struct OpRow {
  const char* mnemonic;  ///< Zydis' spelling, lower case: the manual's mnemonic
  Bind bind;
};

}  // namespace lastbranch::cpu
