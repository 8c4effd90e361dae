// A PMI as a fixed interrupt: comes behind the instruction that overflowed, sets the mask bit of its LVT
// entry, and does not come again until that is cleared. With interrupts off it waits in IRR.
#include "common.inc"
.macro arm
  write_msr MSR_PMC0, 0xffffffec
  global_ctrl 1
.endm
begin
  x2apic_on
  handler 0x40, on_pmi
  xor ebx, ebx
  global_ctrl 0
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN
  sti
  arm
nops:
  .rept 60
  nop
  .endr
  global_ctrl 0
  expect_eq 1, rbx, 1
  expect_eq 2, "qword ptr [rip + seen]", "offset nops + 19"
  expect_msr 3, MSR_X2APIC_LVT_PMI, 0x10040
  expect_msr 4, MSR_GLOBAL_STATUS, 1
  write_msr MSR_GLOBAL_RESET, 1
  expect_msr 5, MSR_GLOBAL_STATUS, 0
  arm
  .rept 60
  nop
  .endr
  global_ctrl 0
  expect_eq 6, rbx, 1
  expect_msr 7, MSR_GLOBAL_STATUS, 1
  write_msr MSR_GLOBAL_RESET, 1
  write_msr MSR_X2APIC_LVT_PMI, 0x40
  cli
  arm
  .rept 60
  nop
  .endr
  global_ctrl 0
  expect_eq 8, rbx, 1
  expect_msr 9, 0x822, 1
  sti
  nop
after_shadow:
  nop
  expect_eq 10, rbx, 2
  expect_eq 11, "qword ptr [rip + seen]", "offset after_shadow"
  pass
on_pmi:
  push rax
  push rcx
  push rdx
  mov rax, [rsp + 24]
  mov [rip + seen], rax
  inc ebx
  eoi
  pop rdx
  pop rcx
  pop rax
  iretq
