// Touches what nobody has: the run names it.
#include "common.inc"
begin
  handler 13, on_gp
  in al, 0x80
  out 0x80, al
  mov ecx, 0x12345
  rdmsr
  write_msr MSR_PERFEVTSEL0, 0xeeee | EVTSEL_OS | EVTSEL_EN
  exit 3
on_gp:
  add rsp, 8
  add qword ptr [rsp], 2
  iretq
