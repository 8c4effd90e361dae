#pragma once
// Precise event-based sampling of one logical processor: when a record is written, what happens to the
// counter then, and the MSRs that say so.
//
// Modelled: the DS buffer with its bounds and threshold; arming by an overflow and capture at the next
// occurrence of the event; counters that capture the overflowing instruction itself (PDIR, reduced skid,
// PDist); records of events that are not precise (Atom line, adaptive parts); architectural PEBS with its own
// buffer. Not modelled: registers as they were before the instruction (fault-like parts get those after it),
// output to Processor Trace (counted, not written), how long the microcode takes.
// Sources: SDM vol. 3B, "Processor Event Based Sampling (PEBS)", "Precise Distribution of Instructions
// Retired (PDIR)", "Reduced Skid PEBS", "Enhancements of PEBS in Goldmont", "Adaptive PEBS"; Linux 6.12
// arch/x86/events/intel/ds.c; the architectural PEBS patches to Linux.
#include <array>
#include <span>
#include <vector>

#include "models/pmu/pebs_counters.h"
#include "models/pmu/pebs_record.h"
#include "sim/base/ds_area.h"
#include "sim/base/guest_memory.h"
#include "sim/base/msr.h"
#include "sim/base/pmu_params.h"

namespace lastbranch::pmu {

/// The machine's state for a record.
class PebsSource {
 public:
  virtual ~PebsSource() = default;
  /// Fills in what the machine knows, after the instruction: `rip` (the next one), flags, registers, TSC, the
  /// memory operand of the instruction, latencies, transactional state. PEBS fills in the rest.
  virtual void fill(PebsSample& sample) const = 0;
  /// IA32_LBR_CTL, DEPTH and the last event record, for architectural PEBS.
  virtual void fill(PebsLbrState& /*state*/) const {}
};

/// What PEBS reaches beside itself; all must outlive it.
struct PebsPorts {
  PebsCounters* counters = nullptr;  ///< required
  PebsSource* source = nullptr;      ///< required
  GuestMemory* memory = nullptr;     ///< by linear address; required but for architectural PEBS
  DsArea* ds = nullptr;              ///< required but for architectural PEBS
  DebugControl* debug = nullptr;     ///< LBR groups; nullptr: they are 0
  GuestMemory* physical = nullptr;   ///< by physical address; required for architectural PEBS
};

/// Choices that differ between steppings, or that no source decides.
struct PebsOptions {
  /// The interrupt of the threshold comes one record late (erratum AR64 of Core 2).
  bool threshold_late = false;
  /// Core clocks from an overflow until PEBS is armed; occurrences before are not captured.
  u64 arm_cycles = 0;
  /// A record that does not fit disarms the counter. false: it stays armed, and its next event tries again.
  bool skip_disarms = false;
  /// CPUID.23H.4:EBX, what CFG_C offers: the part has architectural PEBS instead of the DS buffer. 0: not.
  u32 architectural = 0;
};

/// Things that would have been a record.
struct PebsLost {
  u64 full = 0;          ///< no room in the buffer
  u64 inaccessible = 0;  ///< the DS area or the buffer is not mapped
  u64 to_trace = 0;      ///< went to Processor Trace, which is not modelled
};

class Pebs {
 public:
  /// Throws Error when a required port is missing.
  Pebs(const PmuParams& params, const PebsPorts& ports, const PebsOptions& options = {});
  Pebs(const Pebs&) = delete;
  Pebs& operator=(const Pebs&) = delete;

  // What the Pmu asks. In each service(), for every counter c: if it overflowed, set its status bit, and if
  // takes(c) call overflow(c); else if wants_next(c) and it counted something, call occurrence(c). At the end
  // call assist(), always. No PMI for the overflow of a counter that PEBS takes unless its INT bit is set.
  // Counters with takes(c) need runs of one instruction at their overflow; counters with wants_next(c) need
  // limit() to allow for one event only.

  /// Whether PEBS is enabled for the counter and can sample its event.
  [[nodiscard]] bool takes(CounterBit counter) const;
  /// Overflowed, waiting for the next occurrence.
  [[nodiscard]] bool armed(CounterBit counter) const { return ((armed_ >> counter) & 1) != 0; }
  /// The same: the Pmu must see the next increment of this counter exactly.
  [[nodiscard]] bool wants_next(CounterBit counter) const { return armed(counter); }
  /// Whether any counter is armed, or a record is due.
  [[nodiscard]] bool busy() const { return (armed_ | due_) != 0; }
  /// Whether the counter samples the instruction that makes it overflow, as it is programmed now.
  [[nodiscard]] bool exact(CounterBit counter) const;

