#include "bindings/python/src/session.h"

#include <algorithm>
#include <chrono>

#include <pybind11/pybind11.h>

#include "bindings/python/src/interrupts.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

// Python's signal handlers wait for the end of a slice: long enough not to cost, too short to be noticed.
constexpr std::chrono::milliseconds kSliceTime{50};
constexpr u64 kFirstSlice = 1'000'000;
constexpr u64 kShortestSlice = 10'000;

/// Marks the machine as running for the current scope.
class Running {
 public:
  explicit Running(std::atomic<bool>& flag) : flag_(flag) {
    if (flag.exchange(true)) throw Error("machine: running in another thread");
  }
  ~Running() { flag_.store(false); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::atomic<bool>& flag_;
};

}  // namespace

Session::Session(MachineConfig config, const StreamFds& streams) {
  // With the interpreter's lock: no Python thread prints while the streams are exchanged.
  const StandardStreams exchanged(streams);
  machine_.emplace(std::move(config));
}

Session::~Session() {
  recorder_.reset();
  sampler_.reset();
  // Another thread's machine may be running, and SystemC has one lock.
  const py::gil_scoped_release unlocked;
  machine_.reset();
}

RunOutcome Session::run(u64 max_instructions) {
  const Running running(running_);
  u64 left = max_instructions, slice = kFirstSlice;
  for (;;) {
    const u64 before = machine_->instructions();
    const auto start = std::chrono::steady_clock::now();
    bool interrupted = false;
    {
      const StopOnInterrupt stop(*machine_);
      const py::gil_scoped_release unlocked;
      outcome_ = machine_->run(std::min(left, slice));
      interrupted = stop.happened();
    }
    const auto took = std::chrono::steady_clock::now() - start;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (outcome_.ended()) return outcome_;
    // A handler of the caller's own may think nothing of Ctrl-C.
    if (outcome_.how == RunOutcome::How::kStopped && !interrupted) return outcome_;
    if (left != Machine::kNoLimit) left -= std::min(left, machine_->instructions() - before);
    if (left == 0) return outcome_;
    if (took < kSliceTime / 2) slice *= 2;
    if (took > kSliceTime * 2) slice = std::max(slice / 2, kShortestSlice);
  }
}

Machine& Session::machine() {
  if (running_.load()) throw Error("machine: running in another thread");
  return *machine_;
}

std::vector<SampledEvent> Session::parse(const std::string& events, u64 period) {
  const cpu::Uarch& part = machine().uarch();
  std::vector<SampledEvent> parsed;
  for (pmu::EventSpec& spec : pmu::parse_events(part.pmu.events, part.name, events)) {
    parsed.push_back(
        {std::move(spec), period != 0 ? period : std::max<u64>(1, part.frequency_hz / kDefaultFrequency)});
  }
  return parsed;
}

void Session::collect(const std::vector<SampledEvent>& events, const BranchFilter& filter, bool raw_lbr) {
  if (sampler_) throw Error("machine: samples are collected already");
  sampler_ = std::make_unique<Sampler>(machine(), events, filter, raw_lbr);
}

Samples Session::take_samples() {
  static_cast<void>(machine());
  return sampler_ ? sampler_->take() : Samples{};
}

void Session::record(RecordConfig config) {
  if (recorder_) throw Error("{}: the machine is being recorded already", config.path);
  recorder_ = std::make_unique<Recorder>(machine(), std::move(config));
}

perfdata::WriteSummary Session::finish_recording() {
  static_cast<void>(machine());
  if (!recorder_) throw Error("machine: nothing is being recorded");
  return recorder_->finish(outcome_);
}

}  // namespace lastbranch::python
