#pragma once
// What distinguishes one part's last-branch records from another's. Microarchitecture records state it, the
// LBR model is built from it; it stands here because neither includes the other. Sources: SDM vol. 3B, "LBR
// Stack", "Filtering of Last Branch Records"; vol. 4 for addresses.
#include "sim/base/units.h"

namespace lastbranch {

/// IA32_PERF_CAPABILITIES[5:0]: how a record is spread over its MSRs.
enum class LbrFormat : u8 {
  kOffsets32 = 0,  ///< one MSR: 31:0 from, 63:32 to, offsets in CS
  kLinear = 1,     ///< FROM and TO: linear addresses
  kOffsets64 = 2,  ///< FROM and TO: offsets in CS
  kFlags = 3,      ///< FROM[63] mispredicted
  kFlagsTsx = 4,   ///< FROM[63] mispredicted, [62] in transaction, [61] abort
  kInfo = 5,       ///< flags and cycles in an INFO MSR
  kTime = 6,       ///< FROM[63] mispredicted, TO[63:48] cycles
  kInfoNoTsx = 7,  ///< as kInfo, without the transaction flags
};

struct LbrParams {
  unsigned depth = 0;  ///< records in the ring: a power of two, 4..32; 0 = the part has no LBR of this kind
  LbrFormat format = LbrFormat::kInfo;
  u32 from_base = 0x680;  ///< MSR of FROM 0; the others follow
  u32 to_base = 0x6c0;    ///< MSR of TO 0; unused by kOffsets32
  u32 info_base = 0xdc0;  ///< MSR of INFO 0; used by kInfo and kInfoNoTsx
  u32 tos = 0x1c9;        ///< MSR_LASTBRANCH_TOS
  u32 select = 0x1c8;     ///< MSR_LBR_SELECT
  bool has_select = true;
  u64 select_mask = 0x1ff;  ///< bits of MSR_LBR_SELECT that exist
  /// Nehalem, Westmere, Silvermont: suppressing indirect JMPs also drops indirect CALLs and RETs, suppressing
  /// relative JMPs also drops relative CALLs.
  bool jmp_filters_drop_calls = false;
  unsigned va_bits = 48;  ///< linear address bits: how far addresses are sign-extended

  bool operator==(const LbrParams&) const = default;
};

}  // namespace lastbranch
