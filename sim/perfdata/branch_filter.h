#pragma once
// Branch filters as `perf record -j` spells them: what the hardware's filter register is set to, and what
// perf's software drops afterwards because the register cannot tell it apart.
//
// Source: perf-record(1), "--branch-filter"; Linux 6.1 arch/x86/events/intel/lbr.c, the *_lbr_sel_map tables
// and intel_pmu_lbr_filter().
#include <string>
#include <string_view>

#include "sim/base/lbr_params.h"
#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch {

struct BranchFilter {
  u64 sample_type = 0;  ///< perf_event_attr.branch_sample_type

  [[nodiscard]] bool user() const;
  [[nodiscard]] bool kernel() const;
  [[nodiscard]] bool call_stack() const;
  /// Whether records tell how often the events happened since the one before.
  [[nodiscard]] bool counters() const;
  /// Branches that perf keeps of what the hardware records: kind, and privilege of the source.
  [[nodiscard]] bool keeps(BranchKind kind, bool from_kernel) const;
};

/// Parses "any,u", "any_call,u", "stack,u"... Without a privilege: the user's (`user`) or the kernel's.
/// Throws Error, listing the names there are; also for call stacks and counters on parts without them.
[[nodiscard]] BranchFilter parse_branch_filter(std::string_view list, const LbrParams& part);

/// What `perf record --call-graph lbr` asks for: the user's call stack without flags and cycles. Throws Error
/// for parts without call-stack mode.
[[nodiscard]] BranchFilter lbr_call_graph(const LbrParams& part);

/// Every branch of user mode: `-b` for an event of user mode.
[[nodiscard]] BranchFilter any_user_branch();

/// The value of MSR_LBR_SELECT.
[[nodiscard]] u64 lbr_select(const BranchFilter& filter, const LbrParams& part);
/// The same as IA32_LBR_CTL has it, recording on.
[[nodiscard]] u64 lbr_ctl(const BranchFilter& filter);

}  // namespace lastbranch
