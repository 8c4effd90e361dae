// How VMX instructions fail: #UD and #GP, VMfailInvalid, VMfailValid with its number, entry failures.
#include "common.inc"
#include "vmx_common.inc"
.macro fault_to number, vector, instruction:vararg
  handler \vector, .Lcaught\@
  mov [rip + saved_rsp], rsp
  \instruction
  exit \number
.Lcaught\@:
  mov rsp, [rip + saved_rsp]
.endm
// VMfailInvalid.
.macro invalid number, instruction:vararg
  \instruction
  jc .Lok\@
  exit \number
.Lok\@:
.endm
.macro fails number, error, instruction:vararg
  \instruction
  jz .Lok\@
  exit \number
.Lok\@:
  expect_field \number, INSTRUCTION_ERROR, \error
.endm
.macro pointer_to value
  movabs rax, \value
  mov [rip + pointer], rax
.endm
begin
  mov eax, 1
  cpuid
  expect_bits 1, rcx, 0x20, 0x20
  lea rax, [rip + vmxon_region]
  mov [rip + pointer], rax
  fault_to 2, 6, vmxon [rip + pointer]
  mov rax, cr4
  or rax, 1 << 13
  mov cr4, rax
  fault_to 3, 6, vmxoff
  fault_to 4, 13, vmxon [rip + pointer]
  write_msr MSR_FEATURE_CONTROL, 5
  mov eax, 1
  mov ecx, MSR_FEATURE_CONTROL
  fault_to 5, 13, wrmsr
  lea rax, [rip + vmxon_region]
  mov [rip + pointer], rax
  invalid 6, vmxon [rip + pointer]
  vmx_enable
  mov rax, cr4
  and rax, ~(1 << 13)
  fault_to 7, 13, mov cr4, rax
  fails 8, 15, vmxon [rip + pointer]
  pointer_to 0x1001
  fails 9, 9, vmptrld [rip + pointer]
  fails 10, 2, vmclear [rip + pointer]
  lea rax, [rip + vmxon_region]
  mov [rip + pointer], rax
  fails 11, 10, vmptrld [rip + pointer]
  fails 12, 3, vmclear [rip + pointer]
  lea rax, [rip + bitmaps]
  mov [rip + pointer], rax
  fails 13, 11, vmptrld [rip + pointer]
  mov edx, 0x6fff
  fails 14, 12, vmread rax, rdx
  mov edx, 0x6fff
  fails 15, 12, vmwrite rdx, rax
  mov edx, EXIT_REASON
  fails 16, 13, vmwrite rdx, rax
  fails 17, 1, vmcall
  fails 18, 5, vmresume
  fails 19, 7, vmlaunch
  call fill_vmcs
  vmcs_write HOST_TR_SELECTOR, 0
  fails 20, 8, vmlaunch
  vmcs_write HOST_TR_SELECTOR, TSS
  // Fields by halves.
  vmcs_write IO_BITMAP_A, 0x1234567887654321
  expect_field 21, IO_BITMAP_A + 1, 0x12345678
  vmcs_write IO_BITMAP_A + 1, 0x1
  expect_field 22, IO_BITMAP_A, 0x187654321
  mov edx, EXCEPTION_BITMAP
  lea rbx, [rip + seen]
  mov qword ptr [rbx], 0x77
  vmwrite rdx, [rbx]
  vmread [rbx + 8], rdx
  expect_eq 23, "qword ptr [rip + seen + 8]", 0x77
  vmcs_write EXCEPTION_BITMAP, 0

  vmcs_write GUEST_DEBUGCTL, 0x10000
  vmlaunch_to_exit
  expect_field 24, EXIT_REASON, REASON_GUEST_STATE
  expect_field 25, QUALIFICATION, 0
  vmcs_write GUEST_DEBUGCTL, 0
  vmcs_write LINK_POINTER, 0x1000
  vmlaunch_to_exit
  expect_field 26, EXIT_REASON, REASON_GUEST_STATE
  expect_field 27, QUALIFICATION, 4
  vmcs_write LINK_POINTER, -1
  // Without the control the same value is nobody's business.
  vmcs_write GUEST_DEBUGCTL, 0x10000
  entry_controls 0
  vmlaunch_to_exit
  expect_exit 28, REASON_VMCALL, guest
  fails 29, 4, vmlaunch
  // Blocking by MOV SS: the instruction behind is refused.
  mov eax, KERNEL_DATA
  mov ss, eax
  vmresume
  jz 1f
  exit 30
1:
  expect_field 30, INSTRUCTION_ERROR, 26
  lea rax, [rip + vmcs_region]
  mov [rip + pointer], rax
  vmptrst [rip + seen]
  mov rax, [rip + seen]
  expect_eq_reg 31, rax, "qword ptr [rip + pointer]"
  vmclear [rip + pointer]
  invalid 32, vmread rax, rdx
  invalid 33, vmlaunch
  vmxoff
  fault_to 34, 6, vmclear [rip + pointer]
  fault_to 35, 6, invept rax, [rip + pointer]
  mov rax, cr4
  and rax, ~(1 << 13)
  mov cr4, rax
  pass
guest:
  vmcall
.bss
saved_rsp: .skip 8
.text
