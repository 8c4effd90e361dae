#pragma once
// What the monitoring modules of a platform want of each other, as SystemC interfaces: ports of one are bound
// to exports of another, and neither knows the other's class.
//
//   LbrModule.debug    <- PmuModule.debug, CpuModule.debug   freezing, #DB, records
//   PmuModule.requests <- LbrModule.requests                 PMIs of the BTS buffer
//   PmuModule.counters <- CpuModule.counters                 RDPMC, and how far to run
//   an InterruptTarget <- PmuModule.pmi                      CpuModule.pmi, or the platform's controller
#include <systemc>

#include "sim/base/debugctl.h"
#include "sim/base/far_branches.h"
#include "sim/base/msr.h"
#include "sim/base/units.h"

namespace lastbranch::kernel {

/// IA32_DEBUGCTL's owner.
class DebugControlIf : public virtual sc_core::sc_interface, public DebugControl, public DebugEvents {};

/// Who raises performance-monitoring interrupts.
class PmiRequestIf : public virtual sc_core::sc_interface, public PmiRequest {};

/// The counters as the processor that feeds them uses them.
class CountersIf : public virtual sc_core::sc_interface {
 public:
  /// RDPMC with this ECX, privilege already checked; a fault is #GP(0).
  [[nodiscard]] virtual MsrValue rdpmc(u32 ecx) const = 0;
  /// Instructions that may retire before the counters must be told, for overflows to be found at the very
  /// instruction; Horizon::kNone when none is due. At least 1.
  [[nodiscard]] virtual u64 horizon() const = 0;
};

/// A port that may stay unbound: then ask `size()` before using it.
template <class If>
using OptionalPort = sc_core::sc_port<If, 1, sc_core::SC_ZERO_OR_MORE_BOUND>;

}  // namespace lastbranch::kernel
