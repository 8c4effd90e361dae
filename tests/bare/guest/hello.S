// Output, and what the board promises of the state at the start.
#include "common.inc"
.text
.globl _start
_start:
  mov rbx, rdi
  mov rbp, rsi
  mov r8, rsp
  mov r9d, cs
  mov r10d, ss
  pushfq
  pop r11
  lea rsi, [rip + text]
  mov ecx, offset text_end - text
  mov edx, OUTPUT_PORT
  rep outsb
  in al, OUTPUT_PORT
  movzx eax, al
  expect_eq 1, rax, OUTPUT_PORT
  expect_eq 2, r8, 0x80000
  expect_eq 3, r9, KERNEL_CODE
  expect_eq 4, r10, KERNEL_DATA
  expect_bits 5, r11, (1 << 9) | (3 << 12) | (1 << 8), 0
  expect_eq 6, rbx, 128 << 20
  cmp rbp, offset text_end
  jae 1f
  exit 7
1:
  expect_bits 8, rbp, 0xfff, 0
  exit 42
.data
text: .ascii "hello, bare world\n"
text_end:
.text
