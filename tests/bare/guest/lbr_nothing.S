// What is no taken branch leaves no record: branches not taken, serialising instructions, WRMSR, MOV CR3.
#include "common.inc"
begin
  mov ebx, 1
  lbr_on
  test ebx, ebx
  jz never
  mov ecx, 1
  loop near_never
  mov ecx, 1
  jrcxz near_never
  jo never
  jmp over
near_never:
  exit 98
over:
  xor eax, eax
  cpuid
  mov rax, cr3
  mov cr3, rax
  mov rax, cr0
  mov cr0, rax
  write_msr MSR_PMC0, 0
  lfence
  mfence
  debugctl 0
  save_lbr
  expect_eq 1, "qword ptr [rip + lbr_to]", "offset over"
  expect_lbr 2, 1, 0, 0
  pass
never:
  exit 99
