// The xAPIC page: registers as aligned doublewords, self-IPI, EOI, the performance entry's mask bit.
#include "common.inc"
begin
  handler 0x41, on_ipi
  handler 0x42, on_pmi
  mov ebx, 0xfee00000
  mov eax, [rbx + 0x30]
  expect_bits 1, rax, 0xff, 0x15
  mov dword ptr [rbx + 0xf0], 0x1ff
  sti
  mov dword ptr [rbx + 0x300], 0x40041
after_ipi:
  expect_eq 6, "qword ptr [rip + seen]", "offset after_ipi"
  expect_eq 2, rbp, 0x200
  mov eax, [rbx + 0x120]
  expect_eq 3, rax, 0
  mov dword ptr [rbx + 0x340], 0x42
  global_ctrl 0
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffffec
  global_ctrl 1
  .rept 60
  nop
  .endr
  global_ctrl 0
  mov eax, [rbx + 0x340]
  expect_eq 4, rax, 0x10042
  expect_eq 5, r12, 7
  // The timer starts with the store to its initial count: exactly 34 core clocks a tick at 3.4 GHz.
  mov dword ptr [rbx + 0x3e0], 0xb
  rdtsc
  mov dword ptr [rbx + 0x380], 100
  .rept 33
  nop
  .endr
  mov eax, [rbx + 0x390]
  expect_eq 7, rax, 99
  mov eax, [rbx + 0x390]
  pass
on_ipi:
  // Vector 41H is bit 1 of the third doubleword of ISR.
  mov rax, [rsp]
  mov [rip + seen], rax
  mov ebp, [rbx + 0x120]
  shl ebp, 8
  mov dword ptr [rbx + 0xb0], 0
  iretq
on_pmi:
  mov r12d, 7
  mov dword ptr [rbx + 0xb0], 0
  iretq
