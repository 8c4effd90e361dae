// The measured section of the kernel's pmu_counters_test: 10 turns of 6 instructions, and 5 more: 2 MOV, 2
// XOR, 1 WRMSR. RDPMC and the registers give the same.
#include "common.inc"
begin
  // Newer kernels start with all general counters on.
  global_ctrl 0
  write_msr MSR_PERFEVTSEL0, (EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_USR | EVTSEL_EN)
  write_msr MSR_PERFEVTSEL0 + 1, (EVENT_BRANCHES | EVTSEL_OS | EVTSEL_USR | EVTSEL_EN)
  // Counts nothing: the guest never leaves the kernel.
  write_msr MSR_PERFEVTSEL0 + 2, (EVENT_BRANCHES | EVTSEL_USR | EVTSEL_EN)
  write_msr MSR_FIXED_CTR_CTRL, 0x1
  write_msr MSR_GLOBAL_CTRL, 0x100000007
  mov ecx, 10
1:
  nop
  nop
  mov r8, r9
  xor r10d, r10d
  xor r11d, r11d
  loop 1b
  mov ecx, MSR_GLOBAL_CTRL
  xor eax, eax
  xor edx, edx
  wrmsr
.macro expect_counter number, ecx, msr, expected
  mov ecx, \ecx
  rdpmc
  shl rdx, 32
  or rax, rdx
  expect_eq \number, rax, \expected
  expect_msr \number, \msr, \expected
.endm
  expect_counter 1, 0, MSR_PMC0, 65
  expect_counter 2, 1, MSR_PMC0 + 1, 10
  expect_counter 3, 2, MSR_PMC0 + 2, 0
  expect_counter 4, 0x40000000, MSR_FIXED_CTR0, 65
  // A register that does not exist is #GP, and the handler tells.
  handler 13, g_fault
  mov ecx, 0x5
  rdmsr
  exit 5
g_fault:
  pass
