// Exceptions: by the bitmap they exit, others go through the guest's IDT, INT n always does; a triple fault
// exits, and so does a fault in the midst of a delivery, which names what was being delivered.
#include "common.inc"
#include "vmx_common.inc"
begin
  handler 13, g_gp
  handler 0x50, g_int
  hypervisor
  vmcs_write EXCEPTION_BITMAP, (1 << 6 | 1 << 3 | 1 << 1)
  vmlaunch_to_exit
  expect_exit 1, REASON_EXCEPTION, g_ud
  expect_field 2, EXIT_EVENT, 0x80000306
  expect_field 3, QUALIFICATION, 0
  skip_instruction
  vmcs_address GUEST_RIP, g_int3
  vmresume_to_exit
  expect_exit 4, REASON_EXCEPTION, g_int3
  expect_field 5, EXIT_EVENT, 0x80000603
  expect_field 6, EXIT_LENGTH, 1
  vmcs_address GUEST_RIP, g_gp_source
  vmresume_to_exit
  // #GP is not in the bitmap: the handler met INT 50H, whose handler exits.
  expect_exit 7, REASON_VMCALL, g_int
  vmcs_address GUEST_RIP, g_step
  vmcs_write GUEST_RFLAGS, 0x102
  vmresume_to_exit
  expect_exit 8, REASON_EXCEPTION, g_stepped
  expect_field 9, EXIT_EVENT, 0x80000301
  expect_field 10, QUALIFICATION, 0x4000

  vmcs_write GUEST_RFLAGS, 2
  vmcs_write EXCEPTION_BITMAP, (1 << 13)
  vmcs_write GUEST_IDTR_LIMIT, (16 * 0x50 - 1)
  vmcs_address GUEST_RIP, g_int_n
  vmresume_to_exit
  expect_exit 11, REASON_EXCEPTION, g_int_n
  expect_field 12, EXIT_EVENT, 0x80000b0d
  expect_field 13, EXIT_ERROR, (0x50 * 8 + 2)
  expect_field 14, VECTORING_EVENT, 0x80000450
  expect_field 15, EXIT_LENGTH, 2

  vmcs_write EXCEPTION_BITMAP, 0
  vmcs_write GUEST_IDTR_LIMIT, 0
  vmresume_to_exit
  expect_exit 16, REASON_TRIPLE_FAULT, g_int_n
  pass
guest:
g_ud:
  ud2
g_int3:
  int3
g_gp_source:
  mov ecx, 0
  mov rax, -1
  mov cr3, rax
g_gp:
  int 0x50
g_int:
  vmcall
g_step:
  nop
g_stepped:
  nop
g_int_n:
  int 0x50
