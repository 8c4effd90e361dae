// lastbranch script: the samples of a capture as perf script prints them.
#include "sim/perfdata/script.h"

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/arguments.h"
#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

Syntax script_syntax() {
  Syntax syntax{.command = "script",
                .usage = "[options]",
                .summary = "Prints the samples of a capture, to the byte as perf 6.1's script does."};
  add_file_options(syntax.options);
  syntax.options.add_options()("fields,F", po::value<std::string>()->value_name("LIST"),
                               fmt::format("columns: any of {}", perfdata::script_field_names()).c_str());
  return syntax;
}

}  // namespace

int script_command(const std::vector<std::string>& arguments) {
  const FileCommand command(script_syntax(), arguments);
  if (command.help_shown()) return kSuccess;
  const perfdata::ScriptFields fields(command.arguments().text_or("fields", perfdata::kDefaultScriptFields));
  const auto source = command.open_capture();
  const auto out = command.open_output();
  perfdata::print_script(*source, fields, [&](std::string_view text) { out->write(text); });
  out->finish();
  return tell_of(*source);
}

}  // namespace lastbranch::cli
