#pragma once
// How VMX instructions fail in VMX root operation, as a table: one row per rule, in the manual's order; the
// first that holds decides. What VM entries check behind these is checks.h.
// Source: SDM vol. 3C, "VMX Instruction Reference"; vol. 3C, "VM-Instruction Error Numbers".
#include "models/vmx/rules.h"
#include "models/vmx/vmx.h"

namespace lastbranch::vmx {

/// An instruction as the rules look at it.
struct OpView {
  u64 operand;         ///< an address, or the encoding of a field
  u64 vmxon, current;  ///< kNoVmcs: none
  PhysMem& memory;
  const VmxState& state;
  const Limits& limits;
  u64 feature_control;

  /// A page of physical memory; this processor's memory is all there is.
  [[nodiscard]] bool region() const {
    return (operand & (kRegionSize - 1)) == 0 && operand >> limits.physical_bits == 0 &&
           memory.contains(operand, kRegionSize);
  }
  [[nodiscard]] bool launched() const { return Vmcs(memory, current).launched(); }
  /// The row of the field; nullptr: this part has none.
  [[nodiscard]] const FieldDef* field() const;
};

struct OpRule {
  /// What software sees.
  enum class Failure : u8 {
    kGp,       ///< #GP(0)
    kInvalid,  ///< VMfailInvalid
    kError,    ///< VMfail with `error`: in the current VMCS, VMfailInvalid without one
  };
  std::string_view rule;
  std::string_view source;
  VmxOp op;
  Failure failure;
  InstructionError error;  ///< kError
  bool (*fails)(const OpView&);
};
[[nodiscard]] std::span<const OpRule> op_rules();
/// nullptr: the instruction goes on.
[[nodiscard]] const OpRule* op_rule(VmxOp op, const OpView& view);

}  // namespace lastbranch::vmx
