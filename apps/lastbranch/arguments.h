#pragma once
/// What follows a subcommand, taken apart as perf does: options end at the first word that is none, so that
/// the simulated program's own options need no "--" before them.
#include <string>
#include <string_view>
#include <vector>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

#include "sim/base/units.h"

namespace lastbranch::cli {

/// What the words that are not options are.
enum class Words : u8 {
  kProgram,  ///< the first begins the simulated program's command line; options end there
  kListed,   ///< words of ours, options may stand between them
};

/// The grammar of one subcommand.
struct Syntax {
  std::string_view command;  ///< "record"
  std::string_view usage;    ///< "[options] [--] program [arguments]"
  std::string_view summary;  ///< one sentence for its help
  Words words = Words::kListed;
  boost::program_options::options_description options{"Options"};
};

class Arguments {
 public:
  Arguments(boost::program_options::variables_map options, std::vector<std::string> words)
      : options_(std::move(options)), words_(std::move(words)) {}

  /// The program's command line, or the words among the options.
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }
  [[nodiscard]] bool has(const std::string& option) const { return options_.count(option) != 0; }
  /// The value of an option that is given or has a default.
  [[nodiscard]] const std::string& text(const std::string& option) const;
  [[nodiscard]] std::string text_or(const std::string& option, std::string_view otherwise) const;
  /// Every value of an option that may be repeated.
  [[nodiscard]] std::vector<std::string> texts(const std::string& option) const;
  /// The value as a number of at least `least`, decimal or with 0x. Throws Error.
  [[nodiscard]] u64 number(const std::string& option, u64 least) const;

 private:
  boost::program_options::variables_map options_;
  std::vector<std::string> words_;
};

/// Throws Error: an option that is not known (with close ones), without its value, or given twice.
[[nodiscard]] Arguments parse_arguments(const Syntax& syntax, const std::vector<std::string>& arguments);

/// The text of --help.
[[nodiscard]] std::string help_text(const Syntax& syntax);

/// A number, decimal or with 0x; `what` is what messages call it. Throws Error.
[[nodiscard]] u64 parse_number(std::string_view what, std::string_view text, u64 least = 0);

}  // namespace lastbranch::cli
