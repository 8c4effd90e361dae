#pragma once
// The performance-monitoring unit of one logical processor as software sees it: its MSRs over the ledger.
//
// Modelled: architectural versions 1-5 (and the aliases of 6): event selects, general and fixed counters with
// their widths, full-width aliases, GLOBAL_CTRL/STATUS/RESET/SET/INUSE, IA32_PERF_CAPABILITIES, RDPMC,
// overflow found exactly through the horizon, PMI with skid, both ways of freezing, cmask/inv/edge by looking
// after every instruction while such a counter runs. PEBS is models/pmu/pebs.h. Not modelled: a second thread
// (ANY counts this one), transactions (IN_TX counts nothing). PERF_METRICS holds what software writes until a
// timing model supplies slots by category. Sources: SDM vol. 3B, "Performance Monitoring"; vol. 4; Linux 6.12
// arch/x86/events/intel.
#include <array>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "models/pmu/events.h"
#include "models/pmu/pebs_counters.h"
#include "models/pmu/pmu_counter.h"
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
  /// Writes of fixed counters drop the bits beyond their width. false: they raise #GP.
  bool fixed_upper_bits_ignored = false;
  /// IA32_PERF_GLOBAL_OVF_CTRL reads as last written. false: it reads 0.
  bool ovf_ctrl_reads_back = false;
};

/// What the PMU reaches beside itself; nullptr where a platform has none of it. All must outlive the PMU.
struct PmuPorts {
  DebugControl* debug = nullptr;  ///< IA32_DEBUGCTL's owner: freeze bits
  PmiTarget* target = nullptr;    ///< takes PMIs
  /// Core clocks since reset, for skid; nullptr: the ledger's.
  u64 (*cycles)(const void* self) = nullptr;
  const void* cycles_self = nullptr;
  u32 most_cycles = 1;  ///< the most core clocks of one instruction: how far limit() can look ahead
};

class Pebs;

class Pmu final : public PebsCounters {
 public:
  /// Throws Error when `params` cannot be. `ledger` must outlive it.
  Pmu(const PmuParams& params, const Ledger& ledger, const PmuPorts& ports, const PmuOptions& options = {});
  Pmu(const Pmu&) = delete;
  Pmu& operator=(const Pmu&) = delete;

  // Whoever runs the core: before each run limit(), after each run - the ledger folded - service(). Who feeds
  // the ledger otherwise calls service() at least once in 2^30 events.
  /// Limits how far the core may run: to the next overflow, PMI, or instruction when cmask, inv or edge
  /// count.
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
  [[nodiscard]] const PmuOptions& options() const { return options_; }
  /// Counters this part has, as bits of IA32_PERF_GLOBAL_CTRL.
  [[nodiscard]] u64 counters() const { return counters_; }
  /// Counters that count now.
  [[nodiscard]] u64 running() const { return running_; }
  /// Events general counter `gp` has counted since construction, whatever was written to it; for records that
  /// log events.
  [[nodiscard]] u64 total(unsigned gp) const { return gp_[gp].total(); }
  /// What may count: contexts outside never do, whatever USR and OS say. At first all.
  void count_contexts(CtxSet contexts);
  /// Counters of these bits overflow without skid, and the instruction that does it is a run of its own, as
  /// if PEBS sampled them: for whoever samples from outside.
  void set_precise(u64 counters) { precise_ = counters; }

  // What PEBS and others that raise PMIs use.
  [[nodiscard]] u64 value(CounterBit counter) const override { return at(counter).value(); }
  void reload(CounterBit counter, u64 value) override;
  [[nodiscard]] u64 status() const override { return status_; }
  void set_status(u64 bits) override { change_status(status_ | bits); }
  void clear_status(u64 bits) override { change_status(status_ & ~bits); }
  [[nodiscard]] u64 control(CounterBit counter) const override;
  [[nodiscard]] bool precise(CounterBit counter) const override;
  [[nodiscard]] u64 core_cycles() const override;
  [[nodiscard]] u64 perf_metrics() const override { return metrics_; }
  /// Sets `status` bits, freezes as IA32_DEBUGCTL says, and raises a PMI: at the end of service() when that
  /// is going on; else now, but counters, which may be asked in the middle of a run, freeze in the next
  /// service().
  void request_pmi(u64 status) override;

