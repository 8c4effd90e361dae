// Interrupts by priority: the higher class first, nested; CR8 holds classes off.
#include "common.inc"
begin
  x2apic_on
  handler 0x31, on_31
  handler 0x45, on_45
  lea rbx, [rip + seen]
  write_msr MSR_X2APIC_SELF_IPI, 0x31
  write_msr MSR_X2APIC_SELF_IPI, 0x45
  sti
  nop
  nop
  cli
  lea rax, [rip + seen]
  sub rbx, rax
  expect_eq 1, rbx, 16
  expect_eq 2, "qword ptr [rip + seen]", 0x45
  expect_eq 3, "qword ptr [rip + seen + 8]", 0x31
  mov eax, 4
  mov cr8, rax
  lea rbx, [rip + seen]
  expect_msr 4, 0x808, 0x40
  write_msr MSR_X2APIC_SELF_IPI, 0x31
  sti
  nop
  nop
  lea rax, [rip + seen]
  sub rbx, rax
  expect_eq 5, rbx, 0
  lea rbx, [rip + seen]
  xor eax, eax
  mov cr8, rax
  nop
  lea rax, [rip + seen]
  sub rbx, rax
  expect_eq 6, rbx, 8
  pass
on_31:
  mov qword ptr [rbx], 0x31
  jmp 1f
on_45:
  mov qword ptr [rbx], 0x45
1:
  add rbx, 8
  eoi
  iretq
