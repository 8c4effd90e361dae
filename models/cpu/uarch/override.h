#pragma once
// Overrides whose consequences go beyond one field: what belongs together changes together, so that the
// registers and CPUID of the changed part agree.
#include "models/cpu/uarch/uarch.h"
#include "sim/base/units.h"

namespace lastbranch::cpu {

// All throw Error when the value is out of range; then nothing has changed.

/// Core clock and TSC, Hz.
void set_frequency(Uarch& u, u64 value);
/// TSX on or off: event select bits, IA32_DEBUGCTL.RTM_DEBUG; on format 4 also what FROM[62:61] are.
void set_tsx(Uarch& u, u64 value);
/// Records: 1, 4, 8, 16, 32; on architectural LBRs the largest number, 8, 16 or 32. Records that would not
/// fit at 40H and 60H move to 680H and 6C0H.
void set_lbr_depth(Uarch& u, u64 value);
/// 0 to 7, or 63 for architectural LBRs. Formats from 3 on live at 680H, 6C0H and DC0H; format 0 has one MSR
/// a record; architectural LBRs live at 1500H, 1600H and 1200H, offer every depth up to the present one and
/// show in CPUID. Between the ring and architectural LBRs the filter registers change too.
void set_lbr_format(Uarch& u, u64 value);
/// Architectural version 1 to 6, with its event select bits and way of freezing, fixed-counter bitmap from 5
/// on and leaf 23H from 6 on. Version 1 has no fixed counters.
void set_pmu_version(Uarch& u, u64 value);
/// General counters, 1 to 16: PEBS loses the counters that are gone.
void set_gp_counters(Uarch& u, u64 value);
/// Fixed counters, 0 to 4, the same way.
void set_fixed_counters(Uarch& u, u64 value);
/// 0 to 6; from 4 on adaptive.
void set_pebs_format(Uarch& u, u64 value);
/// Without it no BTS and no PEBS.
void set_ds_area(Uarch& u, u64 value);

}  // namespace lastbranch::cpu
