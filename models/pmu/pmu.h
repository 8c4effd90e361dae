#pragma once
// The performance-monitoring unit of one logical processor as software sees it: its MSRs over the ledger.
//
// Modelled: architectural versions 1-5 (and the aliases of 6): event selects, general and fixed counters with
// their widths, full-width aliases, GLOBAL_CTRL/STATUS/RESET/SET/INUSE, IA32_PERF_CAPABILITIES, RDPMC, overflow
// found exactly through the horizon, PMI with skid, both ways of freezing, cmask/inv/edge by looking after
// every instruction while such a counter runs. PEBS is models/pmu/pebs.h. Not modelled: a second thread (ANY
// counts this one). Sources: SDM vol. 3B, "Performance Monitoring"; vol. 4; Linux 6.12 arch/x86/events/intel.
#include <span>
#include <string>
#include <vector>

#include "models/pmu/counter.h"
#include "models/pmu/events.h"
#include "sim/base/debugctl.h"
#include "sim/base/horizon.h"
#include "sim/base/ledger.h"
#include "sim/base/msr.h"
#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// Choices that no source decides, and where experience differs; documented with their defaults.
struct PmuOptions {
  /// Core clocks from an overflow to its PMI, for counters that are not precise.
  u64 skid_cycles = 0;
  /// Whether branches that retire during the skid are still recorded although freezing was asked for.
  bool freeze_after_skid = false;
};

/// What the PMU reaches beside itself; nullptr where a platform has none of it. All must outlive the PMU.
struct PmuPorts {
  DebugControl* debug = nullptr;  ///< IA32_DEBUGCTL's owner: freeze bits
  PmiTarget* target = nullptr;    ///< takes PMIs
  /// Core clocks since reset, for skid and for the cycles of cmask.
  u64 (*cycles)(const void* self) = nullptr;
  const void* cycles_self = nullptr;
};

/// Which counter: general n is n, fixed i is kFixed + i, as bits of IA32_PERF_GLOBAL_STATUS.
using CounterBit = unsigned;
inline constexpr CounterBit kFixed = 32;

class Pebs;

class Pmu final : public PmiRequest {
 public:
  /// Throws Error when `params` cannot be. `ledger` must outlive it.
  Pmu(const PmuParams& params, const Ledger& ledger, const PmuPorts& ports, const PmuOptions& options = {});
  Pmu(const Pmu&) = delete;
  Pmu& operator=(const Pmu&) = delete;

  // Whoever runs the core: before each run limit(), after each run - the ledger folded - service().
  /// Limits how far the core may run: to the next overflow, PMI, or instruction when cmask, inv or edge count.
  void limit(Horizon& horizon) const;
  /// Finds what overflowed at the instruction that just retired: status bits, PEBS, freezes, PMIs.
  /// `eventing_rip`: linear address of that instruction if it was the only one of the run, else 0; precise
  /// counters make the last run before their overflow one instruction long.
  void service(u64 eventing_rip);

  /// RDPMC with this ECX, privilege already checked; a fault is #GP(0).
  [[nodiscard]] MsrValue rdpmc(u32 ecx) const;

  /// Events that a code names on this part, by which a counter counts; nullptr: unknown, counts nothing.
  [[nodiscard]] const Event* event_of(u64 evtsel) const;

  [[nodiscard]] const PmuParams& params() const { return params_; }
  /// Value of a counter now, zero-extended.
  [[nodiscard]] u64 value(CounterBit counter) const;
  [[nodiscard]] u64 status() const;
  void request_pmi(u64 status) override;

  /// As RESET (`init` false) or INIT.
  void reset(bool init = false);

  /// The MSRs of this part: attach(rows(), this). PEBS's are its own.
  [[nodiscard]] std::span<const MsrDef> rows() const { return rows_; }
  /// Event codes that were programmed and are not modelled or not known: (evtsel, times), named at a run's end.
  [[nodiscard]] std::vector<std::pair<u64, u64>> unmodelled() const;

  /// PEBS takes over what overflows on its counters; nullptr: none.
  void connect(Pebs* pebs) { pebs_ = pebs; }

 private:
  PmuParams params_;
  std::vector<MsrDef> rows_;
  Pebs* pebs_ = nullptr;
};

}  // namespace lastbranch::pmu
