// lastbranch stat: the program, and how often events happened in it.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/machine_options.h"
#include "apps/lastbranch/notes.h"
#include "apps/lastbranch/output.h"
#include "apps/lastbranch/simulation.h"
#include "apps/lastbranch/stat_format.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

/// Counted without -e: perf's own hardware events.
constexpr std::string_view kDefaultEvents = "cycles:u,instructions:u,branches:u,branch-misses:u";

Syntax stat_syntax() {
  Syntax syntax{.command = "stat",
                .usage = kProgramUsage,
                .summary = "Runs a program on a simulated core and counts events.",
                .words = Words::kProgram};
  syntax.options.add_options()  //
      ("event,e", po::value<std::vector<std::string>>()->value_name("LIST"),
       fmt::format("events to count; see 'list events' (default: {}); may be repeated", kDefaultEvents)
           .c_str())                                                             //
      ("shadow", "count all events at once, however few counters the part has")  //
      ("field-separator,x", po::value<std::string>()->value_name("SEP"),
       "fields as perf stat -x prints them")                     //
      ("json", "one JSON object, with the whole configuration")  //
      ("output,o", po::value<std::string>()->value_name("FILE"), "write here, not to standard error");
  add_machine_options(syntax.options);
  return syntax;
}

/// The events, each with its counter where something supplies it: the PMU's, or one of its own (`shadow`).
struct Counters {
  std::vector<pmu::EventSpec> specs;
  std::vector<std::optional<std::size_t>> numbers;
  bool shadow;

  Counters(Machine& machine, std::vector<pmu::EventSpec> wanted, bool beside_the_pmu)
      : specs(std::move(wanted)), shadow(beside_the_pmu) {
    for (const pmu::EventSpec& spec : specs) {
      if (!spec.supported()) {
        if (spec.event->state() == pmu::EventState::kNotModelled) {
          complain(fmt::format("event '{}': known on {}, not modelled", spec.text, machine.uarch().name));
        }
        numbers.emplace_back();
      } else {
        numbers.emplace_back(shadow ? machine.count(spec) : machine.perf_count(spec));
      }
    }
  }

  [[nodiscard]] StatRow row(const Machine& machine, std::size_t i) const {
    if (!numbers[i]) return {specs[i], std::nullopt};
    if (shadow) return {specs[i], machine.counted(*numbers[i])};
    const PerfCount count = machine.perf_counted(*numbers[i]);
    if (count.running == 0 && count.enabled != 0) return {specs[i], std::nullopt, 0};
    const double part =
        count.enabled == 0 ? 1 : static_cast<double>(count.running) / static_cast<double>(count.enabled);
    return {specs[i], count.scaled(), 100 * part};
  }
  [[nodiscard]] std::vector<StatRow> rows(const Machine& machine) const {
    std::vector<StatRow> rows;
    for (std::size_t i = 0; i < specs.size(); ++i) rows.push_back(row(machine, i));
    return rows;
  }
};

}  // namespace

int stat_command(const std::vector<std::string>& words) {
  const Syntax syntax = stat_syntax();
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return kSuccess;
  if (arguments.has("json") && arguments.has("field-separator")) {
    throw Error("stat: expected one of --json and --field-separator, found both");
  }
  const u64 limit = instruction_limit(arguments);
  if (arguments.text_or("field-separator", ",").empty()) {
    throw Error("stat: --field-separator: expected what stands between fields, found ''");
  }
  const std::vector<std::string> lists =
      arguments.has("event") ? arguments.texts("event") : std::vector{std::string(kDefaultEvents)};
  std::vector<pmu::EventSpec> events = parse_event_lists(part(arguments), lists);
  Machine machine(machine_config(syntax.command, arguments));
  const Counters counters(machine, std::move(events), arguments.has("shadow"));
  const auto out = arguments.has("output") ? std::make_unique<Output>(arguments.text("output"))
                                           : std::make_unique<Output>(stderr, "standard error");

  const StopSignals signals(machine);
  const Ending ending = simulate(machine, signals, limit);

  const StatResult result = {.program = arguments.words(),
                             .rows = counters.rows(machine),
                             .machine = machine,
                             .ending = ending,
                             .notes = notes(machine, ending)};
  for (const std::string& note : result.notes) complain(note);
  if (arguments.has("json")) {
    out->write(stat_json(result));
  } else if (arguments.has("field-separator")) {
    out->write(stat_fields(result, arguments.text("field-separator")));
  } else {
    out->write(stat_text(result));
  }
  out->finish();
  return ending.exit_status();
}

}  // namespace lastbranch::cli
