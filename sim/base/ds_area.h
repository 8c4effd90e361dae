#pragma once
// The debug store (DS) save area: IA32_DS_AREA and the layout of the management area it points to. BTS (the
// LBR model) and PEBS (the PMU) both find their buffers through it.
//
// Modelled: the 64-bit layout (CPUID.1:ECX.DTES64). Source: SDM vol. 3B, "DS Save Area and IA-32e Mode
// Operation"; Linux 6.12 arch/x86/include/asm/intel_ds.h for the counter-reset slots of later PEBS formats.
#include <span>

#include "sim/base/msr.h"
#include "sim/base/units.h"

namespace lastbranch {

namespace ds {
inline constexpr u64 kBtsBase = 0x00;
inline constexpr u64 kBtsIndex = 0x08;
inline constexpr u64 kBtsMaximum = 0x10;
inline constexpr u64 kBtsThreshold = 0x18;
inline constexpr u64 kPebsBase = 0x20;
inline constexpr u64 kPebsIndex = 0x28;
inline constexpr u64 kPebsMaximum = 0x30;
inline constexpr u64 kPebsThreshold = 0x38;
inline constexpr u64 kPebsReset = 0x40;  ///< of general counter 0; 8 bytes each
}  // namespace ds

/// IA32_DS_AREA of one logical processor.
class DsArea {
 public:
  [[nodiscard]] u64 base() const { return base_; }
  void set_base(u64 base) { base_ = base; }

  /// Its one MSR: attach(rows(), this). Absent on parts without CPUID.1:EDX.DS: then do not attach.
  [[nodiscard]] static std::span<const MsrDef> rows();

 private:
  u64 base_ = 0;
};

}  // namespace lastbranch
