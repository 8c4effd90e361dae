#include "models/vmx/vmx.h"

#include "models/vmx/exits.h"

namespace lastbranch::vmx {
namespace {

constexpr u64 kCr0Ones = 0x80000021;  // PE, NE, PG
constexpr u64 kCr4Ones = 0x2000;      // VMXE
constexpr u64 kFeatureControlOn = 5;  // locked, VMX outside SMX
using How = VmxOutcome::How;

}  // namespace

Vmx::Vmx(VmxProcessor& processor, PhysMem& memory, MsrBus& msrs, const VmxPart& part, FarBranches* branches,
         const VmxOptions& options)
    : processor_(processor), memory_(memory), msrs_(msrs), branches_(branches), options_(options) {
  limits_.cr0_ones = kCr0Ones;
  limits_.cr4_ones = kCr4Ones;
  limits_.cr4_may = part.cr4 | kCr4Ones;
  limits_.physical_bits = part.physical_bits;
  limits_.features.perf_global_ctrl = false;
  for (const MsrBus::Listed& msr : msrs.list()) {
    switch (msr.index) {
      case 0x1d9:
        limits_.debugctl = msr.writable;
        break;
      case 0x38f:
        limits_.perf_global_ctrl = msr.writable;
        limits_.features.perf_global_ctrl = true;
        break;
      case 0x14ce:
        limits_.lbr_ctl = msr.writable;
        limits_.features.arch_lbr = true;
        break;
      case 0xc0000080:
        limits_.efer = msr.writable;
        break;
      default:
        break;
    }
  }
  msrs.attach(rows(), this);
}

/// A page of physical memory; this processor's memory is all there is.
bool Vmx::region(u64 address) const {
  return (address & (kRegionSize - 1)) == 0 && address >> limits_.physical_bits == 0 &&
         memory_.contains(address, kRegionSize);
}

VmxOutcome Vmx::fail(InstructionError error) {
  if (current_ == kNoVmcs) return {.how = How::kFailInvalid};
  vmcs().write(Field::kInstructionError, static_cast<u64>(error));
  return {.how = How::kFailValid};
}

VmxOutcome Vmx::execute(VmxOp op, u64 first, u64 second) {
  switch (op) {
    case VmxOp::kVmxon:
      return vmxon(first);
    case VmxOp::kVmxoff:
      vmxon_ = current_ = kNoVmcs;
      return {};
    case VmxOp::kVmclear:
      return vmclear(first);
    case VmxOp::kVmptrld:
      return vmptrld(first);
    case VmxOp::kVmptrst:
      return {.value = current_};
    case VmxOp::kVmread:
      return vmread(first);
    case VmxOp::kVmwrite:
      return vmwrite(first, second);
    case VmxOp::kVmlaunch:
      return enter(true);
    case VmxOp::kVmresume:
      return enter(false);
    case VmxOp::kVmcall:
      return fail(InstructionError::kVmcallInRoot);
    default:
      return {.how = How::kFault, .fault = {.vector = Vector::kUD}};
  }
}

VmxOutcome Vmx::vmxon(u64 address) {
  if (on()) return fail(InstructionError::kVmxonInRoot);
  const VmxState state = processor_.state();
  const bool fixed = (limits_.cr0_ones & ~state.cr0) == 0 && (limits_.cr4_ones & ~state.cr4) == 0;
  if (!fixed || (feature_control_ & kFeatureControlOn) != kFeatureControlOn)
    return {.how = How::kFault, .fault = general_protection()};
  if (!region(address) || Vmcs(memory_, address).revision() != kRevision) return {.how = How::kFailInvalid};
  vmxon_ = address;
  current_ = kNoVmcs;
  return {};
}

VmxOutcome Vmx::vmclear(u64 address) {
  if (!region(address)) return fail(InstructionError::kVmclearAddress);
  if (address == vmxon_) return fail(InstructionError::kVmclearVmxon);
  Vmcs(memory_, address).set_launched(false);
  if (address == current_) current_ = kNoVmcs;
  return {};
}

VmxOutcome Vmx::vmptrld(u64 address) {
  if (!region(address)) return fail(InstructionError::kVmptrldAddress);
  if (address == vmxon_) return fail(InstructionError::kVmptrldVmxon);
  if (Vmcs(memory_, address).revision() != kRevision) return fail(InstructionError::kWrongRevision);
  current_ = address;
  return {};
}

namespace {
/// The row of a field that this part has; -1: none.
int part_field(u64 encoding, const Features& features) {
  if (encoding >> 32 != 0) return -1;
  const int row = find_field(static_cast<u32>(encoding));
  return row >= 0 && fields()[static_cast<std::size_t>(row)].arch_lbr && !features.arch_lbr ? -1 : row;
}
Field whole(u64 encoding) {
  return static_cast<Field>(encoding & ~u64{1});
}
}  // namespace

VmxOutcome Vmx::vmread(u64 encoding) {
  if (current_ == kNoVmcs) return {.how = How::kFailInvalid};
  if (part_field(encoding, limits_.features) < 0) return fail(InstructionError::kUnknownField);
  const u64 value = vmcs().read(whole(encoding));
  return {.value = (encoding & 1) != 0 ? value >> 32 : value};
}

VmxOutcome Vmx::vmwrite(u64 encoding, u64 value) {
  if (current_ == kNoVmcs) return {.how = How::kFailInvalid};
  const int row = part_field(encoding, limits_.features);
  if (row < 0) return fail(InstructionError::kUnknownField);
  if (fields()[static_cast<std::size_t>(row)].kind() == FieldKind::kReadOnly)
    return fail(InstructionError::kReadOnlyField);
  Vmcs v = vmcs();
  if ((encoding & 1) != 0) value = (v.read(whole(encoding)) & 0xffffffff) | value << 32;
  v.write(whole(encoding), value);
  return {};
}

bool Vmx::takes_interrupts() const {
  return (vmcs().read(Field::kPinControls) & pin::kExternalInterrupt) != 0;
}
bool Vmx::virtual_nmis() const {
  return (vmcs().read(Field::kPinControls) & pin::kVirtualNmis) != 0;
}
bool Vmx::iret_unblocks() const {
  const u64 controls = vmcs().read(Field::kPinControls);
  return (controls & pin::kNmi) == 0 || (controls & pin::kVirtualNmis) != 0;
}
bool Vmx::allows_cr(unsigned number, u64 value) const {
  if (!on()) return true;
  if (number == 0) return (limits_.cr0_ones & ~value) == 0;
  return (limits_.cr4_ones & ~value) == 0 && (value & ~limits_.cr4_may) == 0;
}

VmxDecision Vmx::instruction(const VmxInsn& insn) {
  const InsnView view{vmcs(), memory_, insn};
  const InsnRule* const rule = instruction_rule(view);
  if (rule == nullptr) {
    const VmxState state = processor_.state();
    return {.value = owned_bits(view, state.cr0, state.cr4)};
  }
  decided(rule->rule, rule->source);
  leave({.reason = insn.what == VmxSensitive::kVmx ? reason_of(insn.op) : rule->reason,
         .qualification = qualification(insn),
         .length = insn.length});
  return {.exited = true};
}

bool Vmx::event(const VmxEvent& event, const VmxEvent* first) {
  const EventRule& rule = event_rule(event);
  if (!exits(rule, {vmcs(), event})) return false;
  decided(rule.rule, rule.source);
  const bool software =
      event.type == VmxEventType::kPrivileged || event.type == VmxEventType::kSoftwareException;
  const bool details =
      event.type == VmxEventType::kException &&
      (event.vector == static_cast<u8>(Vector::kPF) || event.vector == static_cast<u8>(Vector::kDB));
  const bool known = event.type != VmxEventType::kInterrupt ||
                     (vmcs().read(Field::kExitControls) & exit_ctl::kAcknowledge) != 0;
  leave({.reason = rule.reason,
         .qualification = details ? event.detail : 0,
         .length = software           ? event.length
                   : first != nullptr ? first->length
                                      : 0,
         .event = known ? &event : nullptr,
         .vectoring = first});
  return true;
}

bool Vmx::leave_by(Window what) {
  const WindowRule* const rule = window_rule(what, vmcs());
  if (rule == nullptr) return false;
  decided(rule->rule, rule->source);
  leave({.reason = rule->reason});
  return true;
}

void Vmx::triple_fault() {
  leave_by(Window::kTripleFault);
}
bool Vmx::interrupt_waiting() {
  return leave_by(Window::kInterruptWaiting);
}
bool Vmx::interrupt_window() {
  return leave_by(Window::kInterruptWindow);
}
bool Vmx::nmi_window() {
  return leave_by(Window::kNmiWindow);
}

}  // namespace lastbranch::vmx
