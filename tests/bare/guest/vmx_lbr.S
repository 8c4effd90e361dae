// A guest records its own branches: IA32_DEBUGCTL is saved and loaded with the debug controls, an exit clears
// it and DR7, the host's branches in between are no records, and the ring stays as it is.
#include "common.inc"
#include "vmx_common.inc"
begin
  hypervisor
  proc_controls PROC_HLT
  write_msr MSR_LBR_SELECT, 0
  call clear_lbr
  mov eax, 1
  mov dr0, rax
  vmcs_write GUEST_DR7, 0x401
  mov ebp, 3
  vmlaunch_to_exit
  // The guest has switched recording on itself: that WRMSR exits, as no bitmap says otherwise.
  expect_exit 1, REASON_WRMSR, g_wrmsr
  vmcs_write GUEST_DEBUGCTL, DEBUGCTL_LBR
  skip_instruction
  vmresume_to_exit

  expect_exit 2, REASON_CPUID, g_cpuid
  expect_msr 3, MSR_DEBUGCTL, 0
  mov rax, dr7
  expect_eq 4, rax, 0x400
  expect_field 5, GUEST_DEBUGCTL, DEBUGCTL_LBR
  expect_field 6, GUEST_DR7, 0x401
  // The host's own branches.
  jmp 1f
1:
  skip_instruction
  vmresume_to_exit

  expect_exit 7, REASON_RDMSR, g_rdmsr
  expect_eq 8, rcx, MSR_LBR_TOS
  skip_instruction
  vmresume_to_exit

  expect_exit 9, REASON_HLT, g_hlt
  expect_msr 10, MSR_DEBUGCTL, 0
  save_lbr
  expect_lbr 11, 0, g_jmp, g_after
  expect_lbr 12, 1, g_loop, g_top
  expect_lbr 13, 2, g_loop, g_top
  expect_lbr 14, 3, 0, 0
  pass

guest:
  write_msr MSR_DEBUGCTL, 0
  .set g_wrmsr, . - 2
g_top:
  dec ebp
g_loop:
  jnz g_top
g_cpuid:
  cpuid
g_jmp:
  jmp g_after
  nop
g_after:
  mov ecx, MSR_LBR_TOS
g_rdmsr:
  rdmsr
g_hlt:
  hlt
