#include "sim/perfdata/export.h"

#include <algorithm>

#include "sim/base/error.h"
#include "sim/perfdata/export_sink.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(ExportFormat::kCount)> kNames = {
    "perf-script", "json", "csv", "folded", "fdata"};

std::unique_ptr<Exporter> make_exporter(const RecordSource& source, ExportFormat format,
                                        const ExportOptions& options) {
  switch (format) {
    case ExportFormat::kPerfScript:
      return make_script_exporter(source, options);
    case ExportFormat::kJson:
      return make_json_exporter(source);
    case ExportFormat::kCsv:
      return make_csv_exporter(source);
    case ExportFormat::kFolded:
      return make_folded_exporter(source);
    case ExportFormat::kFdata:
      return make_fdata_exporter(source, options);
    case ExportFormat::kCount:
      break;
  }
  throw Error("export: expected a format among {}, found number {}", export_format_names(),
              static_cast<unsigned>(format));
}

}  // namespace

std::string_view name_of(ExportFormat format) {
  return kNames.at(static_cast<std::size_t>(format));
}

std::string export_format_names() {
  std::string names;
  for (const std::string_view name : kNames) {
    if (!names.empty()) names += ',';
    names += name;
  }
  return names;
}

ExportFormat parse_export_format(std::string_view name) {
  const auto* row = std::ranges::find(kNames, name);
  if (row == kNames.end()) {
    throw Error("format '{}': expected one of {}", name, export_format_names());
  }
  return static_cast<ExportFormat>(row - kNames.begin());
}

void ExportText::flush(bool all) {
  constexpr std::size_t kPiece = 64 * 1024;
  if (text_.empty() || (!all && text_.size() < kPiece)) return;
  sink_(text_);
  bytes_ += text_.size();
  text_.clear();
}

ExportSummary export_capture(RecordSource& source, ExportFormat format, const ExportOptions& options,
                             const ExportSink& sink) {
  ExportSummary summary;
  ExportText out(sink);
  const auto exporter = make_exporter(source, format, options);
  while (const Record* record = source.next()) {
    if (const auto* sample = std::get_if<SampleRecord>(&record->body)) {
      ++summary.samples;
      summary.branches += sample->branches.size();
    }
    exporter->record(*record, out.text());
    out.flush(false);
  }
  exporter->finish(out.text());
  out.flush(true);
  summary.bytes = out.bytes();
  summary.notes = exporter->notes();
  return summary;
}

}  // namespace lastbranch::perfdata
