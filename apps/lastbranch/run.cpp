// lastbranch run: the program alone.
#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/machine_options.h"
#include "apps/lastbranch/notes.h"
#include "apps/lastbranch/output.h"
#include "apps/lastbranch/simulation.h"

namespace lastbranch::cli {

int run_command(const std::vector<std::string>& words) {
  Syntax syntax{.command = "run",
                .usage = kProgramUsage,
                .summary = "Runs a program on a simulated core; its exit status is ours.",
                .words = Words::kProgram};
  add_machine_options(syntax.options);
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return kSuccess;
  const u64 limit = instruction_limit(arguments);
  Machine machine(machine_config(syntax.command, arguments));

  const StopSignals signals(machine);
  const Ending ending = simulate(machine, signals, limit);
  for (const std::string& note : notes(machine, ending)) complain(note);
  return ending.exit_status();
}

}  // namespace lastbranch::cli
