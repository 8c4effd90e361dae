#include "models/vmx/op_rules.h"

#include "models/vmx/sources.h"

namespace lastbranch::vmx {
namespace {

using V = const OpView&;
using E = InstructionError;
using enum OpRule::Failure;

constexpr u64 kFeatureControlOn = 5;  // locked, VMX outside SMX
constexpr E kNoError{};

bool always(V) {
  return true;
}
bool no_current(V x) {
  return x.current == kNoVmcs;
}
bool no_region(V x) {
  return !x.region();
}
bool is_vmxon(V x) {
  return x.operand == x.vmxon;
}
bool other_revision(V x) {
  return Vmcs(x.memory, x.operand).revision() != kRevision;
}
bool blocked(V x) {
  return (x.state.blocking & vmx_block::kMovSs) != 0;
}
bool no_field(V x) {
  return x.field() == nullptr;
}

constexpr OpRule kOps[] = {
    {"VMXON is not for VMX operation", sdm::kVmxon, VmxOp::kVmxon, kError, E::kVmxonInRoot,
     [](V x) { return x.vmxon != kNoVmcs; }},
    {"VMXON needs the bits of CR0 and CR4 that VMX operation fixes", sdm::kVmxon, VmxOp::kVmxon, kGp,
     kNoError,
     [](V x) { return (x.limits.cr0_ones & ~x.state.cr0) != 0 || (x.limits.cr4_ones & ~x.state.cr4) != 0; }},
    {"VMXON needs IA32_FEATURE_CONTROL locked with VMX enabled", sdm::kVmxon, VmxOp::kVmxon, kGp, kNoError,
     [](V x) { return (x.feature_control & kFeatureControlOn) != kFeatureControlOn; }},
    {"the VMXON region is a page of physical memory", sdm::kVmxon, VmxOp::kVmxon, kInvalid, kNoError,
     no_region},
    {"the VMXON region has this processor's revision", sdm::kVmxon, VmxOp::kVmxon, kInvalid, kNoError,
     other_revision},
    {"VMCLEAR's region is a page of physical memory", sdm::kVmclear, VmxOp::kVmclear, kError,
     E::kVmclearAddress, no_region},
    {"VMCLEAR is not for the VMXON region", sdm::kVmclear, VmxOp::kVmclear, kError, E::kVmclearVmxon,
     is_vmxon},
    {"VMPTRLD's region is a page of physical memory", sdm::kVmptrld, VmxOp::kVmptrld, kError,
     E::kVmptrldAddress, no_region},
    {"VMPTRLD is not for the VMXON region", sdm::kVmptrld, VmxOp::kVmptrld, kError, E::kVmptrldVmxon,
     is_vmxon},
    {"VMPTRLD's region has this processor's revision", sdm::kVmptrld, VmxOp::kVmptrld, kError,
     E::kWrongRevision, other_revision},
    {"VMREAD needs a current VMCS", sdm::kVmread, VmxOp::kVmread, kInvalid, kNoError, no_current},
    {"VMREAD's field is one that this part has", sdm::kVmread, VmxOp::kVmread, kError, E::kUnknownField,
     no_field},
    {"VMWRITE needs a current VMCS", sdm::kVmwrite, VmxOp::kVmwrite, kInvalid, kNoError, no_current},
    {"VMWRITE's field is one that this part has", sdm::kVmwrite, VmxOp::kVmwrite, kError, E::kUnknownField,
     no_field},
    {"VMWRITE is not for exit information", sdm::kVmwrite, VmxOp::kVmwrite, kError, E::kReadOnlyField,
     [](V x) { return x.field()->kind() == FieldKind::kReadOnly; }},
    {"VMLAUNCH needs a current VMCS", sdm::kVmlaunch, VmxOp::kVmlaunch, kInvalid, kNoError, no_current},
    {"VMLAUNCH is blocked behind MOV SS", sdm::kVmlaunch, VmxOp::kVmlaunch, kError, E::kBlockedByMovSs,
     blocked},
    {"VMLAUNCH needs a clear VMCS", sdm::kVmlaunch, VmxOp::kVmlaunch, kError, E::kLaunchNotClear,
     [](V x) { return x.launched(); }},
    {"VMRESUME needs a current VMCS", sdm::kVmlaunch, VmxOp::kVmresume, kInvalid, kNoError, no_current},
    {"VMRESUME is blocked behind MOV SS", sdm::kVmlaunch, VmxOp::kVmresume, kError, E::kBlockedByMovSs,
     blocked},
    {"VMRESUME needs a launched VMCS", sdm::kVmlaunch, VmxOp::kVmresume, kError, E::kResumeNotLaunched,
     [](V x) { return !x.launched(); }},
    {"VMCALL calls nobody in VMX root operation", sdm::kVmcall, VmxOp::kVmcall, kError, E::kVmcallInRoot,
     always},
};

}  // namespace

const FieldDef* OpView::field() const {
  const int row = operand >> 32 != 0 ? -1 : find_field(static_cast<u32>(operand));
  if (row < 0) return nullptr;
  const FieldDef& field = fields()[static_cast<std::size_t>(row)];
  return field.arch_lbr && !limits.features.arch_lbr ? nullptr : &field;
}

std::span<const OpRule> op_rules() {
  return kOps;
}
const OpRule* op_rule(VmxOp op, const OpView& view) {
  for (const OpRule& row : kOps) {
    if (row.op == op && looked_at(table::kOps, row.rule, row.fails(view))) return &row;
  }
  return nullptr;
}

}  // namespace lastbranch::vmx
