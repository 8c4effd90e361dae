#pragma once
// What CPUID returns, computed from the microarchitecture record.
//
// Modelled: identity, features, caches, performance monitoring, address sizes of one logical processor
// without siblings. A feature is shown when the part has it and the simulator executes it: programs choose
// code by these bits. Not: leaf 2's descriptors (it points to leaf 4), thermal and power leaves, XSAVE
// (nothing enabled). Source: SDM vol. 2A, "CPUID—CPU Identification".
#include "models/cpu/cpu.h"
#include "models/cpu/uarch/uarch.h"
#include "sim/base/units.h"

namespace lastbranch::cpu {

/// What the execution code implements, whatever the part: x86-64-v2 without SYSENTER, with RDTSCP and
/// PREFETCHW.
[[nodiscard]] IsaSet executed_isa();

/// CPUID with EAX = `leaf`, ECX = `subleaf`. Leaves beyond the highest answer as the highest basic one, as
/// Intel's do.
[[nodiscard]] CpuidResult cpuid(const Uarch& u, u32 leaf, u32 subleaf);

}  // namespace lastbranch::cpu
