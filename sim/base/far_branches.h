#pragma once
// Privilege transitions that a board performs in the processor's name: a user-mode board emulates the kernel,
// yet the kernel's entry and exit branches are facts that last-branch records show.
#include "sim/base/retire.h"

namespace lastbranch {

/// Receives far branches outside the interpreter; rare, so virtual.
class FarBranches {
 public:
  virtual ~FarBranches() = default;
  /// One far transfer from `from` (privilege `cpl_from`) to `to` (privilege `cpl_to`), at the current time.
  virtual void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) = 0;
};

}  // namespace lastbranch
