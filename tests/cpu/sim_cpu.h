#pragma once
// Runs the same code from the same state on our core.
#include <limits>
#include <memory>

#include "tests/cpu/machine_state.h"

namespace lastbranch::host {

class SimCpu {
 public:
  SimCpu();
  ~SimCpu();
  SimCpu(const SimCpu&) = delete;
  SimCpu& operator=(const SimCpu&) = delete;

  /// Runs from `before` until an exception or `limit` instructions. When `piece` is not 0, in runs of `piece`
  /// instructions each, which must make no difference.
  void run(const Image& before, Outcome& out, u64 limit = std::numeric_limits<u32>::max(), u64 piece = 0);

  /// The base that the next runs use for FS (0 by default; native runs cannot have one).
  void set_fs_base(u64 base) { fs_base_ = base; }

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
  u64 fs_base_ = 0;
};

}  // namespace lastbranch::host
