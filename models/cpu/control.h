#pragma once
// What a board or a hypervisor model does to a processor between two runs of it.
#include "models/cpu/cpu.h"

namespace lastbranch::cpu {

/// Completes the intercepted instruction at Cpu::rip on behalf of the board: counts it with `facts` (fact::
/// bits) as retired and moves RIP to Cpu::next_rip.
void retire_intercepted(Cpu& c, u32 facts);

/// Changes the privilege level, and with it TLB bank and jump cache. The ledger must be folded.
void set_cpl(Cpu& c, u8 cpl);
/// Bits of CR4 that this processor has, by CPUID.
[[nodiscard]] u64 cr4_bits(const Cpu& c);
/// CR0 or CR4 changed: recomputes Cpu::gates.
void update_gates(Cpu& c);
/// DR0-DR3 or DR7 changed: recomputes Cpu::breakpoints.
void update_breakpoints(Cpu& c);
/// DR6 bits of the instruction breakpoints at Cpu::rip; 0 for none, or when RFLAGS.RF holds them off.
[[nodiscard]] u64 hit_breakpoints(const Cpu& c);

/// The translation of [va, va + length) changed or went away: drops TLB entries, code blocks and chains into
/// the range.
void forget_translations(Cpu& c, u64 va, u64 length);

/// All translations went away (MOV CR3): drops TLB entries and chains.
void forget_all_translations(Cpu& c);

/// Physical page `paddr` was written behind the processor's back (a system call's read(), DMA): drops code
/// decoded from it.
void forget_code(Cpu& c, u64 paddr, u64 length);

}  // namespace lastbranch::cpu
