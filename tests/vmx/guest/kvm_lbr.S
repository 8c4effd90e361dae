// Switches recording on, branches, switches it off and reads its stack: its own branches and nothing else.
#include "common.inc"
begin
  lbr_on
  mov ebx, 3
t_loop:
  dec ebx
b_loop:
  jnz t_loop
b_jmp:
  jmp t_jmp
  nop
t_jmp:
b_call:
  call function
t_ret:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, b_ret, t_ret
  expect_lbr 2, 1, b_call, function
  expect_lbr 3, 2, b_jmp, t_jmp
  expect_lbr 4, 3, b_loop, t_loop
  expect_lbr 5, 4, b_loop, t_loop
  expect_lbr 6, 5, 0, 0
  pass
function:
b_ret:
  ret
