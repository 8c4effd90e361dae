// Counting between two WRMSRs of IA32_PERF_GLOBAL_CTRL: exactly one of the two counts. OS and USR choose by
// privilege; what is not enabled stands still.
#include "common.inc"
begin
  handler 0x80, on_int, 3
  global_ctrl 0
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_EN
  write_msr MSR_PERFEVTSEL0 + 1, EVENT_BRANCHES | EVTSEL_OS | EVTSEL_EN
  write_msr MSR_PERFEVTSEL0 + 2, EVENT_INSTRUCTIONS | EVTSEL_USR | EVTSEL_EN
  write_msr MSR_PERFEVTSEL0 + 3, EVENT_INSTRUCTIONS | EVTSEL_OS
  write_msr MSR_FIXED_CTR_CTRL, 1
  mov ecx, MSR_GLOBAL_CTRL
  mov eax, 0xf
  mov edx, 1
  wrmsr
  .rept 50
  nop
  .endr
  mov ebx, 10
1:
  dec ebx
  jnz 1b
  xor eax, eax
  xor edx, edx
  wrmsr
  nop
  nop
  expect_msr 1, MSR_PMC0, 74
  expect_msr 2, MSR_FIXED_CTR0, 74
  expect_msr 3, MSR_PMC0 + 1, 10
  expect_msr 4, MSR_PMC0 + 2, 0
  expect_msr 5, MSR_PMC0 + 3, 0
  write_msr MSR_PMC0, 0
  global_ctrl 0xf
  enter_user user
user:
  .rept 20
  nop
  .endr
  int 0x80
on_int:
  global_ctrl 0
  expect_msr 6, MSR_PMC0 + 2, 21
  pass
