// Far JMP, CALL and RET: FROM is the instruction.
#include "common.inc"
begin
  lbr_on
b_jmp:
  rex.w jmp fword ptr [rip + far_jmp]
  nop
t_jmp:
b_call:
  rex.w call fword ptr [rip + far_call]
after_call:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, b_ret, after_call
  expect_lbr 2, 1, b_call, t_call
  expect_lbr 3, 2, b_jmp, t_jmp
  expect_lbr 4, 3, 0, 0
  pass
t_call:
b_ret:
  rex.w retf
.data
far_jmp:
  .quad t_jmp
  .word KERNEL_CODE
far_call:
  .quad t_call
  .word KERNEL_CODE
.text
