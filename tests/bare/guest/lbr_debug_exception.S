// #DB by single step: its delivery is no record; IA32_DEBUGCTL.LBR is clear in the handler, TR is not.
#include "common.inc"
begin
  handler 1, on_db
  lbr_on
  pushfq
  or qword ptr [rsp], RFLAGS_TF
  debugctl DEBUGCTL_LBR | DEBUGCTL_TR
b_jmp:
  jmp t_jmp
  nop
t_jmp:
  popfq
  nop
stepped:
  exit 99
on_db:
  mov rbx, [rsp]
  read_msr MSR_DEBUGCTL
  mov rbp, rax
  debugctl 0
  mov r12, dr6
  save_lbr
  expect_eq 1, rbx, "offset stepped"
  expect_eq 2, rbp, DEBUGCTL_TR
  expect_bits 3, r12, 0x400f, 0x4000
  expect_lbr 4, 0, b_jmp, t_jmp
  expect_lbr 5, 1, 0, 0
  pass
