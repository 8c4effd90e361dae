#pragma once
// Why a write was not taken as it was: the bits that were refused or dropped, and the rows that made them
// illegal, found by asking the rule tables which row would have made each bit legal.
// Modelled: DEBUGCTL, PERF_CAPABILITIES, the LBR registers, the vPMU's controls and selects. Not: other
// registers, which are refused as a whole. Source: kvm-lbr-semantics.md, sections 2 to 6.
#include "models/vmx/kvm/op.h"

namespace lastbranch::kvm {

/// Bits of a written value that were not taken, and why.
struct Offence {
  u64 bits = 0;       ///< 0: the register or the access as a whole
  std::string names;  ///< of the bits: "BTF, TR"
  std::string why;
  /// First the row that refused or dropped them, then those that would have made them legal or say why not.
  std::vector<const Rule*> rules;

  /// "0x40 (TR): refused, and the write with it: no kernel's rules make it legal".
  [[nodiscard]] std::string summary() const;
  /// The rows in words: "debugctl-invalid: another bit is not legal [section 4.2 step b; all]".
  [[nodiscard]] std::vector<std::string> rule_words() const;
  /// All of it in a line.
  [[nodiscard]] std::string words() const;
};

/// After a write of `data` to op.msr by op.who that answered `code`: empty if all of it was taken. The states
/// of `op` are those behind the write; none is changed.
[[nodiscard]] std::vector<Offence> offences(const Op& op, u64 data, int code);

/// "LBR, FREEZE_LBRS_ON_PMI": the bits of a register by their names.
[[nodiscard]] std::string bit_names(u32 msr, u64 bits);

}  // namespace lastbranch::kvm
