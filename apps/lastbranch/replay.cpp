// lastbranch replay: a capture of real last-branch records, or a simulated one, held against the model.
#include "sim/replay/replay.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/machine_options.h"
#include "sim/base/error.h"
#include "sim/machine/replay_run.h"
#include "sim/replay/msr_dump.h"
#include "sim/replay/report_html.h"
#include "sim/replay/report_json.h"
#include "sim/replay/report_text.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

/// What decides about the run of PROG.
constexpr std::array kOfTheRun = {"max-instructions", "root", "read-only", "seed", "env", "clear-env"};

/// Beyond ExitStatus: the capture was read, but.
constexpr int kDisagrees = 1;
constexpr int kForeign = 3;

Syntax replay_syntax() {
  Syntax syntax{.command = "replay",
                .usage = "[options] CAPTURE [-- PROG ARGS...]",
                .summary =
                    "Holds the last-branch records of a capture (perf.data, text of perf script) against "
                    "the simulated ones, against the code that ran, and against a simulated run of it."};
  const auto text = [] { return po::value<std::string>(); };
  const auto texts = [] { return po::value<std::vector<std::string>>()->composing(); };
  syntax.options.add_options()                                                                         //
      ("binary", texts()->value_name("ELF"), "a file that the capture ran; may be repeated")           //
      ("cfg", texts()->value_name("FILE.csv"), "a table of its control flow; may be repeated")         //
      ("object", text()->value_name("NAME"), "the mapped file that the tables are of")                 //
      ("uarch,u", text()->value_name("NAME"), "replay on this part, whatever the capture says")        //
      ("depth", text()->value_name("N"), "drive into N records; the newest entries are expected")      //
      ("filter,j", text()->value_name("LIST"), "drive through this filter, as perf record -j has it")  //
      ("json", text()->value_name("FILE"), "also write the report as JSON")                            //
      ("html", text()->value_name("FILE"), "also write the report as one HTML page")                   //
      ("output,o", text()->value_name("FILE"), "file to write (default: standard output)")             //
      ("keep-going", "of a damaged file, replay what comes before the damage");
  add_process_options(syntax.options);
  add_help_option(syntax.options);
  return syntax;
}

replay::ReplayOptions options_of(const Arguments& a) {
  replay::ReplayOptions options{.binaries = a.texts("binary"),
                                .tables = a.texts("cfg"),
                                .object = a.text_or("object", ""),
                                .uarch = a.text_or("uarch", ""),
                                .filter = a.text_or("filter", ""),
                                .keep_going = a.has("keep-going")};
  if (a.has("depth")) {
    constexpr u64 kMost = 32;
    const u64 depth = a.number("depth", 1);
    if (depth > kMost) throw Error("--depth: expected 1 to {}, found {}", kMost, depth);
    options.depth = static_cast<unsigned>(depth);
  }
  return options;
}

/// A file of --json or --html: created before any work, so that a bad name is told at once.
std::unique_ptr<Output> file_of(const Arguments& arguments, const std::string& option) {
  return arguments.has(option) ? std::make_unique<Output>(arguments.text(option)) : nullptr;
}

void write(const std::unique_ptr<Output>& out, std::string_view text) {
  if (!out) return;
  out->write(text);
  out->finish();
}

/// Registers of lastbranch-msr-dump instead of a capture.
int replay_dump(const Arguments& arguments, const std::vector<std::string>& program) {
  if (!program.empty()) {
    throw Error("replay: -- {}: expected a capture, found a dump of registers in {}", program[0],
                arguments.words()[0]);
  }
  for (const char* option : {"binary", "cfg", "object", "depth", "filter", "html", "keep-going"}) {
    if (arguments.has(option)) {
      throw Error("replay: --{}: expected a capture, found a dump of registers in {}", option,
                  arguments.words()[0]);
    }
  }
  const auto out = output_or_stdout(arguments);
  const auto json = file_of(arguments, "json");
  const replay::DumpReport report =
      replay::check_msr_dump(arguments.words()[0], arguments.text_or("uarch", ""));
  write(out, replay::dump_report_text(report));
  write(json, replay::dump_report_json(report));
  return report.agrees() ? kSuccess : kDisagrees;
}

/// The program of the capture, simulated on the capture's processor.
void execute(const std::vector<std::string>& program, const Arguments& arguments, replay::Report& report) {
  ReplayRunOptions options{.machine = machine_config("replay", arguments, program),
                           .max_instructions = instruction_limit(arguments),
                           .keep_going = arguments.has("keep-going")};
  options.machine.uarch = report.processor;
  static_cast<void>(replay_run(arguments.words()[0], options, report));
}

}  // namespace

int replay_command(const std::vector<std::string>& words) {
  const Syntax syntax = replay_syntax();
  const auto dashes = std::ranges::find(words, "--");
  const std::vector<std::string> own(words.begin(), dashes);
  const std::vector<std::string> program(dashes == words.end() ? dashes : dashes + 1, words.end());
  const Arguments arguments = parse_arguments(syntax, own);
  if (show_help(syntax, arguments)) return kSuccess;
  if (arguments.words().size() != 1) {
    throw Error("replay: expected one capture, found {}", arguments.words().size());
  }
  if (dashes != words.end() && program.empty()) {
    throw Error("replay: expected a program after '--', found none");
  }
  for (const char* option : kOfTheRun) {
    if (program.empty() && arguments.has(option)) {
      throw Error("replay: --{}: expected a program to run after '--', found none", option);
    }
  }
  if (arguments.has("object") && !arguments.has("cfg")) {
    throw Error("replay: --object: expected --cfg, whose tables are of that file, found none");
  }
  // A pipe must not be looked into: it can be read only once.
  const std::string& capture = arguments.words()[0];
  if (std::filesystem::is_regular_file(capture) && replay::is_msr_dump(capture))
    return replay_dump(arguments, program);
  if (!program.empty() && replay::readable_once(capture)) {
    throw Error("replay: {}: -- {} needs a capture that can be read twice, found a pipe", capture,
                program[0]);
  }
  const replay::ReplayOptions options = options_of(arguments);
  const auto out = output_or_stdout(arguments);
  const auto json = file_of(arguments, "json");
  const auto html = file_of(arguments, "html");
  replay::Report report = replay::replay(capture, options);
  if (!program.empty() && !report.foreign) execute(program, arguments, report);
  write(out, replay::report_text(report));
  write(json, replay::report_json(report));
  write(html, replay::report_html(report));
  if (report.foreign) return kForeign;
  return report.agrees() ? kSuccess : kDisagrees;
}

}  // namespace lastbranch::cli
