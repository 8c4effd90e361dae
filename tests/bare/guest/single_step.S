// TF alone: #DB after every instruction, DR6.BS set, until the handler clears TF in the frame.
#include "common.inc"
begin
  handler 1, on_db
  xor ebx, ebx
  pushfq
  or qword ptr [rsp], RFLAGS_TF
  popfq
  nop
s1: nop
s2: jmp s3
  nop
s3: nop
s4:
  expect_eq 1, rbx, 4
  expect_eq 2, "qword ptr [rip + seen]", "offset s1"
  expect_eq 3, "qword ptr [rip + seen + 8]", "offset s2"
  expect_eq 4, "qword ptr [rip + seen + 16]", "offset s3"
  expect_eq 5, "qword ptr [rip + seen + 24]", "offset s4"
  pass
on_db:
  push rax
  push rcx
  lea rcx, [rip + seen]
  mov rax, [rsp + 16]
  mov [rcx + 8 * rbx], rax
  inc ebx
  lea rcx, [rip + s4]
  cmp rax, rcx
  jne 1f
  and qword ptr [rsp + 32], ~RFLAGS_TF
1:
  pop rcx
  pop rax
  iretq
