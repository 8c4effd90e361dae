// Never ends.
#include "common.inc"
.text
.globl _start
_start:
  jmp _start
