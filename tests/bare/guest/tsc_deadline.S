// The timer in TSC-deadline mode, and its mask bit.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_timer
  xor ebx, ebx
  write_msr MSR_X2APIC_LVT_TIMER, 0x40040
  rdtsc
  shl rdx, 32
  add rax, rdx
  add rax, 50000
  mov rbp, rax
  write_msr_rax MSR_TSC_DEADLINE
  sti
  hlt
  rdtsc
  shl rdx, 32
  add rax, rdx
  cmp rax, rbp
  jae 1f
  exit 1
1:
  expect_eq 2, rbx, 1
  expect_msr 3, MSR_TSC_DEADLINE, 0
  write_msr MSR_X2APIC_LVT_TIMER, 0x50040
  write_msr MSR_TSC_DEADLINE, 1
  .rept 20
  nop
  .endr
  expect_eq 4, rbx, 1
  pass
on_timer:
  inc ebx
  eoi
  iretq
