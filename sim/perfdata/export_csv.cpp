// One row for each entry of a branch stack; of pre-aggregated captures one row for each line.
#include <iterator>

#include <fmt/format.h>

#include "sim/perfdata/export_sink.h"
#include "sim/perfdata/script.h"
#include "sim/perfdata/text_entry.h"

namespace lastbranch::perfdata {
namespace {

/// In quotes when it holds what separates fields.
std::string field(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + '"';
}

std::string prediction(const BranchEntry& entry) {
  const BranchFlags flags = BranchFlags::unpack(entry.flags);
  std::string text(1, flags.predicted ? 'P' : flags.mispredicted ? 'M' : '-');
  if ((entry.flags & kBranchNotTaken) != 0) text += 'N';
  return text;
}

class CsvExporter final : public Exporter {
 public:
  explicit CsvExporter(const RecordSource& source) : source_(source) {}

  void record(const Record& record, std::string& text) override {
    if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
      put_sample(*sample, text);
    } else if (const auto* edge = std::get_if<EdgeRecord>(&record.body)) {
      put_header(text);
      fmt::format_to(std::back_inserter(text), "branch,{:#x},{:#x},{},{}\n", edge->from, edge->to,
                     edge->count, edge->mispredicted);
    } else if (const auto* range = std::get_if<RangeRecord>(&record.body)) {
      put_header(text);
      fmt::format_to(std::back_inserter(text), "{},{:#x},{:#x},{},\n",
                     range->external ? "external range" : "range", range->start, range->end, range->count);
    }
  }

  void finish(std::string& text) override { put_header(text); }

 private:
  void put_header(std::string& text) {
    if (has_header_) return;
    has_header_ = true;
    text +=
        source_.kind() == SourceKind::kPreaggregated
            ? "kind,from,to,count,mispredicted\n"
            : "sample,event,count,pid,tid,cpu,time_ns,period,ip,index,from,to,prediction,in_tx,abort,cycles,"
              "type,spec,privilege\n";
  }

  void put_sample(const SampleRecord& sample, std::string& text) {
    put_header(text);
    const auto out = std::back_inserter(text);
    if (source_.kind() == SourceKind::kPreaggregated) {
      fmt::format_to(out, "sample,{:#x},,{},\n", sample.ip, sample.repeat);
      return;
    }
    // The same for all entries of the sample.
    prefix_.clear();
    fmt::format_to(std::back_inserter(prefix_), "{},{},{},{},{},{},{},{},{:#x},", samples_++,
                   field(source_.events()[sample.event].name), sample.repeat, static_cast<i32>(sample.pid),
                   static_cast<i32>(sample.tid), sample.cpu, sample.time, sample.period, sample.ip);
    for (std::size_t i = 0; i < sample.branches.size(); ++i) {
      const BranchEntry& entry = sample.branches[i];
      const BranchFlags flags = BranchFlags::unpack(entry.flags);
      text += prefix_;
      fmt::format_to(out, "{},{:#x},{:#x},{},{},{},{},{},{},{}\n", i, entry.from, entry.to, prediction(entry),
                     int{flags.in_tx}, int{flags.abort}, flags.cycles, branch_type_name(flags),
                     branch_spec_name(flags.spec), flags.priv);
    }
  }

  const RecordSource& source_;
  bool has_header_ = false;
  u64 samples_ = 0;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<Exporter> make_csv_exporter(const RecordSource& source) {
  return std::make_unique<CsvExporter>(source);
}

}  // namespace lastbranch::perfdata
