// Near branches: taken ones are recorded with the address of their first byte, others not.
#include "common.inc"
begin
  lea rbx, [rip + t_ind_jmp]
  lea rbp, [rip + t_ind_call]
  mov ecx, 2
  lbr_on
  xor eax, eax
  mov ecx, 2
  jne never
  jo never
b_jcc:
  je t_jcc
never:
  exit 99
t_jcc:
b_loop:
  loop b_loop
b_jrcxz:
  jrcxz t_jrcxz
  nop
t_jrcxz:
b_jmp:
  jmp t_jmp
  nop
t_jmp:
b_ind_jmp:
  notrack jmp rbx
  nop
t_ind_jmp:
b_call:
  call t_call
after_call:
b_ind_call:
  call rbp
after_ind_call:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, b_ind_ret, after_ind_call
  expect_lbr 2, 1, b_ind_call, t_ind_call
  expect_lbr 3, 2, b_ret, after_call
  expect_lbr 4, 3, b_call, t_call
  expect_lbr 5, 4, b_ind_jmp, t_ind_jmp
  expect_lbr 6, 5, b_jmp, t_jmp
  expect_lbr 7, 6, b_jrcxz, t_jrcxz
  expect_lbr 8, 7, b_loop, b_loop
  expect_lbr 9, 8, b_jcc, t_jcc
  expect_lbr 10, 9, 0, 0
  pass
t_call:
b_ret:
  ret
t_ind_call:
  nop
b_ind_ret:
  ret 0
