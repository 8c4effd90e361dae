// Architectural LBRs: IA32_LBR_CTL is loaded on entry and cleared on exit, the guest's value is saved.
#include "common.inc"
#include "vmx_common.inc"
#define MSR_LBR_CTL 0x14ce
#define MSR_ARCH_FROM 0x1500
#define MSR_ARCH_TO 0x1600
#define GUEST_LBR_CTL 0x2816
#define EXIT_CLEAR_LBR_CTL (1 << 26)
#define ENTRY_LOAD_LBR_CTL (1 << 21)
// LBREn, OS, all kinds of branches.
#define GUEST_CTL 0x7f0003
begin
  hypervisor
  exit_controls EXIT_SAVE_DEBUG | EXIT_CLEAR_LBR_CTL
  entry_controls ENTRY_LOAD_DEBUG | ENTRY_LOAD_LBR_CTL
  vmcs_write GUEST_LBR_CTL, GUEST_CTL
  vmlaunch_to_exit
  expect_exit 1, REASON_VMCALL, g_after
  expect_msr 2, MSR_LBR_CTL, 0
  expect_field 3, GUEST_LBR_CTL, GUEST_CTL
  jmp 1f
1:
  read_msr MSR_ARCH_FROM
  expect_eq 4, rax, "offset guest"
  read_msr MSR_ARCH_TO
  expect_eq 5, rax, "offset g_after"
  expect_msr 6, (MSR_ARCH_FROM+1), 0

  // Without the exit control the host goes on recording with the guest's value.
  exit_controls EXIT_SAVE_DEBUG
  skip_instruction
  vmresume_to_exit
  expect_msr 7, MSR_LBR_CTL, GUEST_CTL
  write_msr MSR_LBR_CTL, 0

  vmcs_write GUEST_LBR_CTL, 0x80000000
  vmresume_to_exit
  expect_field 8, EXIT_REASON, REASON_GUEST_STATE
  pass
guest:
  jmp g_after
  nop
g_after:
  vmcall
  vmcall
