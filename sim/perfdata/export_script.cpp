// Text as perf script prints it with --show-mmap-events --show-task-events, or BOLT's pre-aggregated lines
// for a capture that holds those.
#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>

#include "sim/perfdata/export_sink.h"
#include "sim/perfdata/script.h"
#include "sim/perfdata/text_features.h"

namespace lastbranch::perfdata {
namespace {

/// What other tools expect.
constexpr std::string_view kExportedScriptFields = "ip,brstack";

void append_mmap(const Record& record, const MmapRecord& map, std::string& text) {
  const auto out = std::back_inserter(text);
  const bool version_2 = record.header.type == static_cast<u32>(RecordType::kMmap2);
  // perf prints a zero without 0x.
  fmt::format_to(out, "PERF_RECORD_{} {}/{}: [{:#x}({:#x}) @ {}", version_2 ? "MMAP2" : "MMAP",
                 static_cast<i32>(map.pid), static_cast<i32>(map.tid), map.addr, map.len,
                 map.pgoff == 0 ? "0" : fmt::format("{:#x}", map.pgoff));
  if (!version_2) {
    fmt::format_to(out, "]: {} {}\n", (map.prot & PROT_EXEC) != 0 || map.prot == 0 ? 'x' : 'r', map.filename);
    return;
  }
  if (map.build_id) {
    fmt::format_to(out, " <{}>", map.build_id->hex());
  } else {
    fmt::format_to(out, " {:02x}:{:02x} {} {}", map.major, map.minor, map.inode, map.generation);
  }
  const auto letter = [&](u32 bit, char set) { return (map.prot & bit) != 0 ? set : '-'; };
  fmt::format_to(out, "]: {}{}{}{} {}\n", letter(PROT_READ, 'r'), letter(PROT_WRITE, 'w'),
                 letter(PROT_EXEC, 'x'), (map.flags & MAP_SHARED) != 0 ? 's' : 'p', map.filename);
}

/// Whether something of what ran is not in the stacks of the event's samples.
bool is_filtered(const EventInfo& event) {
  constexpr u64 kNoFilters = kBranchUser | kBranchKernel | kBranchHv | kBranchTypeSave | kBranchHwIndex |
                             kBranchPrivSave | kBranchCounters;
  const bool stacks = (event.attr.sample_type & kSampleBranchStack) != 0;
  return (stacks || event.attr.branch_sample_type != 0) &&
         (event.attr.branch_sample_type & ~kNoFilters) != kBranchAny;
}

/// Lines of the events when their branches are filtered, which the entries do not show. Tools that read text
/// warn of such lines, so that others have none. Empty, too, when it is not known which samples they are of.
std::string filter_lines(const std::vector<EventInfo>& events, ScriptFields fields) {
  if (std::ranges::none_of(events, is_filtered)) return {};
  const bool same = std::ranges::all_of(events, [&](const EventInfo& event) {
    return event.attr.branch_sample_type == events.front().attr.branch_sample_type;
  });
  if (!same && !fields.has(ScriptField::kEvent)) return {};
  std::string lines;
  for (const EventInfo& event : events) lines += event_line(event) + '\n';
  return lines;
}

class ScriptExporter final : public Exporter {
 public:
  ScriptExporter(const RecordSource& source, ScriptFields fields)
      : source_(source),
        fields_(fields),
        printer_(source, fields),
        tasks_(fields.has(ScriptField::kComm) || fields.has(ScriptField::kPid) ||
               fields.has(ScriptField::kTid)) {}

  void record(const Record& record, std::string& text) override {
    // Text names its events before the first record.
    if (!std::exchange(started_, true)) text += filter_lines(source_.events(), fields_);
    const auto out = std::back_inserter(text);
    if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
      // llvm-profgen's aggregated form; perf itself has no such thing.
      if (sample->repeat != 1) fmt::format_to(out, "{}\n", sample->repeat);
    } else if (const auto* map = std::get_if<MmapRecord>(&record.body)) {
      append_mmap(record, *map, text);
    } else if (const auto* comm = std::get_if<CommRecord>(&record.body); comm != nullptr && tasks_) {
      fmt::format_to(out, "PERF_RECORD_COMM{}: {}:{}/{}\n", comm->exec ? " exec" : "", comm->name,
                     static_cast<i32>(comm->pid), static_cast<i32>(comm->tid));
    } else if (const auto* task = std::get_if<TaskRecord>(&record.body); task != nullptr && tasks_) {
      fmt::format_to(out, "PERF_RECORD_{}({}:{}):({}:{})\n", task->exit ? "EXIT" : "FORK",
                     static_cast<i32>(task->pid), static_cast<i32>(task->tid),
                     static_cast<i32>(task->parent_pid), static_cast<i32>(task->parent_tid));
    } else if (const auto* lost = std::get_if<LostRecord>(&record.body); lost != nullptr && tasks_) {
      fmt::format_to(out, "PERF_RECORD_LOST lost {}\n", lost->lost);
    } else if (const auto* edge = std::get_if<EdgeRecord>(&record.body)) {
      fmt::format_to(out, "B {:x} {:x} {} {}\n", edge->from, edge->to, edge->count, edge->mispredicted);
    } else if (const auto* range = std::get_if<RangeRecord>(&record.body)) {
      fmt::format_to(out, "{} {:x} {:x} {}\n", range->external ? 'f' : 'F', range->start, range->end,
                     range->count);
    }
    printer_.print(record, text);
  }

  void finish(std::string& /*text*/) override {}

 private:
  const RecordSource& source_;
  ScriptFields fields_;
  ScriptPrinter printer_;
  bool started_ = false;
  bool tasks_;  // without columns of processes, llvm-profgen would take lines of tasks for bad samples
};

}  // namespace

std::unique_ptr<Exporter> make_script_exporter(const RecordSource& source, const ExportOptions& options) {
  const ScriptFields fields(options.fields.empty() ? kExportedScriptFields
                                                   : std::string_view(options.fields));
  return std::make_unique<ScriptExporter>(source, fields);
}

}  // namespace lastbranch::perfdata
