#pragma once
/// Writes captures in the forms that other tools take. docs/formats.md documents them.
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata {

enum class ExportFormat : u8 {
  kPerfScript,  ///< text as perf script prints it, with lines of mappings; llvm-profgen --perfscript reads it
  kJson,        ///< one document, one record on a line
  kCsv,         ///< one row for each entry of a branch stack
  kFolded,      ///< "main;f;g 42": call stacks, for flame graphs
  kFdata,       ///< BOLT's profile of one program
  kCount,
};

/// "perf-script", "json", ...; also what parse_export_format() takes.
[[nodiscard]] std::string_view name_of(ExportFormat format);
/// All names, separated by commas.
[[nodiscard]] std::string export_format_names();
/// Throws Error, which says the known names.
[[nodiscard]] ExportFormat parse_export_format(std::string_view name);

struct ExportOptions {
  /// kPerfScript: columns as of script_fields.h; empty: "ip,brstack", which other tools expect. Lines of
  /// COMM, FORK, EXIT and LOST records come with a choice that has comm, pid or tid.
  std::string fields = {};
  /// kFdata: the program whose profile is wanted; empty: the file that most branches lie in.
  std::string binary = {};
};

/// What an export wrote.
struct ExportSummary {
  u64 samples = 0;
  u64 branches = 0;
  u64 bytes = 0;
  std::vector<std::string> notes = {};  ///< what the export could not do
};

using ExportSink = std::function<void(std::string_view)>;

/// Writes all that `source` still has to `sink`, in pieces of about 64 KiB; only kFolded and kFdata keep what
/// they count in memory until the end. Throws Error, also what `sink` throws.
ExportSummary export_capture(RecordSource& source, ExportFormat format, const ExportOptions& options,
                             const ExportSink& sink);

}  // namespace lastbranch::perfdata
