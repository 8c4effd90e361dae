// A branch to an instruction that faults: two records, the fault's FROM is the branch's target.
#include "common.inc"
begin
  handler 6, on_ud
  lbr_on
b_call:
  call t_call
  exit 99
t_call:
  ud2
on_ud:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, t_call, on_ud
  expect_lbr 2, 1, b_call, t_call
  expect_lbr 3, 2, 0, 0
  pass
