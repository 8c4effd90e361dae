// IA32_PERF_GLOBAL_CTRL changes hands at entry and exit: a counter counts the guest's instructions only. The
// instruction that exits does not retire.
#include "common.inc"
#include "vmx_common.inc"
begin
  hypervisor
  exit_controls EXIT_SAVE_DEBUG | EXIT_LOAD_PERF_GLOBAL_CTRL
  entry_controls ENTRY_LOAD_DEBUG | ENTRY_LOAD_PERF_GLOBAL_CTRL
  vmcs_write GUEST_PERF_GLOBAL_CTRL, 1
  vmcs_write HOST_PERF_GLOBAL_CTRL, 0
  global_ctrl 0
  write_msr MSR_PERFEVTSEL0, EVENT_INSTRUCTIONS | EVTSEL_OS | EVTSEL_EN
  write_msr MSR_PMC0, 0
  vmlaunch_to_exit
  expect_exit 1, REASON_CPUID, g_cpuid
  expect_msr 2, MSR_GLOBAL_CTRL, 0
  expect_msr 3, MSR_PMC0, 20
  vmcs_write GUEST_PERF_GLOBAL_CTRL, 0
  skip_instruction
  vmresume_to_exit
  expect_exit 4, REASON_VMCALL, g_vmcall
  expect_msr 5, MSR_PMC0, 20
  // A reserved bit: the entry fails, with the guest's state unsaved.
  vmcs_write GUEST_PERF_GLOBAL_CTRL, 0x8000000000000000
  vmresume_to_exit
  expect_exit 6, REASON_GUEST_STATE, g_vmcall
  vmcs_write GUEST_PERF_GLOBAL_CTRL, 0
  vmcs_write HOST_PERF_GLOBAL_CTRL, 0x8000000000000000
  vmresume
  expect_field 7, INSTRUCTION_ERROR, 8
  pass
guest:
  .rept 20
  nop
  .endr
g_cpuid:
  cpuid
  .rept 20
  nop
  .endr
g_vmcall:
  vmcall
