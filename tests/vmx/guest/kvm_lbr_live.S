// Reads its newest records while recording goes on, by code without branches; CPUID in between leaves it.
// Again and again, so that time slices end in every place.
#include "common.inc"

// Record number `back` before the newest to r8 (from) and r9 (to), of the ring whose newest is in esi.
.macro record back
  lea ecx, [esi - \back]
  and ecx, LBR_DEPTH - 1
  add ecx, MSR_LBR_FROM
  rdmsr
  shl rdx, 32
  or rax, rdx
  shl rax, 16
  sar rax, 16
  mov r8, rax
  add ecx, MSR_LBR_TO - MSR_LBR_FROM
  rdmsr
  shl rdx, 32
  or rax, rdx
  shl rax, 16
  sar rax, 16
  mov r9, rax
.endm
// No branch if it is as expected.
.macro expect_record number, back, from, to
  record \back
  xor r8, offset \from
  xor r9, offset \to
  or r8, r9
  mov r15d, \number
  mov r14, r8
  jnz failed
.endm

begin
  lbr_on
  mov ebp, 40
again:
  mov ebx, 3
t_loop:
  dec ebx
b_loop:
  jnz t_loop
b_jmp:
  jmp t_jmp
  nop
t_jmp:
  xor eax, eax
  cpuid
  mov ecx, MSR_LBR_TOS
  rdmsr
  mov esi, eax
  expect_record 1, 0, b_jmp, t_jmp
  expect_record 2, 1, b_loop, t_loop
  expect_record 3, 2, b_loop, t_loop
  dec ebp
  jnz again
  pass
failed:
  mov eax, r15d
  out EXIT_PORT, eax
  hlt
