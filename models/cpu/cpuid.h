#pragma once
// What CPUID returns, computed from the microarchitecture record.
//
// Modelled: identity, features, caches, performance monitoring (leaves 0AH and 23H), architectural
// last-branch records (1CH), address sizes of one logical processor without siblings. A feature is shown
// when the part has it and the simulator executes it: programs choose code by these bits; so TSX, AVX, Intel
// PT and 5-level paging are not shown on parts that have them. Wrong values that parts are known to report
// are reported. Not: leaf 2's descriptors (it points to leaf 4), thermal and power leaves, XSAVE and with it
// leaf 0DH (nothing enabled, so no sub-leaf for the records' 808 bytes of XSAVES state), leaf 1FH (0BH
// stands), the kind of a hybrid part's core, Auto Counter Reload in leaf 23H.
// Sources: SDM vol. 2A, "CPUID—CPU Identification"; vol. 3B, "Architectural Performance Monitoring".
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
