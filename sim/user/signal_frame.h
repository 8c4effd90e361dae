#pragma once
// The stack frame of a signal handler: rt_sigframe of x86-64 with its FXSAVE image.
// Sources: Linux arch/x86/include/uapi/asm/sigcontext.h and ucontext.h, arch/x86/kernel/signal_64.c and
// fpu/signal.c; SDM vol. 1, "FXSAVE Area". Without XSAVE: the processor record does not advertise it.
#include "models/cpu/cpu.h"
#include "sim/user/address_space.h"
#include "sim/user/signals.h"

namespace lastbranch::user {

/// What the newest exception left for handlers to read in their context.
struct TrapState {
  u64 number = 0, error = 0, address = 0;  ///< trapno, err, cr2
};

/// Least alternate stack for a handler: AT_MINSIGSTKSZ.
inline constexpr u64 kMinimumSignalStack = 1152;

/// Pushes the frame for `info`, points the registers at its handler and sets the mask for it.
/// False when the stack cannot be written or the action has no restorer.
[[nodiscard]] bool enter_handler(cpu::Cpu& c, AddressSpace& space, Signals& signals, const SigInfo& info,
                                 const TrapState& trap);

/// rt_sigreturn: restores registers, mask and alternate stack from the frame at RSP. RIP goes to
/// Cpu::next_rip. False when the frame cannot be read or is not one.
[[nodiscard]] bool leave_handler(cpu::Cpu& c, AddressSpace& space, Signals& signals);

}  // namespace lastbranch::user
