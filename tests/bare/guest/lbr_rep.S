// A REP string instruction that is interrupted: RIP pushed and FROM are the instruction itself, its
// iterations are no records.
#include "common.inc"
begin
  x2apic_on
  handler 0x40, on_timer
  write_msr MSR_X2APIC_LVT_TIMER, 0x40
  write_msr MSR_X2APIC_DIVIDE, 0xb
  lbr_on
  lea rdi, [rip + buffer]
  mov rbx, 4096
  write_msr MSR_X2APIC_INITIAL, 2
  sti
  mov rcx, rbx
f_rep:
  rep stosb
after_rep:
  .rept 3000
  nop
  .endr
  exit 99
done:
  debugctl 0
  save_lbr
  expect_lbr 1, 0, r_timer, done
  expect_eq 2, "qword ptr [rip + lbr_to + 8]", "offset on_timer"
  expect_eq_reg 3, "qword ptr [rip + lbr_from + 8]", "qword ptr [rip + seen]"
  expect_lbr 4, 2, 0, 0
  pass
on_timer:
  mov rax, [rsp]
  mov [rip + seen], rax
  mov [rip + seen + 8], rcx
  eoi
  lea rax, [rip + done]
  mov [rsp], rax
r_timer:
  iretq
.bss
buffer: .skip 4096
.text
