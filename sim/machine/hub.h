#pragma once
// Who takes retired branches in a machine, and the core instantiated for it.
#include "models/cpu/core.h"
#include "models/lbr/lbr.h"
#include "sim/base/retire.h"

namespace lastbranch {

/// The fixed set of observers of retired branches, resolved at compile time.
struct Hub {
  lbr::Lbr lbr;

  explicit Hub(const LbrParams& params) : lbr(params) {}
  [[gnu::always_inline]] void branch(const RetiredBranch& b) { lbr.push(b); }
  // For the core, see exec/branch.h.
  [[gnu::always_inline]] bool branch_fast(const RetiredBranch& b) { return lbr.push_fast(b); }
  [[nodiscard, gnu::always_inline]] bool needs_slow(const RetiredBranch& b) const {
    return lbr.needs_slow(b);
  }
  void branch_slow(const RetiredBranch& b) { lbr.push_slow(b); }
};

/// Policies of the core that machines run.
struct FastPolicies {
  using Hub = lastbranch::Hub;
  using Timing = cpu::UnitTiming;
  using V = cpu::Fast;
};
/// The same, calling Cpu::observer after each instruction: for traces and tests.
struct ObservedPolicies {
  using Hub = lastbranch::Hub;
  using Timing = cpu::UnitTiming;
  using V = cpu::Observed;
};

using FastCore = cpu::Core<FastPolicies>;
using ObservedCore = cpu::Core<ObservedPolicies>;

}  // namespace lastbranch

// Compiled once each, in core_fast.cpp and core_observed.cpp.
extern template class lastbranch::cpu::Core<lastbranch::FastPolicies>;
extern template class lastbranch::cpu::Core<lastbranch::ObservedPolicies>;
