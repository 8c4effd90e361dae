// Branch trace store: records of 24 bytes into the DS area, an interrupt when the threshold is reached.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_pmi
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  write_msr MSR_DS_AREA, "offset ds_area"
  sti
  debugctl DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT
b_1:
  jmp t_1
  nop
t_1:
b_2:
  call t_2
t_2:
  .rept 10
  nop
  .endr
  exit 99
on_pmi:
  debugctl 0
  expect_eq 1, "qword ptr [rip + records]", "offset b_1"
  expect_eq 2, "qword ptr [rip + records + 8]", "offset t_1"
  expect_eq 3, "qword ptr [rip + records + 16]", 0
  expect_eq 4, "qword ptr [rip + records + 24]", "offset b_2"
  expect_eq 5, "qword ptr [rip + records + 32]", "offset t_2"
  expect_eq 6, "qword ptr [rsp]", "offset t_2"
  // The interrupt is a branch too, and there was room for it.
  expect_eq 7, "qword ptr [rip + records + 48]", "offset t_2"
  expect_eq 8, "qword ptr [rip + records + 56]", "offset on_pmi"
  expect_eq 9, "qword ptr [rip + ds_area + 8]", "offset records + 72"
  pass
.data
.p2align 6
ds_area:
  .quad records, records, records + 240, records + 48
  .fill 20, 8, 0
records:
  .fill 30, 8, 0
.text
