// HLT until the APIC timer: the TSC goes on, unhalted core clocks do not, RIP pushed is behind HLT.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_timer
  write_msr MSR_X2APIC_LVT_TIMER, 0x40
  write_msr MSR_X2APIC_DIVIDE, 0xb
  write_msr MSR_FIXED_CTR_CTRL, 0x10
  global_ctrl 1 << 33
  rdtsc
  shl rdx, 32
  lea rbx, [rax + rdx]
  write_msr MSR_X2APIC_INITIAL, 10000
  sti
  hlt
after_hlt:
  rdtsc
  shl rdx, 32
  add rax, rdx
  sub rax, rbx
  mov rbx, rax
  global_ctrl 0
  expect_eq 1, "qword ptr [rip + seen]", "offset after_hlt"
  mov r15, rbx
  cmp rbx, 300000
  ja 1f
  exit 2
1:
  read_msr MSR_FIXED_CTR1
  mov r15, rax
  cmp rax, 1000
  jb 2f
  exit 3
2:
  pass
on_timer:
  mov rax, [rsp]
  mov [rip + seen], rax
  eoi
  iretq