  /// SMI and RSM as far as the PMU takes part: with FREEZE_WHILE_SMM the first clears all enables of
  /// IA32_PERF_GLOBAL_CTRL, the second sets them.
  void smi();
  void rsm();

  /// As RESET (`init` false) or INIT, which leaves the registers.
  void reset(bool init = false);

  /// The MSRs of this part: attach(rows(), this). PEBS's are its own.
  [[nodiscard]] std::span<const MsrDef> rows() const { return rows_; }
  /// Event codes that were programmed and are not modelled or not known: (evtsel, times), named at a run's
  /// end. Fixed counters have their pseudo codes.
  [[nodiscard]] std::vector<std::pair<u64, u64>> unmodelled() const;

  /// PEBS takes over what overflows on its counters; nullptr: none. It must outlive the PMU or be
  /// disconnected.
  void connect(Pebs* pebs) { pebs_ = pebs; }

 private:
  friend struct PmuRows;  // pmu_rows.cpp: the registers as functions of this state

  static constexpr unsigned kOffcoreRegisters = 2;

  [[nodiscard]] PmuCounter& at(CounterBit c) { return c < kFixed ? gp_[c] : fixed_[c - kFixed]; }
  [[nodiscard]] const PmuCounter& at(CounterBit c) const { return c < kFixed ? gp_[c] : fixed_[c - kFixed]; }

  // pmu_program.cpp
  /// What the event select makes counter `n` count.
  void program_gp(unsigned n);
  void program_fixed(unsigned i);
  /// Whether PEBS can sample it.
  [[nodiscard]] bool is_precise(const Event& event) const;
  /// Starts and stops counters as all enables together say.
  void update_running();
  [[nodiscard]] u64 enabled() const;
  [[nodiscard]] u64 evtsel_bits(unsigned n) const;
  [[nodiscard]] u64 fixed_ctrl_bits() const;

  // pmu_status.cpp
  void change_status(u64 status);
  [[nodiscard]] u64 status_bits() const;
  [[nodiscard]] u64 global_ctrl_bits() const;
  [[nodiscard]] u64 inuse() const;
  void freeze_lbrs();
  void freeze_counters();
  void freeze();
  [[nodiscard]] bool raises_pmi(CounterBit counter) const;
  /// Counters whose overflow asks for a PMI `now`, or after the skid.
  void raise(bool immediately, bool after_skid);
  void deliver();

  PmuParams params_;
  const Ledger* ledger_;
  PmuPorts ports_;
  PmuOptions options_;
  FactCounts most_;
  Pebs* pebs_ = nullptr;
  CtxSet contexts_ = kAllContexts;
  std::vector<MsrDef> rows_;

  u64 counters_ = 0;  ///< counters that exist
  std::vector<PmuCounter> gp_;
  std::vector<PmuCounter> fixed_;
  std::vector<u64> evtsel_;
  u64 fixed_ctrl_ = 0;
  u64 global_ctrl_ = 0;
  u64 status_ = 0;
  u64 ovf_ctrl_ = 0;  ///< as last written
  u64 metrics_ = 0;
  u64 misc_enable_ = 0;
  std::array<u64, kOffcoreRegisters> offcore_{};

  u64 running_ = 0;
  u64 watching_ = 0;        ///< those of running_ that look at every cycle
  u64 precise_ = 0;         ///< by set_precise()
  u64 precise_events_ = 0;  ///< counters whose event PEBS can sample
  // Counters that only count are far from their carry for hours: they are looked at in one look of many, and
  // cost the others nothing. No look may be further from the last than kFarLook instructions.
  static constexpr u64 kLooks = 1024;
  static constexpr u64 kFarLook = (u64{1} << PmuCounter::kFarBits) / kLooks;
  u64 far_ = 0;
  u64 looks_ = 0;
  std::array<u64, 64> counted_{};  ///< total() of armed PEBS counters at the last look

  bool in_service_ = false;
  bool counter_freeze_due_ = false;  ///< of a PMI that came in the middle of a run
  bool pmi_requested_ = false;       ///< by request_pmi() within service()
  bool pmi_pending_ = false;         ///< on its way
  u64 pmi_at_ = 0;                   ///< core clock at which it arrives
  std::map<u64, u64> unmodelled_;
};

}  // namespace lastbranch::pmu