  /// The counter overflowed at the instruction at linear address `eventing_rip` (0: not known).
  void overflow(CounterBit counter, u64 eventing_rip);
  /// The armed counter counted again, at `eventing_rip`.
  void occurrence(CounterBit counter, u64 eventing_rip);
  /// Writes the record that is due, if any: one for all counters that share the instruction.
  void assist();

  /// Software set these bits of IA32_PERF_GLOBAL_STATUS (391H): on Goldmont that alone makes a record.
  void status_set(u64 bits);
  /// Software cleared these bits of IA32_PERF_GLOBAL_STATUS, or wrote these counters: they are not armed now.
  void disarm(u64 counters);

  // What load-latency and front-end events are parametrised by.
  /// Core clocks, at least 3.
  [[nodiscard]] u64 load_latency_threshold() const;
  /// MSR_PEBS_FRONTEND; see FrontendSelector.
  [[nodiscard]] u64 frontend() const { return frontend_; }
  /// Whether IA32_PEBS_ENABLE turns load latency on for the general counter.
  [[nodiscard]] bool load_latency(CounterBit counter) const;
  /// Whether IA32_PEBS_ENABLE turns precise store on (counter 3).
  [[nodiscard]] bool precise_store() const;

  [[nodiscard]] u64 enable() const { return enable_; }
  [[nodiscard]] u64 data_config() const { return data_config_; }
  [[nodiscard]] const PebsLayout& layout() const { return layout_; }
  [[nodiscard]] const PebsLost& lost() const { return lost_; }
  [[nodiscard]] u64 records() const { return records_; }

  /// As RESET; INIT (`init`) leaves the registers.
  void reset(bool init = false);
  /// The MSRs of this part: attach(rows(), this).
  [[nodiscard]] std::span<const MsrDef> rows() const { return rows_; }

 private:
  static constexpr unsigned kMaxGp = 16;
  static constexpr unsigned kMaxFixed = 8;

  [[nodiscard]] u64 enabled() const;
  void take(CounterBit counter, u64 eventing_ip);
  void rearm(u64 served, u64& lost);

  void fill(u64 served, PebsSample& sample) const;
  /// Newest first, as many as `space` holds or there are.
  [[nodiscard]] std::span<const LbrRecord> branches(std::span<LbrRecord> space) const;
  void encode(u64 served, PebsRecord& out) const;
  void assist_ds(u64 served);
  void assist_trace(u64 served);
  void reload_from_ds(u64 served);

  [[nodiscard]] u64& config_c(CounterBit counter);
  [[nodiscard]] u64 config_c(CounterBit counter) const;
  void encode_arch(u64 served, PebsRecord& out) const;
  void assist_arch(u64 served);

  void build_rows();
  void build_arch_rows();
  friend struct PebsMsrs;

  PmuParams params_;
  PebsPorts ports_;
  PebsOptions options_;
  PebsLayout layout_;
  bool extended_;        ///< events that are not precise are sampled, too
  bool goldmont_rules_;  ///< signals a full buffer; a status bit that software sets makes a record
  std::vector<MsrDef> rows_;

  u64 enable_ = 0;
  u64 data_config_ = 0;
  u64 threshold_ = 0;  ///< MSR_PEBS_LD_LAT_THRESHOLD
  u64 frontend_ = 0;
  u64 base_ = 0;   ///< IA32_PEBS_BASE
  u64 index_ = 0;  ///< IA32_PEBS_INDEX
  std::array<u64, kMaxGp> gp_config_c_{};
  std::array<u64, kMaxFixed> fixed_config_c_{};
  std::array<u64, kMaxGp> gp_reload_{};
  std::array<u64, kMaxFixed> fixed_reload_{};

  u64 armed_ = 0;                     ///< counters that overflowed
  u64 due_ = 0;                       ///< counters whose record is to be written now
  u64 eventing_ip_ = 0;               ///< of that record; 0: not known
  std::array<u64, 64> armed_from_{};  ///< core clock from which an occurrence counts
  u64 records_ = 0;
  PebsLost lost_;
};

}  // namespace lastbranch::pmu
