#pragma once
// What a board or a hypervisor model does to a processor between two runs of it.
#include "models/cpu/cpu.h"

namespace lastbranch::cpu {

/// Completes the intercepted instruction at Cpu::rip on behalf of the board: counts it with `facts` (fact::
/// bits) as retired and moves RIP to Cpu::next_rip.
void retire_intercepted(Cpu& c, u32 facts);

/// The translation of [va, va + length) changed or went away: drops TLB entries, code blocks and chains into
/// the range.
void forget_translations(Cpu& c, u64 va, u64 length);

/// Physical page `paddr` was written behind the processor's back (a system call's read(), DMA): drops code
/// decoded from it.
void forget_code(Cpu& c, u64 paddr, u64 length);

}  // namespace lastbranch::cpu
