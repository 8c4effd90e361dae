// lastbranch list: what the simulator knows.
#include <array>

#include <fmt/format.h>

#include "apps/lastbranch/close_names.h"
#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/list_tables.h"
#include "apps/lastbranch/machine_options.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

struct Topic {
  std::string_view name;
  Table (*table)(const cpu::Uarch& part);
  bool differs;  ///< from part to part
};

constexpr std::array<Topic, 7> kTopics = {{{"events", list_events, true},
                                           {"metrics", list_metrics, true},
                                           {"uarchs", list_uarchs, false},
                                           {"msrs", list_msrs, true},
                                           {"params", list_params, true},
                                           {"syscalls", list_syscalls, false},
                                           {"instructions", list_instructions, false}}};

const Topic& topic(const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const Topic& t : kTopics) {
    if (words.size() == 1 && t.name == words[0]) return t;
    names.emplace_back(t.name);
  }
  const std::string near = words.size() == 1 ? close_names(words[0], names) : "";
  throw Error("list: expected one of {}, found {}{}", fmt::join(names, ", "),
              words.empty() ? "none" : fmt::format("'{}'", fmt::join(words, " ")),
              near.empty() ? "" : "; close: " + near);
}

Syntax list_syntax() {
  Syntax syntax{.command = "list",
                .usage = "[options] events|metrics|uarchs|msrs|params|syscalls|instructions",
                .summary = "Prints what the simulator knows."};
  add_part_options(syntax.options);
  syntax.options.add_options()("json", "an array of objects instead of columns");
  add_help_option(syntax.options);
  return syntax;
}

}  // namespace

int list_command(const std::vector<std::string>& words) {
  const Syntax syntax = list_syntax();
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return kSuccess;
  const Topic& wanted = topic(arguments.words());
  for (const char* option : {"uarch", "lbr-depth", "set"}) {
    if (!wanted.differs && arguments.has(option)) {
      throw Error("list {}: expected no --{}, as the list is one for all parts, found one", wanted.name,
                  option);
    }
  }
  const Table table = wanted.table(part(arguments));
  Output out(stdout, "standard output");
  out.write(arguments.has("json") ? table.json() : table.text());
  out.finish();
  return kSuccess;
}

}  // namespace lastbranch::cli
