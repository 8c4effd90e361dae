#include "sim/replay/replay.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/branch_filter.h"
#include "sim/perfdata/time_order.h"
#include "sim/replay/control_flow.h"
#include "sim/replay/processor.h"
#include "sim/replay/ring.h"

namespace lastbranch::replay {
namespace {

using perfdata::Record;
using perfdata::RecordSource;
using perfdata::SampleRecord;

/// What is known before the pass.
struct LookAhead {
  RecordShape shape;
  perfdata::Features features;  ///< of a pipe: those before the first sample
  /// Of what can be read once only: the source, and its records so far.
  std::unique_ptr<RecordSource> source = {};
  std::vector<Record> records = {};
};

/// Reads up to the first sample if the features say what the processor is, else all of the capture.
LookAhead look_ahead(const std::string& capture, const ReplayOptions& options) {
  LookAhead seen;
  const bool once = readable_once(capture);
  auto source = perfdata::open_capture(capture, {.keep_going = !once || options.keep_going});
  while (const Record* record = source->next()) {
    if (once) seen.records.push_back(*record);
    const auto* sample = std::get_if<SampleRecord>(&record->body);
    if (sample == nullptr) continue;
    seen.shape.add(*sample, source->events().at(sample->event).attr);
    if (!options.uarch.empty() || known_by_features(source->features())) break;
    if (once) {
      throw Error(
          "{}: expected a capture that names its processor, or --uarch, as a pipe can be read only once; "
          "found neither",
          capture);
    }
  }
  seen.features = source->features();
  if (once) seen.source = std::move(source);
  return seen;
}

/// The depth that the capture says its records had; 0: it does not say.
unsigned depth_of(const perfdata::Features& features) {
  for (const auto& [name, value] : features.pmu_caps) {
    unsigned depth = 0;
    if (name != "branches") continue;
    if (std::from_chars(value.data(), value.data() + value.size(), depth).ec == std::errc{}) return depth;
  }
  return 0;
}

class Pass {
 public:
  Pass(RecordSource& source, const LookAhead& seen, const ReplayOptions& options, const cpu::Uarch& part,
       Report& report)
      : source_(source), report_(report) {
    if (!options.binaries.empty() || !options.tables.empty()) {
      flow_ = std::make_unique<ControlFlow>(FlowOptions{.binaries = options.binaries,
                                                        .tables = options.tables,
                                                        .object = options.object,
                                                        .events = &source.events(),
                                                        .features = &source.features(),
                                                        .kind = source.kind(),
                                                        .lbr = part.lbr},
                                            report);
    }
    ring_ = std::make_unique<RingReplay>(ring_options(seen, options, part), source.events(), report);
  }

  /// `before`: records that were taken from the source already.
  void run(const std::vector<Record>& before) {
    for (const Record& record : before) take(record);
    while (const Record* record = source_.next()) take(*record);
    ring_->finish();
    if (flow_) flow_->finish();
    report_.recorded = ring_->recorded();
  }
  [[nodiscard]] unsigned depth() const { return ring_->depth(); }

 private:
  RingOptions ring_options(const LookAhead& seen, const ReplayOptions& options, const cpu::Uarch& part) {
    RingOptions ring{.part = &part, .recorded_depth = depth_of(seen.features), .depth = options.depth};
    if (!options.filter.empty()) ring.filter = parse_branch_filter(options.filter, part.lbr);
    ring.text = source_.kind() != perfdata::SourceKind::kPerfData &&
                source_.kind() != perfdata::SourceKind::kPerfDataPipe;
    ring.check_lines = flow_ == nullptr;
    if (flow_) ring.duplicated = [this](const SampleRecord& sample) { return flow_->duplicated(sample); };
    return ring;
  }

  void take(const Record& record) {
    bool duplicated_top = false;
    const u64 number = samples_;
    if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
      duplicated_top = ring_->sample(*sample, samples_++);
    } else if (const auto* task = std::get_if<perfdata::TaskRecord>(&record.body)) {
      if (task->exit) ring_->exit(task->tid);
    } else if (lost(record)) {
      ring_->gap();
    }
    if (flow_) flow_->record(record, number, duplicated_top);
  }

  static bool lost(const Record& record) {
    using perfdata::RecordType;
    const auto type = static_cast<RecordType>(record.header.type);
    return type == RecordType::kLost || type == RecordType::kLostSamples || type == RecordType::kThrottle ||
           type == RecordType::kUnthrottle;
  }

  RecordSource& source_;
  Report& report_;
  std::unique_ptr<ControlFlow> flow_;
  std::unique_ptr<RingReplay> ring_;
  u64 samples_ = 0;
};

/// What speaks for a hand's work, gathered from all levels.
void judge_origin(const RecordSource& source, unsigned depth, Report& report) {
  u64 impossible = 0;
  for (const Tally& tally : report.checks) impossible += tally.of(Cause::kEdited);
  if (impossible != 0) {
    report.edited.push_back(fmt::format("{} places hold what no processor writes", impossible));
  }
  const bool text = source.kind() == perfdata::SourceKind::kScriptText ||
                    source.kind() == perfdata::SourceKind::kAggregatedText;
  if (!text) return;
  for (std::string& reason : source.edited()) report.edited.push_back(std::move(reason));
  // Kernels drop the entries that their filters do not want, so that real stacks may lack some; not most.
  if (report.shortened * 2 > report.samples && report.entries * 2 < report.samples * depth) {
    report.edited.push_back(
        fmt::format("{} of {} stacks are shorter than the records are deep, without empty entries",
                    report.shortened, report.samples));
  }
}

}  // namespace

bool readable_once(const std::string& capture) {
  std::error_code ignored;
  const auto status = std::filesystem::status(capture, ignored);
  return capture == "-" || (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
                            !std::filesystem::is_directory(status));
}

Report replay(const std::string& capture, const ReplayOptions& options) {
  Report report;
  report.capture = capture;
  LookAhead seen = look_ahead(capture, options);
  const std::unique_ptr<RecordSource> source =
      seen.source ? std::move(seen.source)
                  : perfdata::open_capture(capture, {.keep_going = options.keep_going});
  const ProcessorChoice choice = choose_processor(options.uarch, seen.features, seen.shape);
  report.chosen_by = choice.chosen_by;
  if (choice.part == nullptr) {
    report.foreign = true;
    report.processor = "not Intel's";
    report.notes.push_back("the records of other makers' processors are not modelled: nothing was replayed");
    return report;
  }
  report.processor = choice.part->name;
  Pass pass(*source, seen, options, *choice.part, report);
  pass.run(seen.records);
  if (source->kind() == perfdata::SourceKind::kPreaggregated) {
    report.notes.push_back("sums of branches, no stacks: there is no ring to replay");
  }
  for (std::string& note : source->notes()) report.notes.push_back(std::move(note));
  if (!source->damage().empty()) report.notes.push_back(source->damage());
  judge_origin(*source, pass.depth(), report);
  return report;
}

}  // namespace lastbranch::replay
