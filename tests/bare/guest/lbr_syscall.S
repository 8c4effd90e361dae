// To CPL 3 by IRET, back by SYSCALL, again by SYSRET, back by a fault and by INT n.
#include "common.inc"
begin
  handler 0x80, on_int, 3
  handler 13, on_gp
  read_msr MSR_EFER
  or rax, 1
  write_msr_rax MSR_EFER
  write_msr MSR_STAR, (0x18 << 48) | (KERNEL_CODE << 32)
  write_msr MSR_LSTAR, "offset on_syscall"
  write_msr MSR_FMASK, RFLAGS_IF
  lbr_on
  push USER_DATA
  lea rax, [rip + user_stack_top]
  push rax
  push 2
  push USER_CODE
  lea rax, [rip + user]
  push rax
to_user:
  iretq
user:
  nop
f_syscall:
  syscall
after_syscall:
  nop
f_gp:
  cli
after_gp:
  nop
f_int:
  int 0x80
on_syscall:
  mov rsp, offset kernel_stack_top
r_sysret:
  sysretq
on_gp:
  pop rax
  lea rax, [rip + after_gp]
  mov [rsp], rax
r_gp:
  iretq
on_int:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, f_int, on_int
  expect_lbr 2, 1, r_gp, after_gp
  expect_lbr 3, 2, f_gp, on_gp
  expect_lbr 4, 3, r_sysret, after_syscall
  expect_lbr 5, 4, f_syscall, on_syscall
  expect_lbr 6, 5, to_user, user
  expect_lbr 7, 6, 0, 0
  pass
