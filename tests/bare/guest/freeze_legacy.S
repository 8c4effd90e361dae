// Freezing with perfmon version 2 and 3: a PMI clears IA32_DEBUGCTL.LBR and IA32_PERF_GLOBAL_CTRL.
#define LBR_DEPTH 16
#include "common.inc"
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
  expect_msr 1, MSR_DEBUGCTL, DEBUGCTL_FREEZE_LBRS | DEBUGCTL_FREEZE_PERFMON
  expect_msr 2, MSR_GLOBAL_CTRL, 0
  expect_msr 3, MSR_GLOBAL_STATUS, 1
  expect_msr 4, MSR_PMC0, 0
  expect_eq 5, "qword ptr [rsp]", "offset t_jmp + 18"
  save_lbr
  expect_lbr 6, 0, b_jmp, t_jmp
  expect_lbr 7, 1, 0, 0
  pass
