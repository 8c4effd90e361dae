// An exception without an IDT.
#include "common.inc"
.text
.globl _start
_start:
  nop
  ud2
