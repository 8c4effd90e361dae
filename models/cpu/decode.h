#pragma once
// From bytes to the compact instruction: the only place that knows the decoding library.
//
// Decoded as an Intel core of the x86-64-v2 level sees it: TZCNT and LZCNT are REP BSF and BSR, CET and MPX
// hints are NOPs. Sources: SDM vol. 2, "Instruction Format"; form names as uops.info writes them ("ADD (R32,
// M32)").
#include <memory>
#include <span>
#include <string>

#include "models/cpu/op_table.h"

namespace lastbranch::cpu {

/// Which unit's availability in CR0 and CR4 an instruction depends on.
enum class Unit : u8 { kNone, kX87, kWait, kMmx, kSse, kFxsave };

/// An instruction on its way into a block.
struct Decoded {
  Insn insn{};  ///< fn not yet chosen
  InsnInfo info{};
  Shape shape{};
  std::span<const Bind> binds;  ///< of its mnemonic; empty when nothing executes it
  bool is_cmp = false, is_test = false;
  bool is_jcc = false;
  Cond cond = Cond::kO;  ///< of a Jcc
  Unit unit = Unit::kNone;
};

enum class DecodeStatus : u8 {
  kOk,
  kInvalid,    ///< no instruction: #UD
  kTruncated,  ///< the bytes end within the instruction
};

class Decoder {
 public:
  explicit Decoder(const OpTable& ops);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Decodes one instruction at linear address `va` from `bytes` (up to 15 are looked at).
  DecodeStatus decode(std::span<const u8> bytes, u64 va, Decoded& out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One instruction for messages: its bytes, text and ISA set, "c5 fd 6f 07  vmovdqa ymm0, [rdi]  (AVX)";
/// bytes only where there is no instruction.
[[nodiscard]] std::string describe_instruction(std::span<const u8> bytes, u64 va);

}  // namespace lastbranch::cpu
