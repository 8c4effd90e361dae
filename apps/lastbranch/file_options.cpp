#include "apps/lastbranch/file_options.h"

#include <boost/program_options/value_semantic.hpp>

#include "sim/base/error.h"

namespace lastbranch::cli {

namespace po = boost::program_options;

void add_help_option(po::options_description& options) {
  options.add_options()("help,h", "show this help");
}

void add_file_options(po::options_description& options) {
  options.add_options()                                                                               //
      ("input,i", po::value<std::string>()->value_name("FILE"), "file to read (default: perf.data)")  //
      ("output,o", po::value<std::string>()->value_name("FILE"), "write here, not to standard output");
  add_help_option(options);
}

bool show_help(const Syntax& syntax, const Arguments& arguments) {
  if (!arguments.has("help")) return false;
  Output out(stdout, "standard output");
  out.write(help_text(syntax));
  out.finish();
  return true;
}

std::unique_ptr<Output> output_or_stdout(const Arguments& arguments) {
  if (!arguments.has("output")) return std::make_unique<Output>(stdout, "standard output");
  return std::make_unique<Output>(arguments.text("output"));
}

FileCommand::FileCommand(const Syntax& syntax, const std::vector<std::string>& arguments)
    : arguments_(parse_arguments(syntax, arguments)), help_shown_(show_help(syntax, arguments_)) {
  if (!help_shown_ && !arguments_.words().empty()) {
    throw Error("{}: expected options only, found '{}'", syntax.command, arguments_.words().front());
  }
}

}  // namespace lastbranch::cli
