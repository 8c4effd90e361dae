#pragma once
// MSR_LBR_SELECT: which branches are not recorded.
// Sources: SDM vol. 3B, "Filtering of Last Branch Records" (tables of MSR_LBR_SELECT), and the Sandy Bridge
// section for what bits 6 and 7 meant before; Linux 6.12 lbr.c (nhm_lbr_sel_map) for the calls they dropped.
#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

/// Bits of MSR_LBR_SELECT: 0-8 suppress, 9 enables.
namespace select {
inline constexpr u64 kCplEq0 = 1 << 0;
inline constexpr u64 kCplNeq0 = 1 << 1;
inline constexpr u64 kJcc = 1 << 2;
inline constexpr u64 kNearRelCall = 1 << 3;
inline constexpr u64 kNearIndCall = 1 << 4;
inline constexpr u64 kNearRet = 1 << 5;
inline constexpr u64 kNearIndJmp = 1 << 6;
inline constexpr u64 kNearRelJmp = 1 << 7;
inline constexpr u64 kFarBranch = 1 << 8;
inline constexpr u64 kCallStack = 1 << 9;
}  // namespace select

/// Answers "is it recorded?" for every (kind, destination's privilege) by one bit each.
using KeepMask = u64;

/// The bit of a branch of `kind` that arrives at privilege `cpl_to`.
[[nodiscard]] constexpr unsigned keep_bit(BranchKind kind, unsigned cpl_to) {
  return static_cast<unsigned>(kind) * 4 + cpl_to;
}
static_assert(static_cast<unsigned>(BranchKind::kCount) <= 16, "four privileges of kinds fit a KeepMask");

/// The branches that a value of MSR_LBR_SELECT lets through. The privilege tested is that of the destination:
/// with ring 0 suppressed a SYSCALL is not recorded, but the SYSRET that ends it is.
/// `jmp_filters_drop_calls`: see LbrParams.
[[nodiscard]] KeepMask keep_mask(u64 select, bool jmp_filters_drop_calls);

}  // namespace lastbranch::lbr
