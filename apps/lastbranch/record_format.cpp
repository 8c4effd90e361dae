#include "apps/lastbranch/record_format.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/perfdata/output_stream.h"
#include "sim/perfdata/time_order.h"

namespace lastbranch::cli {
namespace {

/// Null: a file of its own, which has to wait until it is whole.
std::unique_ptr<Output> open_stream(const std::string& path, int descriptor) {
  if (descriptor < 0) {
    return perfdata::OutputStream::is_stream(path) ? std::make_unique<Output>(path) : nullptr;
  }
  // Never closed: it lives as long as the command.
  std::FILE* const stream = fdopen(dup(descriptor), "w");
  if (stream == nullptr) throw Error("{}: cannot be opened for writing: {}", path, std::strerror(errno));
  return std::make_unique<Output>(stream, path);
}

/// A capture under another name: where the recording lies in between changes with every run, and what it
/// holds does not depend on the name of the output.
class Renamed final : public perfdata::RecordSource {
 public:
  Renamed(perfdata::RecordSource& source, std::string name) : source_(source), name_(std::move(name)) {}

  [[nodiscard]] const std::string& path() const override { return name_; }
  [[nodiscard]] perfdata::SourceKind kind() const override { return source_.kind(); }
  [[nodiscard]] const std::vector<perfdata::EventInfo>& events() const override { return source_.events(); }
  [[nodiscard]] const perfdata::Features& features() const override { return source_.features(); }
  [[nodiscard]] const perfdata::Record* next() override { return source_.next(); }
  [[nodiscard]] std::vector<std::string> notes() const override { return source_.notes(); }
  [[nodiscard]] const std::string& damage() const override { return source_.damage(); }

 private:
  perfdata::RecordSource& source_;
  std::string name_;
};

}  // namespace

std::string RecordFormat::default_file(perfdata::ExportFormat format) {
  constexpr std::array kEndings = {"script", "json", "csv", "folded", "fdata"};
  static_assert(kEndings.size() == static_cast<std::size_t>(perfdata::ExportFormat::kCount));
  return std::string("perf.") + kEndings[static_cast<std::size_t>(format)];
}

RecordFormat::RecordFormat(perfdata::ExportFormat format, const std::string& path, int descriptor)
    : format_(format), path_(path), stream_(open_stream(path, descriptor)) {
  if (!stream_) file_.emplace(path);
  std::string folder = (std::filesystem::temp_directory_path() / "lastbranch-record-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr)
    throw Error("{}: cannot be created: {}", folder, std::strerror(errno));
  folder_ = folder;
}

RecordFormat::~RecordFormat() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void RecordFormat::put(std::string_view text) {
  if (stream_) return stream_->write(text);
  const int error = file_->append(std::as_bytes(std::span(text)));
  if (error != 0) throw OutputError(fmt::format("{}: cannot be written: {}", path_, std::strerror(error)));
}

void RecordFormat::finish() {
  if (stream_) return stream_->finish();
  try {
    file_->commit();
  } catch (const Error& error) {
    throw OutputError(error.what());
  }
}

perfdata::ExportSummary RecordFormat::write() {
  const auto source = perfdata::open_capture(data_path());
  Renamed renamed(*source, "record");
  auto summary = perfdata::export_capture(renamed, format_, {}, [this](std::string_view text) { put(text); });
  finish();
  return summary;
}

}  // namespace lastbranch::cli
