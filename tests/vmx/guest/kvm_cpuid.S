// What KVM has the guest see: leaf 0AH and PDCM of the vCPU's CPUID, a hypervisor, no VMX, no architectural
// records; CR4.VMXE reads 0, setting it and a VMX instruction fault.
#include "common.inc"
begin
  mov eax, 0xa
  cpuid
  movzx ebx, al
  expect_eq 1, rbx, 2
  mov eax, 1
  cpuid
  expect_bits 2, rcx, ((1 << 31) | (1 << 15) | (1 << 5)), ((1 << 31) | (1 << 15))
  mov eax, 7
  xor ecx, ecx
  cpuid
  expect_bits 3, rdx, (1 << 19), 0
  mov eax, 0x1c
  xor ecx, ecx
  cpuid
  expect_eq 4, rax, 0
  mov rax, cr4
  expect_bits 5, rax, (1 << 13), 0
  handler 13, g_gp
  handler 6, g_ud
  mov rax, cr4
  or rax, 1 << 13
  mov cr4, rax
  exit 6
g_gp:
  vmxoff
  exit 7
g_ud:
  mov eax, 1
  vmcall
  expect_eq 8, rax, -1000
  // Registers that the guest has for itself.
  write_msr 0xc0000100, 0x1234
  expect_msr 9, 0xc0000100, 0x1234
  write_msr MSR_LSTAR, 0x5678
  expect_msr 10, MSR_LSTAR, 0x5678
  mov al, 'h'
  out OUTPUT_PORT, al
  mov al, 'i'
  out OUTPUT_PORT, al
  pass
