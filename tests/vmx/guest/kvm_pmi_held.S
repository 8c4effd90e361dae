// Interrupts of counter 0 with interrupts off: they wait, for STI and the instruction behind it, or for HLT; as
// an NMI they do not.
#include "common.inc"
#define VECTOR 0x40
.macro overflow
  write_msr MSR_GLOBAL_RESET, 1
  write_msr MSR_PMC0, -10
  global_ctrl 1
  .rept 20
  nop
  .endr
  global_ctrl 0
  expect_msr 1, MSR_GLOBAL_STATUS, 1
.endm
begin
  handler VECTOR, interrupt
  handler 2, nmi
  x2apic_on
  write_msr MSR_PERFEVTSEL0, (EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_EN | EVTSEL_INT)
  xor ebp, ebp
  write_msr MSR_X2APIC_LVT_PMI, VECTOR
  overflow
  expect_eq 2, rbp, 0
  lea r12, [rip + behind]
  sti
  nop
behind:
  nop
  expect_eq 3, rbp, 1

  // HLT behind STI: the interrupt is what wakes it.
  cli
  write_msr MSR_X2APIC_LVT_PMI, VECTOR
  overflow
  lea r12, [rip + awake]
  sti
  hlt
awake:
  expect_eq 4, rbp, 2

  cli
  write_msr MSR_X2APIC_LVT_PMI, 0x400
  overflow
  expect_eq 5, rbp, 0x102
  pass

interrupt:
  inc ebp
  expect_eq_reg 6, [rsp], r12
  eoi
  iretq
nmi:
  add ebp, 0x100
  iretq
