#pragma once
/// record --format: what was recorded, in a form that other tools read, instead of perf.data.
#include <memory>
#include <string>

#include "apps/lastbranch/output.h"
#include "sim/perfdata/export.h"

namespace lastbranch::cli {

class RecordFormat {
 public:
  /// The file that a recording of that format gets without -o: "perf.json".
  [[nodiscard]] static std::string default_file(perfdata::ExportFormat format);

  /// Opens what is written now: `path`, or the descriptor when it is >= 0. Throws Error.
  RecordFormat(perfdata::ExportFormat format, const std::string& path, int descriptor);
  ~RecordFormat();
  RecordFormat(const RecordFormat&) = delete;
  RecordFormat& operator=(const RecordFormat&) = delete;

  /// Where the perf.data has to be that write() converts; it goes away with this object.
  [[nodiscard]] std::string data_path() const { return folder_ + "/perf.data"; }
  /// Throws OutputError.
  perfdata::ExportSummary write();

 private:
  perfdata::ExportFormat format_;
  std::unique_ptr<Output> output_;
  std::string folder_;
};

}  // namespace lastbranch::cli
