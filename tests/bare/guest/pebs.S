// PEBS: an overflow arms it, the next occurrence writes a record, the counter is reloaded from the DS area,
// and the threshold raises a PMI.
#include "common.inc"
.equ RECORD, 200
#define EVENT_NEAR_TAKEN 0x20c4
begin
  x2apic_on
  handler 0x40, on_pmi
  global_ctrl 0
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  write_msr MSR_DS_AREA, "offset ds_area"
  write_msr MSR_PERFEVTSEL0, EVENT_NEAR_TAKEN | EVTSEL_OS | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffffff
  write_msr MSR_PEBS_ENABLE, 1
  movabs rbx, 0x1122334455667788
  movabs r8, 0x8877665544332211
  sti
  global_ctrl 1
b_1:
  jmp b_2
  nop
b_2:
  jmp b_3
  nop
b_3:
  jmp b_4
  nop
b_4:
  jmp b_5
  nop
b_5:
  nop
  nop
  nop
  exit 99
on_pmi:
  mov rbp, rsp
  global_ctrl 0
  write_msr MSR_PEBS_ENABLE, 0
  expect_eq 1, "qword ptr [rip + ds_area + 0x28]", "offset records + 2 * RECORD"
  expect_eq 2, "qword ptr [rip + records + 0xb0]", "offset b_2"
  expect_eq 3, "qword ptr [rip + records + 0x08]", "offset b_3"
  expect_eq 4, "qword ptr [rip + records + RECORD + 0xb0]", "offset b_4"
  expect_eq 5, "qword ptr [rip + records + RECORD + 0x08]", "offset b_5"
  expect_eq 6, "qword ptr [rip + records + 0x18]", 0x1122334455667788
  expect_eq 7, "qword ptr [rip + records + 0x50]", 0x8877665544332211
  expect_eq 8, "qword ptr [rip + records + 0x90]", 1
  read_msr MSR_GLOBAL_STATUS
  expect_bits 9, rax, (1 << 62) | 1, 1 << 62
  expect_eq 10, "qword ptr [rbp]", "offset b_5"
  expect_msr 11, MSR_X2APIC_LVT_PMI, 0x10040
  pass
.data
.p2align 6
ds_area:
  .quad 0, 0, 0, 0
  .quad records, records, records + 10 * RECORD, records + 2 * RECORD
  .quad -1
  .fill 16, 8, 0
records:
  .fill 10 * RECORD, 1, 0
.text
