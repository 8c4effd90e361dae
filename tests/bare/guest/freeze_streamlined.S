// Freezing since perfmon version 4: a PMI sets LBR_FRZ and CTR_FRZ, the enables stay; writing the bits to
// IA32_PERF_GLOBAL_STATUS_RESET lets both go on.
#include "common.inc"
#define LBR_FRZ (1 << 58)
#define CTR_FRZ (1 << 59)
begin
  x2apic_on
  handler 0x40, on_pmi
  global_ctrl 0
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffffec
  lbr_on DEBUGCTL_LBR | DEBUGCTL_FREEZE_LBRS | DEBUGCTL_FREEZE_PERFMON
  sti
  global_ctrl 1
b_jmp:
  jmp t_jmp
  nop
t_jmp:
  .rept 60
  nop
  .endr
  exit 99
on_pmi:
  jmp 1f
1:
  expect_msr 1, MSR_DEBUGCTL, DEBUGCTL_LBR | DEBUGCTL_FREEZE_LBRS | DEBUGCTL_FREEZE_PERFMON
  expect_msr 2, MSR_GLOBAL_CTRL, 1
  expect_msr 3, MSR_GLOBAL_STATUS, LBR_FRZ | CTR_FRZ | 1
  expect_msr 4, MSR_PMC0, 0
  save_lbr
  expect_lbr 5, 0, b_jmp, t_jmp
  expect_lbr 6, 1, 0, 0
  write_msr MSR_GLOBAL_RESET, LBR_FRZ
b_again:
  jmp t_again
  nop
t_again:
  debugctl 0
  save_lbr
  expect_lbr 7, 0, b_again, t_again
  expect_lbr 8, 1, b_jmp, t_jmp
  expect_msr 9, MSR_PMC0, 0
  write_msr MSR_GLOBAL_RESET, CTR_FRZ | 1
  nop
  global_ctrl 0
  expect_msr 10, MSR_GLOBAL_STATUS, 0
  read_msr MSR_PMC0
  test rax, rax
  jnz 1f
  exit 11
1:
  pass
