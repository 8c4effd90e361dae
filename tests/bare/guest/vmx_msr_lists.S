// MSR lists: loaded on entry, stored and loaded on exit; an entry that WRMSR would refuse makes the VM entry
// fail, with its number.
#include "common.inc"
#include "vmx_common.inc"
#define GUEST_VALUE 0x1111000
#define HOST_VALUE 0x2222000
begin
  hypervisor
  lea rbx, [rip + msr_list]
  mov dword ptr [rbx], MSR_LSTAR
  mov qword ptr [rbx + 8], GUEST_VALUE
  mov dword ptr [rbx + 16], MSR_LSTAR
  mov dword ptr [rbx + 32], MSR_LSTAR
  mov qword ptr [rbx + 40], HOST_VALUE
  vmcs_write_reg ENTRY_MSR_LOAD, rbx
  vmcs_write ENTRY_MSR_LOAD_COUNT, 1
  add rbx, 16
  vmcs_write_reg EXIT_MSR_STORE, rbx
  vmcs_write EXIT_MSR_STORE_COUNT, 1
  add rbx, 16
  vmcs_write_reg EXIT_MSR_LOAD, rbx
  vmcs_write EXIT_MSR_LOAD_COUNT, 1
  vmlaunch_to_exit
  expect_exit 1, REASON_VMCALL, guest
  expect_eq 2, "qword ptr [rip + msr_list + 24]", GUEST_VALUE
  expect_msr 3, MSR_LSTAR, HOST_VALUE

  // The second entry is IA32_GS_BASE, which no list loads.
  mov dword ptr [rip + msr_list + 16], 0xc0000101
  vmcs_write ENTRY_MSR_LOAD_COUNT, 2
  vmresume_to_exit
  expect_exit 4, REASON_MSR_LOADING, guest
  expect_field 5, QUALIFICATION, 2
  expect_msr 6, MSR_LSTAR, HOST_VALUE
  expect_msr 7, MSR_DEBUGCTL, 0
  // Not canonical: WRMSR would refuse it.
  mov dword ptr [rip + msr_list + 16], MSR_LSTAR
  movabs rax, 0x800000000000
  mov [rip + msr_list + 24], rax
  vmresume_to_exit
  expect_exit 8, REASON_MSR_LOADING, guest
  expect_field 9, QUALIFICATION, 2
  vmcs_write ENTRY_MSR_LOAD_COUNT, 1
  vmresume_to_exit
  expect_exit 10, REASON_VMCALL, guest
  pass
guest:
  vmcall
