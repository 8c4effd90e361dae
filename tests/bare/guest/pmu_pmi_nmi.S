// A PMI as an NMI: taken with interrupts off, masks its LVT entry, and a second one is held off until IRET.
#include "common.inc"
begin
  x2apic_on
  handler 2, on_nmi
  xor ebx, ebx
  global_ctrl 0
  write_msr MSR_X2APIC_LVT_PMI, 0x400
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN
  write_msr MSR_PMC0, 0xffffffec
  cli
  global_ctrl 1
nops:
  .rept 60
  nop
  .endr
  global_ctrl 0
  expect_eq 1, rbx, 2
  expect_eq 2, "qword ptr [rip + seen]", "offset nops + 19"
  expect_eq 3, "qword ptr [rip + seen + 8]", "offset nops + 19"
  expect_msr 4, MSR_X2APIC_LVT_PMI, 0x10400
  pass
on_nmi:
  push rax
  push rcx
  push rdx
  mov rax, [rsp + 24]
  lea rcx, [rip + seen]
  mov [rcx + 8 * rbx], rax
  inc ebx
  cmp ebx, 1
  jne 1f
  // Overflows once more in here: the second NMI waits for IRET.
  write_msr MSR_X2APIC_LVT_PMI, 0x400
  write_msr MSR_PMC0, 0xfffffff8
  .rept 30
  nop
  .endr
  cmp ebx, 1
  jne 2f
1:
  pop rdx
  pop rcx
  pop rax
  iretq
2:
  exit 98
