// MSR bitmaps: a guest with pass-through of IA32_DEBUGCTL and the ring records and reads its own branches
// without an exit; a write of TOS exits by its bit, a register outside both ranges without any.
#include "common.inc"
#include "vmx_common.inc"
begin
  hypervisor
  call clear_lbr
  proc_controls PROC_MSR_BITMAPS
  vmcs_address MSR_BITMAP, bitmaps
  // Writes of the low range are at 2048.
  lea rax, [rip + bitmaps]
  bts dword ptr [rax + 2048 + 4 * (MSR_LBR_TOS / 32)], MSR_LBR_TOS % 32
  vmlaunch_to_exit
  expect_exit 1, REASON_WRMSR, g_wrmsr
  vmcs_read EXIT_LENGTH
  expect_eq 2, rax, 2
  expect_field 3, GUEST_DEBUGCTL, 0
  expect_lbr 4, 0, g_jmp, g_after
  expect_lbr 5, 1, 0, 0
  skip_instruction
  vmresume_to_exit
  expect_exit 6, REASON_RDMSR, g_outside
  expect_eq 7, rcx, 0x12345
  pass

guest:
  debugctl DEBUGCTL_LBR
g_jmp:
  jmp g_after
  nop
g_after:
  debugctl 0
  save_lbr
  xor eax, eax
  xor edx, edx
  mov ecx, MSR_LBR_TOS
g_wrmsr:
  wrmsr
  mov ecx, 0x12345
g_outside:
  rdmsr
