// An NMI (here a PMI delivered as one): FROM is the next instruction. It needs no RFLAGS.IF.
#include "common.inc"
begin
  x2apic_on
  handler 2, on_nmi
  write_msr MSR_X2APIC_LVT_PMI, 0x400
  global_ctrl 0
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffffec
  lbr_on
  global_ctrl 1
  .rept 100
  nop
  .endr
  exit 99
done:
  global_ctrl 0
  debugctl 0
  save_lbr
  expect_lbr 1, 0, r_nmi, done
  expect_eq 2, "qword ptr [rip + lbr_to + 8]", "offset on_nmi"
  expect_eq_reg 3, "qword ptr [rip + lbr_from + 8]", "qword ptr [rip + seen]"
  expect_lbr 4, 2, 0, 0
  pass
on_nmi:
  mov rax, [rsp]
  mov [rip + seen], rax
  lea rax, [rip + done]
  mov [rsp], rax
r_nmi:
  iretq
