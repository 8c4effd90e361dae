// Control registers by masks and read shadows, debug registers, I/O by bitmap, RDPMC, HLT without an exit.
#include "common.inc"
#include "vmx_common.inc"
begin
  hypervisor
  proc_controls PROC_MOV_DR | PROC_IO_BITMAPS | PROC_RDPMC | PROC_CR3_LOAD
  vmcs_address IO_BITMAP_A, io_bitmaps
  lea rax, [rip + io_bitmaps + 4096]
  vmcs_write_reg IO_BITMAP_B, rax
  bts dword ptr [rip + io_bitmaps + 4 * (0x71 / 32)], 0x71 % 32
  // CR4.PGE is the host's, and reads as 0.
  vmcs_write CR4_MASK, (1 << 7)
  vmcs_write CR4_SHADOW, 0
  vmcs_write CR0_MASK, (1 << 3)
  vmcs_write CR0_SHADOW, (1 << 3)
  vmlaunch_to_exit
  expect_exit 1, REASON_VMCALL, g_read
  expect_bits 2, rbx, 0x80, 0
  expect_bits 3, rbp, 8, 8
  vmcs_read GUEST_CR4
  expect_bits 4, rax, 0x84, 0x84
  skip_instruction
  vmresume_to_exit
  expect_exit 5, REASON_CR, g_cr4
  expect_field 6, QUALIFICATION, (4 | 3 << 8)
  skip_instruction
  vmresume_to_exit
  expect_exit 7, REASON_CR, g_clts
  expect_field 8, QUALIFICATION, (2 << 4)
  skip_instruction
  vmresume_to_exit
  expect_exit 9, REASON_CR, g_cr3
  expect_field 10, QUALIFICATION, (3 | 5 << 8)
  skip_instruction
  vmresume_to_exit
  expect_exit 11, REASON_MOV_DR, g_dr
  expect_field 12, QUALIFICATION, (7 | 1 << 4 | 9 << 8)
  skip_instruction
  vmresume_to_exit
  expect_exit 13, REASON_IO, g_io
  expect_field 14, QUALIFICATION, (0x70 << 16 | 1 << 3 | 1 << 6 | 3)
  skip_instruction
  vmresume_to_exit
  expect_exit 15, REASON_RDPMC, g_rdpmc
  skip_instruction
  vmresume_to_exit
  expect_exit 16, REASON_VMCALL, g_cr4_kept
  expect_bits 17, rbp, 0x2000, 0x2000
  pass
guest:
  mov rbx, cr4
  mov rbp, cr0
  or rbx, 1 << 2
  mov cr4, rbx
g_read:
  vmcall
  or rbx, 1 << 7
g_cr4:
  mov cr4, rbx
g_clts:
  clts
g_cr3:
  mov cr3, rbp
g_dr:
  mov r9, dr7
g_io:
  in eax, 0x70
g_rdpmc:
  rdpmc
  mov rbp, cr4
g_cr4_kept:
  vmcall
