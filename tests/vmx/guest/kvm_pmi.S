// Samples itself: counter 0 overflows after 100 instructions, the interrupt finds the records frozen by KVM
// and the newest that of the loop.
#include "common.inc"
#define VECTOR 0x40
begin
  global_ctrl 0
  handler VECTOR, sample
  x2apic_on
  write_msr MSR_X2APIC_LVT_PMI, VECTOR
  call clear_lbr
  write_msr MSR_PMC0, -100
  write_msr MSR_PERFEVTSEL0, (EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_EN | EVTSEL_INT)
  xor ebp, ebp
  debugctl (DEBUGCTL_LBR | DEBUGCTL_FREEZE_LBRS)
  sti
  global_ctrl 1
  mov ebx, 500
t_loop:
  dec ebx
b_loop:
  jnz t_loop
  global_ctrl 0
  cli
  debugctl 0
  expect_eq 10, rbp, 1
  pass

sample:
  inc ebp
  mov r12d, ebx
  read_msr MSR_GLOBAL_STATUS
  expect_eq 1, rax, 1
  read_msr MSR_DEBUGCTL
  expect_eq 2, rax, DEBUGCTL_FREEZE_LBRS
  save_lbr
  expect_lbr 3, 0, b_loop, t_loop
  // The WRMSR that enables, MOV and 98 instructions of the loop: 49 turns.
  expect_eq 4, r12, 451
  write_msr MSR_GLOBAL_RESET, 1
  eoi
  iretq
