#pragma once
/// What the formats of export.h have in common: records go in, text comes out in pieces.
#include <memory>
#include <string>
#include <string_view>

#include "sim/perfdata/export.h"
#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata {

/// Collects text and gives it on in pieces.
class ExportText {
 public:
  explicit ExportText(const ExportSink& sink) : sink_(sink) {}

  [[nodiscard]] std::string& text() { return text_; }
  /// Gives the text on when there is enough of it, or `all` of it. Throws what the sink throws.
  void flush(bool all);
  [[nodiscard]] u64 bytes() const { return bytes_; }

 private:
  const ExportSink& sink_;
  std::string text_;
  u64 bytes_ = 0;
};

/// One format.
class Exporter {
 public:
  virtual ~Exporter() = default;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  /// Appends what the record makes.
  virtual void record(const Record& record, std::string& text) = 0;
  /// Appends what follows the last record. Throws Error when the capture had nothing that the format holds.
  virtual void finish(std::string& text) = 0;
  /// What it could not do, for the user.
  [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }

 protected:
  Exporter() = default;
};

/// `source` must outlive the exporter. Throws Error for options that are bad.
[[nodiscard]] std::unique_ptr<Exporter> make_script_exporter(const RecordSource& source,
                                                             const ExportOptions& options);
[[nodiscard]] std::unique_ptr<Exporter> make_json_exporter(const RecordSource& source);
[[nodiscard]] std::unique_ptr<Exporter> make_csv_exporter(const RecordSource& source);
[[nodiscard]] std::unique_ptr<Exporter> make_folded_exporter(const RecordSource& source);
[[nodiscard]] std::unique_ptr<Exporter> make_fdata_exporter(const RecordSource& source,
                                                            const ExportOptions& options);

}  // namespace lastbranch::perfdata
