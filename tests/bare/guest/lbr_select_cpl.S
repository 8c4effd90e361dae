// MSR_LBR_SELECT's privilege filter tests the destination: CPL_EQ_0 keeps what ends at CPL 3, CPL_NEQ_0
// what ends at CPL 0.
#include "common.inc"
.macro trip
  push USER_DATA
  lea rax, [rip + user_stack_top]
  push rax
  push 2
  push USER_CODE
  lea rax, [rip + user]
  push rax
.endm
begin
  handler 0x80, on_int, 3
  mov [rip + seen], rsp
  write_msr MSR_LBR_SELECT, 1
  lbr_on
  trip
  jmp to_user
to_user:
  iretq
user:
b_user:
  jmp t_user
t_user:
f_int:
  int 0x80
on_int:
  jmp on_int_2
on_int_2:
  debugctl 0
  save_lbr
  cmp byte ptr [rip + second], 0
  jne check_second
  expect_lbr 1, 0, b_user, t_user
  expect_lbr 2, 1, to_user, user
  expect_lbr 3, 2, 0, 0
  mov rsp, [rip + seen]
  inc byte ptr [rip + second]
  write_msr MSR_LBR_SELECT, 2
  lbr_on
  trip
b_kernel:
  jmp to_user
check_second:
  expect_lbr 4, 0, on_int, on_int_2
  expect_lbr 5, 1, f_int, on_int
  expect_lbr 6, 2, b_kernel, to_user
  expect_lbr 7, 3, 0, 0
  write_msr MSR_LBR_SELECT, 0
  pass
.data
second: .byte 0
.text
