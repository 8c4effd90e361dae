#include "models/vmx/vmx.h"

#include "models/vmx/exits.h"
#include "models/vmx/op_rules.h"

namespace lastbranch::vmx {
namespace {

constexpr u64 kCr0Ones = 0x80000021;  // PE, NE, PG
constexpr u64 kCr4Ones = 0x2000;      // VMXE
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

VmxOutcome Vmx::fail(InstructionError error) {
  if (current_ == kNoVmcs) return {.how = How::kFailInvalid};
  vmcs().write(Field::kInstructionError, static_cast<u64>(error));
  return {.how = How::kFailValid};
}

VmxOutcome Vmx::fail(const OpRule& rule) {
  decided(rule.rule, rule.source);
  switch (rule.failure) {
    case OpRule::Failure::kGp:
      return {.how = How::kFault, .fault = general_protection()};
    case OpRule::Failure::kInvalid:
      return {.how = How::kFailInvalid};
    default:
      return fail(rule.error);
  }
}

VmxOutcome Vmx::execute(VmxOp op, u64 first, u64 second) {
  const VmxState state = processor_.state();
  const OpView view{first, vmxon_, current_, memory_, state, limits_, feature_control_};
  if (const OpRule* const rule = op_rule(op, view)) return fail(*rule);
  switch (op) {
    case VmxOp::kVmxon:
      vmxon_ = first;
      current_ = kNoVmcs;
      return {};
    case VmxOp::kVmxoff:
      vmxon_ = current_ = kNoVmcs;
      return {};
    case VmxOp::kVmclear:
      Vmcs(memory_, first).set_launched(false);
      if (first == current_) current_ = kNoVmcs;
      return {};
    case VmxOp::kVmptrld:
      current_ = first;
      return {};
    case VmxOp::kVmptrst:
      return {.value = current_};
    case VmxOp::kVmread:
      return vmread(first);
    case VmxOp::kVmwrite:
      vmwrite(first, second);
      return {};
    case VmxOp::kVmlaunch:
      return enter(true);
    case VmxOp::kVmresume:
      return enter(false);
    default:
      return {.how = How::kFault, .fault = {.vector = Vector::kUD}};
  }
}

namespace {
Field whole(u64 encoding) {
  return static_cast<Field>(encoding & ~u64{1});
}
}  // namespace

VmxOutcome Vmx::vmread(u64 encoding) {
  const u64 value = vmcs().read(whole(encoding));
  return {.value = (encoding & 1) != 0 ? value >> 32 : value};
}

void Vmx::vmwrite(u64 encoding, u64 value) {
  Vmcs v = vmcs();
  if ((encoding & 1) != 0) value = (v.read(whole(encoding)) & 0xffffffff) | value << 32;
  v.write(whole(encoding), value);
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
