// HLT with nothing armed.
#include "common.inc"
.text
.globl _start
_start:
  cli
  hlt
