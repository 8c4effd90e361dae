#pragma once
// Which signal a processor exception becomes.
// Source: Linux arch/x86/kernel/traps.c and arch/x86/mm/fault.c; sigaction(2), "The si_code field".
#include "models/cpu/cpu.h"
#include "sim/user/address_space.h"
#include "sim/user/signal_frame.h"

namespace lastbranch::user {

/// The signal for the pending fault of `c`, whose RIP is the faulting instruction or, for traps, the next
/// one.
[[nodiscard]] SigInfo signal_of_fault(const cpu::Cpu& c, const AddressSpace& space);
/// What handlers find in their context after it.
[[nodiscard]] TrapState trap_state(const cpu::Cpu& c, const TrapState& before);
/// "general protection", "page fault at 0x..., not mapped": for messages.
[[nodiscard]] std::string describe_fault(const Fault& fault, const AddressSpace& space);

}  // namespace lastbranch::user
