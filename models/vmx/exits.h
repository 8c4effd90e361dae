#pragma once
// What leaves VMX non-root operation, as tables: one row per rule. Of the rows for an instruction's group,
// the first that applies decides; none: it executes.
// Source: SDM vol. 3C, "VMX Non-Root Operation": "Instructions That Cause VM Exits", "Other Causes of VM
// Exits"; "Control of MSR access", "VM-Execution Control Fields".
#include "models/vmx/rules.h"
#include "models/vmx/vmx.h"

namespace lastbranch::vmx {

/// An instruction as the rules look at it.
struct InsnView {
  Vmcs v;
  const PhysMem& memory;
  const VmxInsn& insn;
  u32 proc = v.read32(Field::kProcControls);

  [[nodiscard]] bool control(u32 bit) const { return (proc & bit) != 0; }
  [[nodiscard]] bool bitmap(u64 address, u64 bit) const {
    // Memory that is not there reads as ones: the access exits. The pointer may have been changed since the
    // entry.
    const u64 at = address + bit / 8;
    return !memory.contains(at, 1) || (*memory.host(at) >> (bit % 8) & 1) != 0;
  }
};
struct InsnRule {
  std::string_view rule;
  std::string_view source;
  VmxSensitive what;
  Reason reason;
  bool (*exits)(const InsnView&);
};
[[nodiscard]] std::span<const InsnRule> instruction_rules();
/// nullptr: the instruction executes.
[[nodiscard]] const InsnRule* instruction_rule(const InsnView& view);
/// The exit qualification, per kind of instruction.
[[nodiscard]] u64 qualification(const VmxInsn& insn);
/// What the instruction accesses in place of CR0 or CR4 where the hypervisor owns bits of it.
[[nodiscard]] std::optional<u64> owned_bits(const InsnView& view, u64 cr0, u64 cr4);
/// The exit reason of a VMX instruction; of those this processor has not, VMCALL's.
[[nodiscard]] Reason reason_of(VmxOp op);

/// An event as the rules look at it: `kind` selects the rows, the first of them decides.
struct EventView {
  Vmcs v;
  const VmxEvent& event;
  u32 pin = v.read32(Field::kPinControls);
};
struct EventRule {
  std::string_view rule;
  std::string_view source;
  Reason reason;
  bool (*concerns)(const VmxEvent&);
  bool (*exits)(const EventView&);  ///< nullptr: never
};
[[nodiscard]] std::span<const EventRule> event_rules();
[[nodiscard]] const EventRule& event_rule(const VmxEvent& event);
/// Whether the event leaves by `rule`, its own.
[[nodiscard]] bool exits(const EventRule& rule, const EventView& view);

/// An exit that no instruction and no event of the guest asks for.
enum class Window : u8 { kTripleFault, kInterruptWaiting, kInterruptWindow, kNmiWindow };
struct WindowRule {
  std::string_view rule;
  std::string_view source;
  Window what;
  Reason reason;
  bool (*exits)(const Vmcs&);
};
[[nodiscard]] std::span<const WindowRule> window_rules();
/// nullptr: it does not exit.
[[nodiscard]] const WindowRule* window_rule(Window what, const Vmcs& v);

/// Why an entry of an MSR list is refused before RDMSR or WRMSR is tried.
struct ListRule {
  std::string_view rule;
  std::string_view source;
  bool loads;   ///< holds for lists that are loaded
  bool stores;  ///< ... stored
  bool (*refuses)(u32 index, u32 reserved);
};
[[nodiscard]] std::span<const ListRule> list_rules();
[[nodiscard]] const ListRule* list_rule(bool load, u32 index, u32 reserved);

}  // namespace lastbranch::vmx
