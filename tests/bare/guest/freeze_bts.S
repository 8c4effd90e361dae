// The BTS buffer at its threshold is a PMI that freezes as an overflow does.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_pmi
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  write_msr MSR_DS_AREA, "offset ds_area"
  sti
  lbr_on DEBUGCTL_LBR | DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT | DEBUGCTL_FREEZE_LBRS | DEBUGCTL_FREEZE_PERFMON
b_1:
  jmp b_2
  nop
b_2:
  jmp t_2
  nop
t_2:
  .rept 10
  nop
  .endr
  exit 99
on_pmi:
  read_msr MSR_GLOBAL_STATUS
  expect_bits 1, rax, 3 << 58, 3 << 58
  debugctl 0
  save_lbr
  expect_lbr 2, 0, b_2, t_2
  expect_lbr 3, 1, b_1, b_2
  expect_lbr 4, 2, 0, 0
  pass
.data
.p2align 6
ds_area:
  .quad records, records, records + 240, records + 48
  .fill 20, 8, 0
records:
  .fill 30, 8, 0
.text
