#pragma once
// Runs the same code from the same state on our core.
#include <limits>
#include <memory>
#include <vector>

#include "models/cpu/cpu.h"
#include "sim/base/ledger.h"
#include "sim/base/retire.h"
#include "tests/cpu/machine_state.h"

namespace lastbranch::host {

/// Takes branches as the LBR would.
struct BranchList {
  std::vector<RetiredBranch> branches;
  void branch(const RetiredBranch& b) { branches.push_back(b); }
};

class SimCpu {
 public:
  /// `observed`: the variant of the core that calls an observer after each instruction.
  explicit SimCpu(bool observed = false);
  ~SimCpu();
  SimCpu(const SimCpu&) = delete;
  SimCpu& operator=(const SimCpu&) = delete;

  /// Runs from `before` until an exception or `limit` instructions. When `piece` is not 0, in runs of `piece`
  /// instructions each, which must make no difference.
  void run(const Image& before, Outcome& out, u64 limit = std::numeric_limits<u32>::max(), u64 piece = 0);

  /// The processor as the last run left it.
  [[nodiscard]] cpu::Cpu& cpu();
  /// Totals over all runs.
  [[nodiscard]] const Ledger& ledger() const;
  /// Taken branches of the last run.
  [[nodiscard]] const std::vector<RetiredBranch>& branches() const;
  /// Addresses of the instructions that the observer saw in the last run (observed only).
  [[nodiscard]] const std::vector<u64>& observed() const;

  struct Machine;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace lastbranch::host
