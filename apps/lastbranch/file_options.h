#pragma once
/// What the commands that read a capture have in common.
#include <memory>
#include <string>
#include <vector>

#include "apps/lastbranch/arguments.h"
#include "apps/lastbranch/output.h"
#include "sim/perfdata/record_source.h"

namespace lastbranch::cli {

/// What is read and written without -i and -o.
inline constexpr std::string_view kDefaultDataFile = "perf.data";

/// --input, --output, --keep-going, --help.
void add_file_options(boost::program_options::options_description& options);
/// --help alone.
void add_help_option(boost::program_options::options_description& options);

/// Prints the help when it is asked for; true if so.
[[nodiscard]] bool show_help(const Syntax& syntax, const Arguments& arguments);

/// The file of --output, or standard output.
[[nodiscard]] std::unique_ptr<Output> output_or_stdout(const Arguments& arguments);

/// A command line of such a command. Throws Error, also for words that are no options.
class FileCommand {
 public:
  FileCommand(const Syntax& syntax, const std::vector<std::string>& arguments);

  [[nodiscard]] bool help_shown() const { return help_shown_; }
  [[nodiscard]] const Arguments& arguments() const { return arguments_; }
  [[nodiscard]] std::string input() const { return arguments_.text_or("input", kDefaultDataFile); }
  [[nodiscard]] std::unique_ptr<Output> open_output() const { return output_or_stdout(arguments_); }
  /// The capture of --input, whatever its form; its records come in the order of their times. Throws Error.
  [[nodiscard]] std::unique_ptr<perfdata::RecordSource> open_capture() const;

 private:
  Arguments arguments_;
  bool help_shown_;
};

/// Tells on standard error what `source` passed over and what damage ended it. Returns the exit status:
/// kBadInput for damage.
[[nodiscard]] int tell_of(const perfdata::RecordSource& source);

}  // namespace lastbranch::cli
