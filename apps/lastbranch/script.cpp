// lastbranch script: the samples of a capture as perf script prints them, or in a form for other tools.
#include "sim/perfdata/script.h"

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/arguments.h"
#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "sim/base/error.h"
#include "sim/perfdata/export.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

Syntax script_syntax() {
  Syntax syntax{.command = "script",
                .usage = "[options]",
                .summary =
                    "Prints the samples of a capture, to the byte as perf 6.1's script does, or in a form "
                    "that other tools read."};
  add_file_options(syntax.options);
  syntax.options.add_options()("fields,F", po::value<std::string>()->value_name("LIST"),
                               fmt::format("columns: any of {} (default: {})", perfdata::script_field_names(),
                                           perfdata::kDefaultScriptFields)
                                   .c_str())(
      "format", po::value<std::string>()->value_name("FORMAT"),
      fmt::format("write the whole capture as one of {}", perfdata::export_format_names()).c_str())(
      "binary", po::value<std::string>()->value_name("FILE"),
      "the program of --format fdata (default: the file with most branches)");
  return syntax;
}

int export_as(const FileCommand& command) {
  const Arguments& arguments = command.arguments();
  const auto format = perfdata::parse_export_format(arguments.text("format"));
  perfdata::ExportOptions options;
  options.fields = arguments.text_or("fields", "");
  options.binary = arguments.text_or("binary", "");
  if (!options.fields.empty() && format != perfdata::ExportFormat::kPerfScript) {
    throw Error("option '--fields': expected '--format perf-script' with it, found '{}'",
                perfdata::name_of(format));
  }
  if (!options.binary.empty() && format != perfdata::ExportFormat::kFdata) {
    throw Error("option '--binary': expected '--format fdata' with it, found '{}'",
                perfdata::name_of(format));
  }
  const auto source = command.open_capture();
  const auto out = command.open_output();
  const auto summary =
      perfdata::export_capture(*source, format, options, [&](std::string_view text) { out->write(text); });
  out->finish();
  for (const std::string& note : summary.notes) complain(note);
  return tell_of(*source);
}

}  // namespace

int script_command(const std::vector<std::string>& arguments) {
  const FileCommand command(script_syntax(), arguments);
  if (command.help_shown()) return kSuccess;
  const Arguments& arguments_given = command.arguments();
  if (arguments_given.has("format")) return export_as(command);
  if (arguments_given.has("binary"))
    throw Error("option '--binary': expected '--format fdata' with it, found none");
  const perfdata::ScriptFields fields(arguments_given.text_or("fields", perfdata::kDefaultScriptFields));
  const auto source = command.open_capture();
  const auto out = command.open_output();
  perfdata::print_script(*source, fields, [&](std::string_view text) { out->write(text); });
  out->finish();
  return tell_of(*source);
}

}  // namespace lastbranch::cli
