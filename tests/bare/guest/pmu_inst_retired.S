// INST_RETIRED: a REP string instruction counts once, an instruction that faults does not, counters run on in
// handlers.
#include "common.inc"
.macro count_begin
  write_msr MSR_PMC0, 0
  global_ctrl 1
.endm
// global_ctrl is five instructions, of which the fifth, WRMSR itself, is not counted any more.
.macro count_end number, expected
  global_ctrl 0
  expect_msr \number, MSR_PMC0, 1 + \expected + 4
.endm
begin
  handler 6, on_ud
  global_ctrl 0
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_EN
  lea rdi, [rip + buffer]
  mov ecx, 1000
  mov ebx, ecx
  count_begin
  mov ecx, ebx
  rep stosb
  nop
  count_end 1, 3
  count_begin
  nop
  ud2
after_ud:
  nop
  count_end 2, 5
  pass
on_ud:
  nop
  add qword ptr [rsp], 2
  iretq
.bss
buffer: .skip 1000
.text
