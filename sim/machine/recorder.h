#pragma once
// From a running machine to perf.data: what `perf record` does around the kernel's perf events.
//
// Modelled: one event group sampled by period, branch stacks newest first, the user's callchain by frame
// pointers, MMAP2 for every executable mapping with its build-id, COMM, EXIT. Entries whose FROM is in the
// kernel are dropped as perf's software filter does since 2026. Not: registers, several processes.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/machine/machine.h"
#include "sim/perfdata/branch_filter.h"
#include "sim/perfdata/writer.h"

namespace lastbranch {

/// What recordings call the perf that made them.
inline constexpr std::string_view kRecorderVersion = "lastbranch";

struct SampledEvent {
  pmu::EventSpec spec;
  u64 period = 0;  ///< events between samples; 0: as many as make 4,000 samples per second of simulated time
                   ///< if it happened every cycle
};

struct RecordConfig {
  std::string path = "perf.data";
  std::vector<SampledEvent> events;            ///< at least one
  std::optional<BranchFilter> branches;        ///< -b, -j
  bool pebs = false;                           ///< --pebs
  bool raw_lbr = false;                        ///< keep entries with a kernel FROM
  bool callchain = false;                      ///< --call-graph: a callchain with each sample
  int compress = 0;                            ///< -z: level of zstd; 0: not compressed
  u32 attr_size = perfdata::kAttrSizeWritten;  ///< bytes of an attribute in the file
  int stream_fd = -1;                          ///< written in pipe mode in place of `path`
  std::vector<std::string> cmdline;            ///< for the header
};

/// Samples per second of simulated time when no period is given.
inline constexpr u64 kDefaultFrequency = 4000;

class Recorder {
 public:
  /// Attaches to `machine`, which has not run yet. Throws Error.
  Recorder(Machine& machine, RecordConfig config);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Completes the file, whether the program ended or was stopped. Throws Error (disk full: see
  /// perfdata::Writer).
  perfdata::WriteSummary finish(const RunOutcome& outcome);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lastbranch
