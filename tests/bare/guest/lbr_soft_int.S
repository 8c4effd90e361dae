// INT n and INT3: FROM is the instruction itself, although the RIP pushed is the next one.
#include "common.inc"
begin
  handler 0x80, on_int
  handler 3, on_bp
  lbr_on
f_int:
  int 0x80
after_int:
f_bp:
  int3
after_bp:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, r_bp, after_bp
  expect_lbr 2, 1, f_bp, on_bp
  expect_lbr 3, 2, r_int, after_int
  expect_lbr 4, 3, f_int, on_int
  expect_lbr 5, 4, 0, 0
  expect_eq 6, "qword ptr [rip + seen]", "offset after_int"
  expect_eq 7, "qword ptr [rip + seen + 8]", "offset after_bp"
  pass
on_int:
  mov rax, [rsp]
  mov [rip + seen], rax
r_int:
  iretq
on_bp:
  mov rax, [rsp]
  mov [rip + seen + 8], rax
r_bp:
  iretq
