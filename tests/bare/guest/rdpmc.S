// RDPMC: always at CPL 0, at CPL 3 only with CR4.PCE; an index without a counter raises #GP.
#include "common.inc"
begin
  handler 13, on_gp
  handler 0x80, on_int, 3
  xor ebx, ebx
  global_ctrl 0
  write_msr MSR_PMC0 + 1, 0x1234
  write_msr MSR_FIXED_CTR0, 0x5678
  mov ecx, 1
  rdpmc
  shl rdx, 32
  or rax, rdx
  expect_eq 1, rax, 0x1234
  mov ecx, 1 << 30
  rdpmc
  shl rdx, 32
  or rax, rdx
  expect_eq 2, rax, 0x5678
  mov ecx, 64
  rdpmc
  expect_eq 3, rbx, 1
  enter_user user
user:
  mov ecx, 1
  rdpmc
  int 0x80
on_int:
  cmp byte ptr [rip + second], 0
  jne check_second
  expect_eq 4, rbx, 2
  inc byte ptr [rip + second]
  mov rax, cr4
  or rax, 1 << 8
  mov cr4, rax
  enter_user user
check_second:
  expect_eq 5, rbx, 2
  expect_eq 6, rax, 0x1234
  pass
on_gp:
  inc ebx
  pop qword ptr [rip + seen]
  add qword ptr [rsp], 2
  iretq
.data
second: .byte 0
.text
