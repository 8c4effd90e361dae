#include "apps/lastbranch/machine_options.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/close_names.h"
#include "apps/lastbranch/file_options.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

auto one(const char* value_name) {
  return po::value<std::string>()->value_name(value_name);
}
auto several(const char* value_name) {
  return po::value<std::vector<std::string>>()->value_name(value_name);
}

/// Throws Error, naming fields that resemble it, when there is none of that name.
void expect_field(const std::string& field) {
  std::vector<std::string> names;
  for (const cpu::UarchField& f : cpu::uarch_fields()) names.emplace_back(f.name);
  if (std::ranges::find(names, field) != names.end()) return;
  const std::string close = close_names(field, names);
  throw Error("--set: expected a field of 'list params', found '{}'{}", field,
              close.empty() ? "" : "; close: " + close);
}

/// --lbr-depth and --set as the machine takes them.
std::vector<std::pair<std::string, u64>> overrides(const Arguments& arguments) {
  std::vector<std::pair<std::string, u64>> out;
  if (arguments.has("lbr-depth")) out.emplace_back("lbr_depth", arguments.number("lbr-depth", 0));
  for (const std::string& text : arguments.texts("set")) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) throw Error("--set: expected FIELD=VALUE, found '{}'", text);
    const std::string field = text.substr(0, equals);
    expect_field(field);
    if (std::ranges::find(out, field, &std::pair<std::string, u64>::first) != out.end()) {
      throw Error("--set: expected a value of {} once, found another one", field);
    }
    out.emplace_back(field, parse_number("--set " + field, std::string_view(text).substr(equals + 1)));
  }
  return out;
}

/// The host's environment, or none with --clear-env, and what --env changes of it.
std::vector<std::string> environment(const Arguments& arguments) {
  std::vector<std::string> out;
  if (!arguments.has("clear-env")) {
    for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  }
  for (const std::string& text : arguments.texts("env")) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error("--env: expected NAME=VALUE, found '{}'", text);
    const std::string name = text.substr(0, equals + 1);
    std::erase_if(out, [&](const std::string& entry) { return entry.starts_with(name); });
    out.push_back(text);
  }
  return out;
}

}  // namespace

void add_part_options(po::options_description& options) {
  options.add_options()  //
      ("uarch", one("NAME"),
       fmt::format("microarchitecture; see 'list uarchs' (default: {})", cpu::kDefaultUarch).c_str())  //
      ("lbr-depth", one("N"), "last-branch records: 1, 4, 8, 16 or 32 (default: the part's)")          //
      ("set", several("FIELD=N"),
       "change a field of the microarchitecture; see 'list params'; may be repeated");
}

void add_process_options(po::options_description& options) {
  options.add_options()                                                                              //
      ("max-instructions", one("N"), "stop after that many instructions")                            //
      ("root", one("DIR"), "folder that is / for the program")                                       //
      ("read-only", "refuse every call that would change the host's files")                          //
      ("seed", one("N"), "of the random bytes that the program gets (default: 1)")                   //
      ("env", several("NAME=VALUE"), "set an environment variable of the program; may be repeated")  //
      ("clear-env", "start the program without lastbranch's own environment");
}

void add_machine_options(po::options_description& options) {
  add_part_options(options);
  add_process_options(options);
  add_help_option(options);
}

cpu::Uarch part(const Arguments& arguments) {
  cpu::Uarch part = cpu::uarch(arguments.text_or("uarch", cpu::kDefaultUarch));
  for (const auto& [field, value] : overrides(arguments)) cpu::override_field(part, field, value);
  return part;
}

MachineConfig machine_config(std::string_view command, const Arguments& arguments) {
  return machine_config(command, arguments, arguments.words());
}

MachineConfig machine_config(std::string_view command, const Arguments& arguments,
                             const std::vector<std::string>& program) {
  if (program.empty()) {
    throw Error("{}: expected a program to run, found none; see 'lastbranch {} --help'", command, command);
  }
  MachineConfig config;
  config.uarch = arguments.text_or("uarch", cpu::kDefaultUarch);
  config.overrides = overrides(arguments);
  config.process.arguments = program;
  config.process.environment = environment(arguments);
  config.process.root = arguments.text_or("root", "");
  config.process.read_only = arguments.has("read-only");
  if (arguments.has("seed")) config.process.seed = arguments.number("seed", 0);
  return config;
}

u64 instruction_limit(const Arguments& arguments) {
  return arguments.has("max-instructions") ? arguments.number("max-instructions", 1) : Machine::kNoLimit;
}

std::vector<pmu::EventSpec> parse_event_lists(const cpu::Uarch& part, std::span<const std::string> lists) {
  std::vector<pmu::EventSpec> specs;
  for (const std::string& list : lists) {
    const auto more = pmu::parse_events(part.pmu.events, part.name, list);
    specs.insert(specs.end(), more.begin(), more.end());
  }
  return specs;
}

}  // namespace lastbranch::cli
