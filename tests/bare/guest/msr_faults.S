// RDMSR and WRMSR that raise #GP(0) and leave everything as it was, and some that do not.
#include "common.inc"
begin
  handler 13, on_gp
  lea rbp, [rip + table]
next:
  mov ecx, [rbp]
  mov ebx, [rbp + 4]
  mov rax, [rbp + 8]
  mov rdx, rax
  shr rdx, 32
  xor esi, esi
  mov r15, rbp
  test ebx, 2
  jnz write
  rdmsr
  jmp check
write:
  wrmsr
check:
  and ebx, 1
  cmp ebx, esi
  je 1f
  lea rcx, [rip + table]
  sub rbp, rcx
  shr ebp, 4
  inc ebp
  exit ebp
1:
  add rbp, 16
  lea rax, [rip + table_end]
  cmp rbp, rax
  jne next
  expect_msr 90, MSR_DEBUGCTL, 0
  pass
on_gp:
  mov esi, 1
  add rsp, 8
  add qword ptr [rsp], 2
  iretq
.macro row msr, kind, value=0
  .long \msr, \kind
  .quad \value
.endm
.data
#define READS 0
#define READ_FAULTS 1
#define WRITES 2
#define WRITE_FAULTS 3
.p2align 4
table:
  row 0x12345, READ_FAULTS
  row 0x12345, WRITE_FAULTS
  row MSR_GLOBAL_STATUS, READS
  row MSR_GLOBAL_STATUS, WRITE_FAULTS
  row MSR_DEBUGCTL, WRITE_FAULTS, 1<<16
  row MSR_DEBUGCTL, WRITE_FAULTS, 1<<63
  row MSR_LBR_SELECT, WRITE_FAULTS, 1<<10
  row MSR_LBR_SELECT, WRITES, 0
  row MSR_LBR_TOS, WRITES, 0
  row MSR_LBR_FROM + 31, READS
  row MSR_LBR_FROM + 32, READ_FAULTS
  row MSR_PERFEVTSEL0, WRITE_FAULTS, 1<<40
  row MSR_A_PMC0, WRITE_FAULTS, 1<<48
  row MSR_A_PMC0, WRITES, 0xffffffffffff
  row MSR_A_PMC0, WRITES, 0
  row MSR_GLOBAL_CTRL, WRITE_FAULTS, 1<<20
  row MSR_X2APIC, READ_FAULTS
  row MSR_X2APIC_LVT_PMI, READ_FAULTS
  row MSR_APIC_BASE, WRITE_FAULTS, 0xfee00500
  row MSR_APIC_BASE, WRITES, 0xfee00d00
  row MSR_X2APIC_LVT_PMI, READS
  row MSR_X2APIC_EOI, READ_FAULTS
  row MSR_X2APIC_EOI, WRITE_FAULTS, 1
  row MSR_X2APIC_EOI, WRITES, 0
  row MSR_APIC_BASE, WRITE_FAULTS, 0xfee00900
  row 0x38e, READS
table_end:
.text
