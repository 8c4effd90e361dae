// One branch fills the PEBS and the BTS buffer: both are in memory when the one PMI comes, which freezes.
#include "common.inc"
.equ RECORD, 200
#define EVENT_NEAR_TAKEN 0x20c4
begin
  x2apic_on
  handler 0x40, on_pmi
  xor ebp, ebp
  global_ctrl 0
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  write_msr MSR_DS_AREA, "offset ds_area"
  write_msr MSR_PERFEVTSEL0, EVENT_NEAR_TAKEN | EVTSEL_OS | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffffff
  write_msr MSR_PEBS_ENABLE, 1
  sti
  lbr_on DEBUGCTL_LBR | DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT | DEBUGCTL_FREEZE_LBRS | DEBUGCTL_FREEZE_PERFMON
  global_ctrl 1
b_1:
  jmp b_2
  nop
b_2:
  jmp t_2
  nop
t_2:
  .rept 20
  nop
  .endr
  exit 99
on_pmi:
  mov rbx, [rsp]
  debugctl 0
  read_msr MSR_GLOBAL_STATUS
  expect_bits 1, rax, 7 << 58, 3 << 58
  expect_bits 2, rax, 1 << 62, 1 << 62
  expect_eq 3, "qword ptr [rip + records + 0xb0]", "offset b_2"
  expect_eq 4, "qword ptr [rip + branches + 24]", "offset b_2"
  expect_eq 5, rbx, "offset t_2"
  expect_msr 6, MSR_X2APIC_LVT_PMI, 0x10040
  pass
.data
.p2align 6
ds_area:
  .quad branches, branches, branches + 240, branches + 48
  .quad records, records, records + 10 * RECORD, records + RECORD
  .quad -1
  .fill 16, 8, 0
branches:
  .fill 30, 8, 0
records:
  .fill 10 * RECORD, 1, 0
.text
