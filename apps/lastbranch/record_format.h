#pragma once
/// record --format: what was recorded, in a form that other tools read, instead of perf.data.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/lastbranch/output.h"
#include "sim/perfdata/export.h"
#include "sim/perfdata/output_file.h"

namespace lastbranch::cli {

class RecordFormat {
 public:
  /// The file that a recording of that format gets without -o: "perf.json".
  [[nodiscard]] static std::string default_file(perfdata::ExportFormat format);

  /// Opens what is written now: `path`, or the descriptor when it is >= 0. A file gets its name when it is
  /// whole. Throws Error.
  RecordFormat(perfdata::ExportFormat format, const std::string& path, int descriptor);
  ~RecordFormat();
  RecordFormat(const RecordFormat&) = delete;
  RecordFormat& operator=(const RecordFormat&) = delete;

  /// Where the perf.data has to be that write() converts; it goes away with this object.
  [[nodiscard]] std::string data_path() const { return folder_ + "/perf.data"; }
  /// Throws OutputError, and Error when the recording has nothing that the format holds.
  perfdata::ExportSummary write();

 private:
  void put(std::string_view text);
  void finish();

  perfdata::ExportFormat format_;
  std::string path_;
  std::unique_ptr<Output> stream_;
  std::optional<perfdata::OutputFile> file_;  // without stream_
  std::string folder_;
};

}  // namespace lastbranch::cli
