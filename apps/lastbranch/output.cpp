#include "apps/lastbranch/output.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "sim/base/error.h"

namespace lastbranch::cli {

Output::Output(const std::string& path) : stream_(std::fopen(path.c_str(), "we")), name_(path), owned_(true) {
  if (stream_ == nullptr) throw Error("{}: cannot be opened for writing: {}", path, std::strerror(errno));
}

Output::~Output() {
  if (owned_ && stream_ != nullptr) std::fclose(stream_);
}

void Output::write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stream_) != text.size()) fail(errno);
}

void Output::finish() {
  if (std::fflush(stream_) != 0) fail(errno);
  // Some file systems report a full disk only at the close.
  if (owned_ && std::fclose(std::exchange(stream_, nullptr)) != 0) fail(errno);
}

void Output::fail(int error) const {
  throw OutputError(fmt::format("{}: cannot be written: {}", name_, std::strerror(error)));
}

void complain(std::string_view message) {
  const std::string line = fmt::format("lastbranch: {}\n", message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace lastbranch::cli
