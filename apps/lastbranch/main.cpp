// lastbranch: runs x86-64 Linux programs on a simulated core, with a command line shaped like perf's.
#include <array>
#include <cstdio>
#include <exception>
#include <new>

#include <fmt/format.h>

#include "apps/lastbranch/close_names.h"
#include "apps/lastbranch/command.h"
#include "apps/lastbranch/output.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  CommandFunction function;
};

constexpr auto kCommands = std::to_array<Command>(
    {{"run", "run a program", run_command},
     {"stat", "run a program and count events", stat_command},
     {"record", "run a program and write samples with their last branches to perf.data", record_command},
     {"bare", "run an image without an operating system, from privilege level 0", bare_command},
     {"script", "print the samples of a perf.data file", script_command},
     {"report", "print the hottest branches of a perf.data file", report_command},
     {"replay", "hold a capture of last-branch records against the model, its code and a run",
      replay_command},
     {"compare", "compare the branches of two captures, or two files of counts", compare_command},
     {"kvm", "explain, compare and check KVM's virtualization of LBRs and the PMU", kvm_command},
     {"list", "print what is known: events, metrics, uarchs, msrs, params, syscalls, instructions",
      list_command}});

std::string general_help() {
  std::string text = "usage: lastbranch COMMAND [options] [--] [program [arguments]]\n\n";
  for (const Command& c : kCommands) text += fmt::format("  {:<8} {}\n", c.name, c.summary);
  text +=
      "\n'lastbranch COMMAND --help' tells a command's options. The program's own input, output and exit\n"
      "status pass through; lastbranch itself exits with 1 when its output cannot be written, with 2 when "
      "an\n"
      "option or a file is bad, and with 128 + n when signal n ended the program or the run.\n";
  return text;
}

/// Throws Error when more follows than the first `count` words, which would count for nothing.
void expect_words(const std::vector<std::string>& arguments, std::size_t count) {
  if (arguments.size() <= count) return;
  throw Error("{}: expected nothing more, found '{}'", fmt::join(std::span(arguments).first(count), " "),
              arguments[count]);
}

int dispatch(const std::vector<std::string>& arguments) {
  Output out(stdout, "standard output");
  const std::string name = arguments.empty() ? "" : arguments[0];
  if (name == "help" || name == "--help" || name == "-h") {
    if (name == "help" && arguments.size() > 1) {
      expect_words(arguments, 2);
      return dispatch({arguments[1], "--help"});
    }
    expect_words(arguments, 1);
    out.write(general_help());
    out.finish();
    return kSuccess;
  }
  if (name == "version" || name == "--version" || name == "-v") {
    expect_words(arguments, 1);
    out.write("lastbranch " LASTBRANCH_VERSION "\n");
    out.finish();
    return kSuccess;
  }
  std::vector<std::string> names;
  for (const Command& c : kCommands) {
    if (c.name == name) return c.function({arguments.begin() + 1, arguments.end()});
    names.emplace_back(c.name);
  }
  const std::string near = close_names(name, names);
  throw Error("expected a command ({}), found {}{}", fmt::join(names, ", "),
              name.empty() ? "none" : fmt::format("'{}'", name), near.empty() ? "" : "; close: " + near);
}

}  // namespace
}  // namespace lastbranch::cli

int main(int argc, char** argv) {
  using namespace lastbranch;
  try {
    return cli::dispatch({argv + 1, argv + argc});
  } catch (const Error& error) {
    cli::complain(error.what());
    return cli::kBadInput;
  } catch (const cli::OutputError& error) {
    cli::complain(error.what());
    return cli::kOutputFailed;
  } catch (const std::bad_alloc&) {
    cli::complain("out of memory");
    return cli::kOutputFailed;
  } catch (const std::exception& error) {
    cli::complain(error.what());
    return cli::kOutputFailed;
  }
}
