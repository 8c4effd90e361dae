// A REP string instruction that is left in the middle, here by a fault of its ninth iteration: RIP pushed and
// FROM are the instruction itself, its iterations are no records.
#include "common.inc"
begin
  handler 13, on_gp
  lbr_on
  movabs rdi, 0x7ffffffffff8
  mov ecx, 100
f_rep:
  rep stosb
  exit 99
on_gp:
  mov rbx, rcx
  mov rbp, rdi
  debugctl 0
  save_lbr
  expect_lbr 1, 0, f_rep, on_gp
  expect_lbr 2, 1, 0, 0
  expect_eq 3, rbx, 92
  expect_eq 4, rbp, 0x800000000000
  expect_eq 5, "qword ptr [rsp + 8]", "offset f_rep"
  pass
