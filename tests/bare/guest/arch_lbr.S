// Architectural records: IA32_LBR_CTL selects, entry 0 is the newest, INFO has the kind of branch.
#include "common.inc"
#define MSR_LBR_CTL 0x14ce
#define MSR_LBR_DEPTH 0x14cf
#define MSR_ARCH_FROM 0x1500
#define MSR_ARCH_TO 0x1600
#define MSR_ARCH_INFO 0x1200
#define ALL_BRANCHES (0x7f << 16)
.macro expect_arch number, index, from, to, type
  read_msr MSR_ARCH_FROM + \index
  expect_eq \number, rax, "offset \from"
  read_msr MSR_ARCH_TO + \index
  expect_eq \number + 1, rax, "offset \to"
  read_msr MSR_ARCH_INFO + \index
  expect_bits \number + 2, rax, (15 << 56), \type << 56
.endm
begin
  handler 0x80, on_int
  lea rbx, [rip + t_ind]
  write_msr MSR_LBR_DEPTH, 16
  write_msr MSR_LBR_CTL, 1 | 6 | ALL_BRANCHES
  xor eax, eax
b_jcc:
  jz t_jcc
  nop
t_jcc:
b_ind:
  notrack jmp rbx
  nop
t_ind:
b_jmp:
  jmp t_jmp
  nop
t_jmp:
b_call:
  call t_call
after_call:
b_int:
  int 0x80
after_int:
  write_msr MSR_LBR_CTL, 0
  expect_arch 1, 0, b_iret, after_int, 8
  expect_arch 4, 1, b_int, on_int, 8
  expect_arch 7, 2, b_ret, after_call, 5
  expect_arch 10, 3, b_call, t_call, 4
  expect_arch 13, 4, b_jmp, t_jmp, 2
  expect_arch 16, 5, b_ind, t_ind, 1
  expect_arch 19, 6, b_jcc, t_jcc, 0
  expect_msr 22, MSR_ARCH_FROM + 7, 0
  pass
t_call:
b_ret:
  ret
on_int:
b_iret:
  iretq
