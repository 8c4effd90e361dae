#include "benchmarks/guest_loops.h"

#include <array>

#include "sim/base/error.h"

// Read-only data for the host. Each loop is 10 to 20 instructions, about what compilers leave between two
// branches of one kind, except where a branch is what is measured.
asm(R"(
  .pushsection .rodata
guest_alu:
1:add %rax, %rbx
  lea 3(%rbx,%rax,2), %rdx
  xor %rdx, %rax
  shr $3, %rdx
  sub %rdx, %rbx
  or $1, %eax
  movzbl %al, %edi
  add %edi, %r8d
  rol $5, %r8
  xor %r8, %rbx
  inc %r9
  and %r9, %rdx
  cmp %rdx, %r9
  jne 1b
  jmp 1b
guest_muldiv:
1:imul %rax, %rbx
  add $7, %rbx
  mov %ebx, %eax
  xor %edx, %edx
  mov $97, %ecx
  div %ecx
  add %edx, %r8d
  mul %rbx
  jmp 1b
guest_load_store:
1:mov (%rsi), %rax
  mov 8(%rsi), %rbx
  add 16(%rsi), %rax
  mov %rbx, (%rsi)
  mov %eax, 24(%rsi,%rcx,4)
  add %rax, 8(%rsi)
  movzbl 3(%rsi), %edx
  lea 1(%rcx), %ecx
  and $1023, %ecx
  mov 64(%rsi,%rcx,8), %r8
  mov %r8, 128(%rsi,%rcx,8)
  jmp 1b
guest_stride:
1:mov (%rsi,%rcx), %rax
  add %rax, %rbx
  add $4160, %rcx
  and $0xffffff, %ecx
  jmp 1b
guest_push_pop:
1:push %rax
  push %rbx
  push %rcx
  mov %rsp, %rdx
  pop %rcx
  pop %rbx
  pop %rax
  jmp 1b
guest_sse_int:
1:movdqu (%rsi), %xmm0
  paddd %xmm0, %xmm1
  pxor %xmm1, %xmm2
  pshufd $0x1b, %xmm2, %xmm3
  pcmpeqb %xmm3, %xmm0
  pmovmskb %xmm0, %eax
  pslld $3, %xmm1
  punpckldq %xmm3, %xmm1
  movdqa %xmm1, 32(%rsi)
  add $1, %ecx
  jmp 1b
guest_sse_double:
1:cvtsi2sdl %ecx, %xmm0
  addsd %xmm0, %xmm1
  mulsd %xmm1, %xmm2
  movsd 8(%rsi), %xmm3
  subsd %xmm3, %xmm1
  addpd %xmm2, %xmm3
  ucomisd %xmm3, %xmm1
  movsd %xmm1, 16(%rsi)
  inc %ecx
  jmp 1b
guest_x87:
1:fldl (%rsi)
  fld1
  faddp
  fmull 8(%rsi)
  fstpl 16(%rsi)
  inc %ecx
  jmp 1b
guest_rep_movs:
1:lea 4096(%rsi), %rdi
  mov $64, %ecx
  mov %rsi, %rbx
  rep movsb
  mov %rbx, %rsi
  jmp 1b
guest_jcc_taken:
1:test %eax, %eax
  jz 2f
  nop
2:test %eax, %eax
  jz 3f
  nop
3:test %eax, %eax
  jz 1b
guest_jcc_not_taken:
1:test %eax, %eax
  jnz 1b
  test %eax, %eax
  jnz 1b
  test %eax, %eax
  jnz 1b
  test %eax, %eax
  jnz 1b
  jmp 1b
guest_jcc_random:
1:imul $1664525, %eax, %eax
  add $1013904223, %eax
  bt $31, %eax
  jc 2f
  inc %ecx
2:test $0x20000000, %eax
  jz 1b
  inc %edx
  jmp 1b
guest_jmp:
1:jmp 2f
  nop
2:jmp 3f
  nop
3:jmp 1b
guest_call_ret:
1:call 2f
  call 2f
  jmp 1b
2:ret
guest_jmp_indirect:
  lea 1f(%rip), %rax
  lea 2f(%rip), %rbx
1:jmp *%rbx
2:jmp *%rax
guest_jmp_switch:
  lea 2f(%rip), %rbx
1:imul $1664525, %eax, %eax
  add $1013904223, %eax
  mov %eax, %ecx
  shr $29, %ecx
  lea (%rbx,%rcx,4), %rdx
  jmp *%rdx
  .balign 4
2:.rept 8
  inc %r8d
  nop
  .endr
  jmp 1b
guest_end:
  .popsection
)");

namespace lastbranch::bench {
namespace {

// Symbols of the assembly above, not constants of ours.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" const u8 guest_alu[], guest_muldiv[], guest_load_store[], guest_stride[], guest_push_pop[],
    guest_sse_int[], guest_sse_double[], guest_x87[], guest_rep_movs[], guest_jcc_taken[],
    guest_jcc_not_taken[], guest_jcc_random[], guest_jmp[], guest_call_ret[], guest_jmp_indirect[],
    guest_jmp_switch[], guest_end[];
// NOLINTEND(readability-identifier-naming)

}  // namespace

std::span<const GuestLoop> guest_loops() {
  static const std::array kLoops = {
      GuestLoop{"alu", {guest_alu, guest_muldiv}},
      GuestLoop{"muldiv", {guest_muldiv, guest_load_store}},
      GuestLoop{"load_store", {guest_load_store, guest_stride}},
      GuestLoop{"stride", {guest_stride, guest_push_pop}},  // a new page with every load: misses the TLB
      GuestLoop{"push_pop", {guest_push_pop, guest_sse_int}},
      GuestLoop{"sse_int", {guest_sse_int, guest_sse_double}},
      GuestLoop{"sse_double", {guest_sse_double, guest_x87}},
      GuestLoop{"x87", {guest_x87, guest_rep_movs}},
      GuestLoop{"rep_movs", {guest_rep_movs, guest_jcc_taken}},
      GuestLoop{"jcc_taken", {guest_jcc_taken, guest_jcc_not_taken}},
      GuestLoop{"jcc_not_taken", {guest_jcc_not_taken, guest_jcc_random}},
      GuestLoop{"jcc_random", {guest_jcc_random, guest_jmp}},
      GuestLoop{"jmp", {guest_jmp, guest_call_ret}},
      GuestLoop{"call_ret", {guest_call_ret, guest_jmp_indirect}},
      GuestLoop{"jmp_indirect", {guest_jmp_indirect, guest_jmp_switch}},
      GuestLoop{"jmp_switch", {guest_jmp_switch, guest_end}},
  };
  return kLoops;
}

const GuestLoop& guest_loop(std::string_view name) {
  for (const GuestLoop& loop : guest_loops()) {
    if (loop.name == name) return loop;
  }
  throw Error("no guest loop '{}'", name);
}

}  // namespace lastbranch::bench
