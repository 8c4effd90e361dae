#pragma once
// The MSRs that are the processor's own: system calls, segment bases, time stamp, memory types.
//
// Modelled: values, reserved bits and canonical checks. Not: memory types have no effect (all memory is
// write-back), there are no variable or fixed MTRRs, no machine-check banks and no microcode.
// Sources: SDM vol. 4, "Architectural MSRs"; vol. 3A, "IA32_EFER MSR", "IA32_PAT MSR", "IA32_MTRRCAP
// Register".
#include <span>

#include "models/cpu/cpu.h"
#include "sim/base/msr.h"

namespace lastbranch::cpu {

/// Rows to attach to the processor's MsrBus, with a `Cpu*` as their owner.
[[nodiscard]] std::span<const MsrDef> system_msrs();

}  // namespace lastbranch::cpu
