// A branch right before an interrupt: two records, the interrupt's FROM is the branch's target.
// The interrupt waits for STI, whose shadow covers the branch.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_interrupt
  lbr_on
  write_msr MSR_X2APIC_SELF_IPI, 0x40
  sti
b_jmp:
  jmp t_jmp
  nop
t_jmp:
  nop
  exit 99
done:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, r_interrupt, done
  expect_lbr 2, 1, t_jmp, on_interrupt
  expect_lbr 3, 2, b_jmp, t_jmp
  expect_lbr 4, 3, 0, 0
  expect_eq 5, "qword ptr [rip + seen]", "offset t_jmp"
  pass
on_interrupt:
  mov rax, [rsp]
  mov [rip + seen], rax
  eoi
  lea rax, [rip + done]
  mov [rsp], rax
r_interrupt:
  iretq
