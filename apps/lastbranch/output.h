#pragma once
/// Where a command's own words go: a file, standard output or standard error. Nothing that fails to be
/// written is lost in silence.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lastbranch::cli {

/// What was to be written could not be.
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Output {
 public:
  /// One of the standard streams, called `name` in messages.
  Output(std::FILE* stream, std::string name) : stream_(stream), name_(std::move(name)) {}
  /// Creates or empties the file now, so that a bad name is an Error before anything has been simulated.
  explicit Output(const std::string& path);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Throws OutputError.
  void write(std::string_view text);
  /// All has reached the file. Throws OutputError.
  void finish();

 private:
  [[noreturn]] void fail(int error) const;

  std::FILE* stream_;
  std::string name_;
  bool owned_ = false;
};

/// "lastbranch: MESSAGE" on standard error.
void complain(std::string_view message);

}  // namespace lastbranch::cli
