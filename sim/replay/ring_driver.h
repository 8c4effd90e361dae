#pragma once
/// A simulated LBR in the hands of something like Linux's driver: set up, started, stopped and read through
/// its MSRs, each record decoded as the kernel decodes it.
///
/// Modelled: reset by writing 0, MSR_LBR_SELECT or IA32_LBR_CTL from branch_sample_type, TOS or numbering by
/// age, flags from FROM or INFO, cycles from TO or INFO, records without flags when neither flags nor cycles
/// are asked for, the second record of an abort on Haswell. Not here: what the kernel drops afterwards
/// because the hardware cannot filter it; the stacks of captures have lost that already. Source: Linux 6.12
/// arch/x86/events/intel/lbr.c (intel_pmu_lbr_reset_64, intel_pmu_lbr_read_64, intel_pmu_store_lbr).
#include <array>
#include <memory>
#include <span>

#include "models/lbr/lbr.h"
#include "sim/base/lbr_params.h"
#include "sim/base/msr_bus.h"
#include "sim/base/retire.h"
#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/branch_filter.h"

namespace lastbranch::replay {

class RingDriver {
 public:
  /// Records of `params`, of which `depth` are used. Throws Error when the part cannot have that depth or
  /// that mode.
  RingDriver(const LbrParams& params, unsigned depth, const BranchFilter& filter);
  RingDriver(const RingDriver&) = delete;
  RingDriver& operator=(const RingDriver&) = delete;

  /// Empties all records; the next one goes behind place `tos`. Cycles go on counting.
  void reset(unsigned tos = 0);
  void start();
  /// `duplicate`: Skylake's erratum strikes.
  void stop(bool duplicate = false);
  void push(const RetiredBranch& branch) { lbr_.push(branch); }

  /// All records, empty ones too, newest first; in call-stack mode up to the first empty one. Valid until the
  /// next call.
  [[nodiscard]] std::span<const perfdata::BranchEntry> read();
  /// Place of the newest record; architectural records are numbered by age and have none: 0.
  [[nodiscard]] u64 tos();

  [[nodiscard]] unsigned depth() const { return depth_; }
  [[nodiscard]] const LbrParams& params() const { return params_; }
  [[nodiscard]] const BranchFilter& filter() const { return filter_; }
  /// Whether the driver tells predicted from mispredicted branches.
  [[nodiscard]] bool shows_prediction() const { return shows_prediction_; }
  [[nodiscard]] bool shows_cycles() const;
  [[nodiscard]] bool shows_transactions() const;

 private:
  void write(u32 msr, u64 value);
  [[nodiscard]] u64 msr(u32 index);
  [[nodiscard]] perfdata::BranchEntry decode(unsigned place, bool& abort);

  LbrParams params_;
  BranchFilter filter_;
  unsigned depth_;
  LbrFormat format_;  ///< as records are decoded: the driver knows that Knights Landing's differs
  bool no_info_;      ///< neither flags nor cycles were asked for
  bool shows_prediction_;
  lbr::Lbr lbr_;
  MsrBus msrs_;
  std::array<perfdata::BranchEntry, lbr::Lbr::kMaxDepth> stack_{};
};

}  // namespace lastbranch::replay
