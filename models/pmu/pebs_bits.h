#pragma once
// Bits that the parts of the PEBS model share.
#include <bit>

#include "models/pmu/pebs_record.h"
#include "sim/base/field.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

[[nodiscard]] constexpr u64 bit(unsigned n) {
  return u64{1} << n;
}

/// Calls `f(n)` for each bit n that is set, lowest first.
template <class F>
constexpr void for_each_bit(u64 bits, F f) {
  for (; bits != 0; bits &= bits - 1) f(static_cast<unsigned>(std::countr_zero(bits)));
}

// IA32_PERF_GLOBAL_STATUS.
inline constexpr u64 kArchThreshold = bit(54);  ///< architectural PEBS buffer at its threshold
inline constexpr u64 kOvfBuffer = bit(62);      ///< PEBS buffer at its threshold

// IA32_PEBS_ENABLE.
inline constexpr u64 kPmiAfterEach = bit(60);
using PebsOutput = Field<62, 61>;
inline constexpr u64 kOutputTrace = 1;

// IA32_PERFEVTSELn, and PebsCounters::control() of a fixed counter.
inline constexpr u64 kAdaptive = bit(34);
inline constexpr u64 kFixedAdaptive = bit(32);

// IA32_PERF_CAPABILITIES.
inline constexpr u64 kCapTrap = bit(6);
inline constexpr u64 kCapBaseline = bit(14);
inline constexpr u64 kCapOutputTrace = bit(16);
inline constexpr u64 kCapTiming = bit(17);

/// Entries that MSR_PEBS_DATA_CFG asks for, 1-256.
[[nodiscard]] constexpr std::size_t lbr_entries_of(u64 config) {
  return ((config >> data_cfg::kLbrEntriesShift) & 0xff) + 1;
}

}  // namespace lastbranch::pmu
