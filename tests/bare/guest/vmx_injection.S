// Event injection is one record, from the guest's RIP to its handler, even for #DB; that does not clear
// IA32_DEBUGCTL.LBR, and DR6 stays.
#include "common.inc"
#include "vmx_common.inc"
begin
  handler 0x41, g_interrupt
  handler 1, g_debug
  handler 13, g_fault
  handler 3, g_breakpoint
  hypervisor
  call clear_lbr
  vmcs_write GUEST_DEBUGCTL, DEBUGCTL_LBR
  vmcs_write GUEST_RFLAGS, 0x202
  vmcs_write ENTRY_EVENT, 0x80000041
  vmlaunch_to_exit
  expect_exit 1, REASON_VMCALL, g_interrupt
  expect_field 2, ENTRY_EVENT, 0x41
  expect_field 3, GUEST_RFLAGS, 2
  save_lbr
  expect_lbr 4, 0, guest, g_interrupt
  expect_lbr 5, 1, 0, 0

  // The frame returns to the guest's RIP.
  vmcs_read GUEST_RSP
  mov rbx, rax
  expect_eq 6, "qword ptr [rbx]", "offset guest"
  expect_eq 7, "qword ptr [rbx + 16]", 0x202

  vmcs_address GUEST_RIP, guest
  mov rax, dr6
  mov rbp, rax
  vmcs_write ENTRY_EVENT, 0x80000301
  vmresume_to_exit
  expect_exit 8, REASON_VMCALL, g_debug
  expect_field 9, GUEST_DEBUGCTL, DEBUGCTL_LBR
  mov rax, dr6
  expect_eq_reg 10, rax, rbp
  save_lbr
  expect_lbr 11, 0, guest, g_debug
  expect_lbr 12, 1, guest, g_interrupt

  vmcs_address GUEST_RIP, guest
  vmcs_write ENTRY_EVENT, 0x80000b0d
  vmcs_write ENTRY_ERROR, 0x18
  vmresume_to_exit
  expect_exit 13, REASON_VMCALL, g_fault
  vmcs_read GUEST_RSP
  mov rbx, rax
  expect_eq 14, "qword ptr [rbx]", 0x18
  expect_eq 15, "qword ptr [rbx + 8]", "offset guest"

  // A software exception returns behind its instruction; its record begins at the instruction.
  vmcs_address GUEST_RIP, guest
  vmcs_write ENTRY_EVENT, 0x80000603
  vmcs_write ENTRY_LENGTH, 1
  vmresume_to_exit
  expect_exit 16, REASON_VMCALL, g_breakpoint
  vmcs_read GUEST_RSP
  mov rbx, rax
  expect_eq 17, "qword ptr [rbx]", "offset guest + 1"
  save_lbr
  expect_lbr 18, 0, guest, g_breakpoint
  pass
guest:
  nop
  exit 95
g_interrupt:
  vmcall
g_debug:
  vmcall
g_fault:
  vmcall
g_breakpoint:
  vmcall
