// An external interrupt: FROM is the next instruction, which is the RIP pushed.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_timer
  write_msr MSR_X2APIC_LVT_TIMER, 0x40
  write_msr MSR_X2APIC_DIVIDE, 0xb
  lbr_on
  write_msr MSR_X2APIC_INITIAL, 10
  sti
  .rept 3000
  nop
  .endr
  exit 99
interrupted:
  debugctl 0
  save_lbr
  expect_eq 1, "qword ptr [rip + lbr_to + 8]", "offset on_timer"
  expect_eq_reg 2, "qword ptr [rip + lbr_from + 8]", "qword ptr [rip + seen]"
  expect_lbr 3, 0, r_timer, interrupted
  expect_lbr 4, 2, 0, 0
  expect_msr 5, MSR_X2APIC_CURRENT, 0
  pass
on_timer:
  mov rax, [rsp]
  mov [rip + seen], rax
  eoi
  lea rax, [rip + interrupted]
  mov [rsp], rax
r_timer:
  iretq
