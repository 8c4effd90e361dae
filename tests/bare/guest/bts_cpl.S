// BTS_OFF_OS and BTS_OFF_USR leave out what happens at their privilege.
#include "common.inc"
begin
  handler 0x80, on_int, 3
  write_msr MSR_DS_AREA, "offset ds_area"
  debugctl DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTS_OFF_OS
  jmp 1f
1:
  enter_user user
user:
b_user:
  jmp t_user
  nop
t_user:
  int 0x80
on_int:
  jmp 1f
1:
  debugctl 0
  lea rax, [rip + records]
  mov ebx, 10
find:
  lea rcx, [rip + b_user]
  cmp [rax], rcx
  je found
  add rax, 24
  dec ebx
  jnz find
  exit 1
found:
  lea rcx, [rip + t_user]
  cmp [rax + 8], rcx
  je 1f
  exit 2
1:
  // At most the two transitions are there besides.
  mov rax, [rip + ds_area + 8]
  lea rcx, [rip + records]
  sub rax, rcx
  cmp rax, 72
  jbe 1f
  exit 3
1:
  debugctl DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTS_OFF_OS | DEBUGCTL_BTS_OFF_USR
  lea rax, [rip + records]
  mov [rip + ds_area + 8], rax
  jmp 1f
1:
  debugctl 0
  expect_eq 4, "qword ptr [rip + ds_area + 8]", "offset records"
  pass
.data
.p2align 6
ds_area:
  .quad records, records, records + 240, records + 264
  .fill 20, 8, 0
records:
  .fill 30, 8, 0
.text
