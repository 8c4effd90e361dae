#pragma once
// Samples of a machine, kept in memory.
#include <array>
#include <vector>

#include "bindings/python/src/rows.h"
#include "sim/machine/machine.h"
#include "sim/machine/recorder.h"
#include "sim/perfdata/branch_filter.h"

namespace lastbranch::python {

struct Samples {
  std::vector<SampleRow> samples;
  std::vector<BranchRow> branches;
};

class Sampler {
 public:
  /// Samples `events` of `machine` from now on, with stacks of the branches that `filter` wants. What the
  /// part records beyond that is left out as perf does, unless `raw_lbr`. Must outlive the machine's runs.
  /// Throws Error.
  Sampler(Machine& machine, const std::vector<SampledEvent>& events, const BranchFilter& filter,
          bool raw_lbr);
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  /// What has been sampled since the last call.
  [[nodiscard]] Samples take();

 private:
  void sample(u32 event, u64 period, u64 ip);

  Machine& machine_;
  BranchFilter filter_;
  bool raw_lbr_;
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> ring_{};
  Samples samples_;
};

}  // namespace lastbranch::python
