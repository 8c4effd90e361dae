// A guest that has nothing to do with LBRs: counts down and halts.
#include "common.inc"
begin
  mov ebx, 1000
1:
  dec ebx
  jnz 1b
  hlt
