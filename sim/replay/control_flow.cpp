#include "sim/replay/control_flow.h"

#include <deque>
#include <utility>

#include <fmt/format.h>

#include "sim/replay/code_map.h"
#include "sim/replay/flow_judge.h"

namespace lastbranch::replay {
namespace {

constexpr u16 kMiscExactIp = 1u << 14;

}  // namespace

struct ControlFlow::State {
  State(const FlowOptions& options, Report& to)
      : report(to),
        codes(options.binaries, options.tables, options.object, options.features),
        judge(options, codes, to) {}

  /// A sample before whose maps another processor's buffer may have to be read.
  struct Waiting {
    perfdata::SampleRecord sample;
    u64 number = 0;
    bool duplicated_top = false;
    bool exact_ip = false;
    u64 round = 0;
  };
  static constexpr std::size_t kMostWaiting = 4096;

  void take(const perfdata::Record& record, const perfdata::SampleRecord& sample, u64 number,
            bool duplicated_top) {
    if (sample.branches.empty()) return;
    const bool exact = (record.header.misc & kMiscExactIp) != 0;
    if (sample.time == 0 || codes.maps().empty() || judge.mapped(sample)) {
      judge.sample(sample, number, duplicated_top, exact);
      return;
    }
    waiting.push_back({sample, number, duplicated_top, exact, round});
    if (waiting.size() > kMostWaiting) judge_oldest();
  }
  void judge_oldest() {
    const Waiting& w = waiting.front();
    judge.sample(w.sample, w.number, w.duplicated_top, w.exact_ip);
    waiting.pop_front();
  }
  /// All records of a round are older than those of the round after the next.
  void finish_round() {
    ++round;
    while (!waiting.empty() && waiting.front().round + 2 <= round) judge_oldest();
  }

  Report& report;
  CodeMap codes;
  FlowJudge judge;
  std::deque<Waiting> waiting;
  u64 round = 0;
};

ControlFlow::ControlFlow(const FlowOptions& options, Report& report)
    : state_(std::make_unique<State>(options, report)) {}
ControlFlow::~ControlFlow() = default;

void ControlFlow::record(const perfdata::Record& record, u64 sample_number, bool duplicated_top) {
  State& s = *state_;
  if (const auto* sample = std::get_if<perfdata::SampleRecord>(&record.body)) {
    s.take(record, *sample, sample_number, duplicated_top);
  } else if (const auto* edge = std::get_if<perfdata::EdgeRecord>(&record.body)) {
    s.judge.edge(*edge, sample_number);
  } else if (const auto* range = std::get_if<perfdata::RangeRecord>(&record.body)) {
    s.judge.range(*range, sample_number);
  } else if (record.header.type == static_cast<u32>(perfdata::RecordType::kFinishedRound)) {
    s.finish_round();
  } else {
    s.codes.record(record);
  }
}

void ControlFlow::finish() {
  State& s = *state_;
  while (!s.waiting.empty()) s.judge_oldest();
  s.judge.finish();
  s.codes.check();
  for (std::string& note : s.codes.notes()) s.report.notes.push_back(std::move(note));
  for (std::string& note : s.codes.maps().notes()) s.report.notes.push_back(std::move(note));
}

std::optional<bool> ControlFlow::duplicated(const perfdata::SampleRecord& sample) const {
  return state_->judge.duplicated(sample);
}

const std::unordered_map<Site, Outcomes, SiteHash>& ControlFlow::outcomes() const {
  return state_->judge.outcomes;
}

}  // namespace lastbranch::replay
