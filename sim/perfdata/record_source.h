#pragma once
/// What captures are read from, whatever their form: perf.data in file or pipe mode, text of perf script,
/// aggregated text. Who checks or converts a capture takes a RecordSource and cannot tell the forms apart but
/// by kind().
#include <memory>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/record_reader.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

enum class SourceKind : u8 {
  kPerfData,        ///< file mode
  kPerfDataPipe,    ///< pipe mode
  kScriptText,      ///< perf script, one sample after the other
  kAggregatedText,  ///< llvm-profgen's: a count, then the sample
  kPreaggregated,   ///< BOLT's: edges and ranges with counts
};

struct OpenOptions {
  bool keep_going = false;  ///< damage ends the records (see damage()) and is no exception
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;

  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual SourceKind kind() const = 0;
  /// At least one once next() has returned a sample; text has one for all its samples, made of what its
  /// lines show. In pipe mode events and features may grow with next().
  [[nodiscard]] virtual const std::vector<EventInfo>& events() const = 0;
  [[nodiscard]] virtual const Features& features() const = 0;

  /// The next record in the order of the file, or null after the last; valid until the next call. Throws
  /// Error, which names the file, offset or line, field, what was expected and what was found; not for damage
  /// under OpenOptions::keep_going.
  [[nodiscard]] virtual const Record* next() = 0;

  /// What was passed over so far, counted, a line each, with a hint where there is one.
  [[nodiscard]] virtual std::vector<std::string> notes() const = 0;
  /// Why the source is taken for edited by hand so far, a line each: what no tool writes.
  [[nodiscard]] virtual std::vector<std::string> edited() const { return {}; }
  /// The message of the damage that ended the records; empty: none.
  [[nodiscard]] virtual const std::string& damage() const = 0;

 protected:
  RecordSource() = default;
};

/// Opens `path` as what its first bytes say. Throws Error.
[[nodiscard]] std::unique_ptr<RecordSource> open_source(const std::string& path,
                                                        const OpenOptions& options = {});

}  // namespace lastbranch::perfdata
