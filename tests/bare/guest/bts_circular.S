// BTS without BTINT: the buffer is a ring, nobody is interrupted.
#include "common.inc"
begin
  write_msr MSR_DS_AREA, "offset ds_area"
  debugctl DEBUGCTL_TR | DEBUGCTL_BTS
b_1:
  jmp b_2
  nop
b_2:
  jmp b_3
  nop
b_3:
  jmp t_3
  nop
t_3:
  debugctl 0
  expect_eq 1, "qword ptr [rip + records]", "offset b_3"
  expect_eq 2, "qword ptr [rip + records + 8]", "offset t_3"
  expect_eq 3, "qword ptr [rip + records + 24]", "offset b_2"
  expect_eq 4, "qword ptr [rip + records + 32]", "offset b_3"
  expect_eq 5, "qword ptr [rip + ds_area + 8]", "offset records + 24"
  pass
.data
.p2align 6
ds_area:
  .quad records, records, records + 48, records + 72
  .fill 20, 8, 0
records:
  .fill 12, 8, 0
.text
