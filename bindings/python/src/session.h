#pragma once
// A machine as Python holds it: runs that Ctrl-C ends, without the interpreter's lock; and what is attached
// to it.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/src/sampler.h"
#include "bindings/python/src/standard_streams.h"
#include "sim/machine/machine.h"
#include "sim/machine/recorder.h"

namespace lastbranch::python {

class Session {
 public:
  /// Loads the program, which takes `streams` over. Throws Error.
  Session(MachineConfig config, const StreamFds& streams);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// As Machine::run, in slices between which Python's signal handlers run; what they raise ends the run, and
  /// another one continues it. The interpreter's lock is held on call and return, not meanwhile.
  RunOutcome run(u64 max_instructions);

  /// Ends run() within a quantum; from any thread.
  void request_stop() noexcept { machine_->request_stop(); }

  /// The machine at rest. Throws Error while another thread runs it.
  [[nodiscard]] Machine& machine();

  /// Events of the machine's part, by perf's names, separated by commas; a `period` of 0 becomes the default.
  [[nodiscard]] std::vector<SampledEvent> parse(const std::string& events, u64 period);
  /// Collects samples. Throws Error when it does already.
  void collect(const std::vector<SampledEvent>& events, const BranchFilter& filter, bool raw_lbr);
  [[nodiscard]] Samples take_samples();
  /// Writes perf.data. Throws Error when it does already.
  void record(RecordConfig config);
  /// Completes the file. Throws Error.
  perfdata::WriteSummary finish_recording();

 private:
  std::optional<Machine> machine_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Recorder> recorder_;
  std::atomic<bool> running_{false};
  RunOutcome outcome_{RunOutcome::How::kStopped, 0};
};

}  // namespace lastbranch::python
