// Counters by privilege: a loop of the user's code is the user's branches; RDMSR there is #GP by the CPU, RDPMC
// too as long as CR4.PCE is clear.
#include "common.inc"
begin
  global_ctrl 0
  handler 0x41, back, 3
  handler 13, fault
  write_msr MSR_PERFEVTSEL0, (EVENT_BRANCHES | EVTSEL_USR | EVTSEL_EN)
  write_msr MSR_PERFEVTSEL0 + 1, (EVENT_BRANCHES | EVTSEL_OS | EVTSEL_EN)
  xor ebp, ebp
  global_ctrl 3
  enter_user user_code
user_code:
  mov ecx, 10
1:
  loop 1b
u_rdmsr:
  rdmsr
  mov ecx, 1
u_rdpmc:
  rdpmc
  int 0x41
back:
  global_ctrl 0
  expect_eq 1, rbp, 2
  // LOOP; INT n and the two exceptions, far transfers, count where they begin.
  expect_msr 2, MSR_PMC0, 13
  // IRETQ three times, the branches of the handler.
  read_msr MSR_PMC0 + 1
  expect_eq 3, rax, 3
  pass
// Both instructions have two bytes.
fault:
  add rsp, 8
  add qword ptr [rsp], 2
  inc ebp
  iretq
