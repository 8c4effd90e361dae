#pragma once
// The fields of IA32_PERFEVTSELx, IA32_FIXED_CTR_CTRL and IA32_PERF_GLOBAL_STATUS.
// Sources: SDM vol. 3B, "Architectural Performance Monitoring" (versions 1 to 5), "Freezing LBR and
// Performance Counters on PMI"; Linux 6.12 arch/x86/include/asm/perf_event.h for versions 5 and 6.
#include "sim/base/field.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

namespace evtsel {
using Event = Field<7, 0>;
using Umask = Field<15, 8>;
using Usr = Field<16>;
using Os = Field<17>;
using Edge = Field<18>;
using PinControl = Field<19>;
using Int = Field<20>;
using Any = Field<21>;
using Enable = Field<22>;
using Inv = Field<23>;
using Cmask = Field<31, 24>;
using InTx = Field<32>;
using InTxCheckpointed = Field<33>;  ///< counter 2 only
using Adaptive = Field<34>;
using BranchLog = Field<35>;
using Equal = Field<36>;
using Umask2 = Field<47, 40>;
}  // namespace evtsel

/// One counter's four bits of IA32_FIXED_CTR_CTRL, shifted down by 4 * i.
namespace fixedctl {
inline constexpr u64 kOs = 1;
inline constexpr u64 kUsr = 2;
inline constexpr u64 kAny = 4;
inline constexpr u64 kPmi = 8;
/// Of fixed counter i, in place.
[[nodiscard]] constexpr u64 field(u64 ctrl, unsigned i) {
  return (ctrl >> (4 * i)) & 15;
}
[[nodiscard]] constexpr u64 adaptive(unsigned i) {
  return u64{1} << (32 + 4 * i);
}
}  // namespace fixedctl

namespace global_status {
inline constexpr u64 kMetrics = u64{1} << 48;
inline constexpr u64 kTraceToPa = u64{1} << 55;
inline constexpr u64 kLbrFrz = u64{1} << 58;
inline constexpr u64 kCtrFrz = u64{1} << 59;
inline constexpr u64 kAsci = u64{1} << 60;
inline constexpr u64 kUncore = u64{1} << 61;
inline constexpr u64 kDsBuffer = u64{1} << 62;
inline constexpr u64 kCondChanged = u64{1} << 63;
}  // namespace global_status

namespace perf_cap {
using LbrFormat = Field<5, 0>;
using PebsTrap = Field<6>;
using PebsArchRegs = Field<7>;
using PebsFormat = Field<11, 8>;
using SmmFreeze = Field<12>;
using FullWidthWrite = Field<13>;
using PebsBaseline = Field<14>;
using Metrics = Field<15>;
using PebsToPt = Field<16>;
using PebsTiming = Field<17>;
}  // namespace perf_cap

}  // namespace lastbranch::pmu
