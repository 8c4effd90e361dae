#include "apps/lastbranch/file_options.h"

#include <utility>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "sim/base/error.h"
#include "sim/perfdata/time_order.h"

namespace lastbranch::cli {

namespace po = boost::program_options;

void add_help_option(po::options_description& options) {
  options.add_options()("help,h", "show this help");
}

void add_file_options(po::options_description& options) {
  options.add_options()  //
      ("input,i", po::value<std::string>()->value_name("FILE"),
       "capture to read: perf.data or text of perf script; - for standard input (default: perf.data)")  //
      ("keep-going", "of a damaged file, give what comes before the damage")                            //
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

std::unique_ptr<perfdata::RecordSource> FileCommand::open_capture() const {
  return perfdata::open_capture(input(), {.keep_going = arguments_.has("keep-going")});
}

int tell_of(const perfdata::RecordSource& source) {
  for (const std::string& line : source.notes()) complain(line);
  if (source.damage().empty()) return kSuccess;
  complain(source.damage());
  return kBadInput;
}

}  // namespace lastbranch::cli
