// Faults: FROM is the faulting instruction, which is also the RIP pushed; IRET is a record of its own.
#include "common.inc"
begin
  handler 6, on_ud
  handler 13, on_gp
  handler 0, on_de
  lbr_on
f_ud:
  ud2
after_ud:
  movabs rax, 0x8000000000000000
f_gp:
  mov rax, [rax]
after_gp:
  xor ecx, ecx
f_de:
  div ecx
after_de:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, r_de, after_de
  expect_lbr 2, 1, f_de, on_de
  expect_lbr 3, 2, r_gp, after_gp
  expect_lbr 4, 3, f_gp, on_gp
  expect_lbr 5, 4, r_ud, after_ud
  expect_lbr 6, 5, f_ud, on_ud
  expect_lbr 7, 6, 0, 0
  expect_eq 8, "qword ptr [rip + seen]", "offset f_ud"
  expect_eq 9, "qword ptr [rip + seen + 8]", "offset f_gp"
  expect_eq 10, "qword ptr [rip + seen + 16]", "offset f_de"
  expect_eq 11, "qword ptr [rip + seen + 24]", 0
  pass
on_ud:
  pop qword ptr [rip + seen]
  lea rax, [rip + after_ud]
  push rax
r_ud:
  iretq
on_gp:
  pop qword ptr [rip + seen + 24]
  pop qword ptr [rip + seen + 8]
  lea rax, [rip + after_gp]
  push rax
r_gp:
  iretq
on_de:
  pop qword ptr [rip + seen + 16]
  lea rax, [rip + after_de]
  push rax
r_de:
  iretq
