#pragma once
// Privilege transitions that a board performs in the processor's name: a user-mode board emulates the kernel,
// yet the kernel's entry and exit branches are facts that last-branch records show.
// The other direction is here too: what an exception of the processor tells the models.
#include "sim/base/retire.h"

namespace lastbranch {

/// Receives far branches outside the interpreter; rare, so virtual.
class FarBranches {
 public:
  virtual ~FarBranches() = default;
  /// One far transfer from `from` (privilege `cpl_from`) to `to` (privilege `cpl_to`), at the current time.
  virtual void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) = 0;
};

/// Told of debug exceptions. Source: SDM vol. 3B, "Single-Stepping on Branches": the processor clears
/// IA32_DEBUGCTL.LBR and BTF.
class DebugEvents {
 public:
  virtual ~DebugEvents() = default;
  /// A #DB is about to be delivered; its delivery is no record.
  virtual void debug_exception() = 0;
};

}  // namespace lastbranch
