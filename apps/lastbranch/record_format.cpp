#include "apps/lastbranch/record_format.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <unistd.h>

#include "sim/base/error.h"
#include "sim/perfdata/time_order.h"

namespace lastbranch::cli {
namespace {

std::unique_ptr<Output> open_output(const std::string& path, int descriptor) {
  if (descriptor < 0) return std::make_unique<Output>(path);
  // Never closed: it lives as long as the command.
  std::FILE* const stream = fdopen(dup(descriptor), "w");
  if (stream == nullptr) throw Error("{}: cannot be opened for writing: {}", path, std::strerror(errno));
  return std::make_unique<Output>(stream, path);
}

}  // namespace

std::string RecordFormat::default_file(perfdata::ExportFormat format) {
  constexpr std::array kEndings = {"script", "json", "csv", "folded", "fdata"};
  static_assert(kEndings.size() == static_cast<std::size_t>(perfdata::ExportFormat::kCount));
  return std::string("perf.") + kEndings[static_cast<std::size_t>(format)];
}

RecordFormat::RecordFormat(perfdata::ExportFormat format, const std::string& path, int descriptor)
    : format_(format), output_(open_output(path, descriptor)) {
  std::string folder = (std::filesystem::temp_directory_path() / "lastbranch-record-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr)
    throw Error("{}: cannot be created: {}", folder, std::strerror(errno));
  folder_ = folder;
}

RecordFormat::~RecordFormat() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

perfdata::ExportSummary RecordFormat::write() {
  const auto source = perfdata::open_capture(data_path());
  const auto summary =
      perfdata::export_capture(*source, format_, {}, [&](std::string_view text) { output_->write(text); });
  output_->finish();
  return summary;
}

}  // namespace lastbranch::cli
