#pragma once
// What LBR event logging needs of the counters: architectural LBRs of some parts count, per record, how often
// general counters' events occurred since the record before. Source: CPUID leaf 1CH, ECX[19:16]; Linux 6.12
// arch/x86/events/intel/lbr.c ("branch counters").
#include "sim/base/units.h"

namespace lastbranch {

class EventLogSource {
 public:
  virtual ~EventLogSource() = default;
  /// General counters with IA32_PERFEVTSELx.LBR_LOG (bit 35) that count now: bit n is counter n.
  [[nodiscard]] virtual u32 logged() const = 0;
  /// Running total of general counter `n`'s event at the branch that just retired; never falls while logged.
  [[nodiscard]] virtual u64 total(unsigned n) const = 0;
};

}  // namespace lastbranch
