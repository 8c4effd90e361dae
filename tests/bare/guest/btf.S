// TF with BTF: #DB only after taken branches; each #DB clears BTF, after which every instruction traps.
#include "common.inc"
begin
  handler 1, on_db
  lea rbx, [rip + seen]
  debugctl DEBUGCTL_BTF
  pushfq
  or qword ptr [rsp], RFLAGS_TF
  popfq
  nop
  cmp eax, eax
  jne not_taken
  nop
not_taken:
  jmp target
  nop
target:
  nop
next:
  and qword ptr [rip + mask], ~RFLAGS_TF
  nop
untraced:
  lea rax, [rip + seen]
  sub rbx, rax
  expect_eq 1, "qword ptr [rip + seen]", "offset target"
  expect_eq 2, "qword ptr [rip + seen + 8]", "offset next"
  expect_eq 3, "qword ptr [rip + btf]", 0
  pass
on_db:
  push rax
  push rcx
  push rdx
  read_msr MSR_DEBUGCTL
  or [rip + btf], rax
  mov rax, [rsp + 24]
  mov [rbx], rax
  add rbx, 8
  mov rax, [rip + mask]
  and [rsp + 40], rax
  pop rdx
  pop rcx
  pop rax
  iretq
.data
mask: .quad -1
btf: .quad 0
.text
