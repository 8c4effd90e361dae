#pragma once
// What the perf.data tests share: a scratch folder, random recordings, files built field by field, other
// programs.
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "sim/perfdata/reader.h"
#include "sim/perfdata/writer.h"

namespace lastbranch::perfdata::test {

/// A folder that goes away with the object.
class ScratchDir {
 public:
  ScratchDir();
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Names of what is in it.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::vector<std::byte> read_file(const std::string& path);
void write_file(const std::string& path, std::span<const std::byte> bytes);

/// One event with branch stacks, and every feature section filled.
[[nodiscard]] WriterConfig example_config(const std::string& path, std::size_t events = 1);

/// Branches anywhere, with every flag and type that perf 6.1 can print without crashing.
[[nodiscard]] std::vector<BranchEntry> random_branches(std::mt19937_64& random, std::size_t at_most);

/// Samples of several threads, with COMM and FORK records between them.
struct RandomRecording {
  std::size_t events = 1;  ///< of example_config()
  std::size_t samples = 100;
  std::size_t branches = 32;
  u64 seed = 1;
};
void write_random(const std::string& path, const RandomRecording& what);
/// The same, written as `config` says, with its events.
WriteSummary write_random(WriterConfig config, const RandomRecording& what);

/// Reads to the end; returns the number of samples. Throws Error.
[[nodiscard]] u64 count_samples(const std::string& path);

/// All that print_script() prints.
[[nodiscard]] std::string script_text(const std::string& path, std::string_view fields);

/// Makes files end at `size` bytes: writes beyond fail with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(u64 size) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{.rlim_cur = size, .rlim_max = old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

/// What a shell command prints to its standard output, and its exit status.
struct CommandResult {
  int status = 0;
  std::string output;
};
[[nodiscard]] CommandResult run_command(const std::string& command);
[[nodiscard]] bool has_program(const std::string& name);

/// The message of the Error that `action` throws; empty when it throws none.
template <typename Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace lastbranch::perfdata::test
