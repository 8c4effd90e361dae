// lastbranch bare: an image without an operating system.
#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/machine_options.h"
#include "apps/lastbranch/output.h"
#include "apps/lastbranch/stop_signals.h"
#include "sim/base/error.h"
#include "sim/machine/bare_machine.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

/// "64M": bytes, with K, M or G.
u64 parse_size(const std::string& option, std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    const char unit = text.back();
    shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
  }
  const u64 number = parse_number(option, shift != 0 ? text.substr(0, text.size() - 1) : text, 1);
  if (number > ~u64{0} >> shift) throw Error("{}: expected a size below 2^64, found '{}'", option, text);
  return number << shift;
}

void add_bare_options(po::options_description& options) {
  add_part_options(options);
  options.add_options()  //
      ("max-instructions", po::value<std::string>()->value_name("N"),
       "stop after that many instructions")  //
      ("memory", po::value<std::string>()->value_name("SIZE"),
       "RAM from address 0, in bytes or with K, M, G (default: 128M)")   //
      ("vmx", "the processor has VMX")                                   //
      ("lbr", "print the last-branch records at the end, newest first")  //
      ("msrs-at-end", "print every model-specific register at the end");
  add_help_option(options);
}

BareConfig bare_config(const Arguments& arguments) {
  if (arguments.words().size() > 1) {
    throw Error("bare: expected one image, found '{}' behind it", arguments.words()[1]);
  }
  const MachineConfig machine = machine_config("bare", arguments);
  BareConfig config;
  config.uarch = machine.uarch;
  config.overrides = machine.overrides;
  config.image = arguments.words()[0];
  if (arguments.has("memory")) config.memory_bytes = parse_size("--memory", arguments.text("memory"));
  config.vmx = arguments.has("vmx");
  return config;
}

void print_lbr(BareMachine& machine) {
  std::size_t n = 0;
  for (const lbr::Entry& e : machine.processor().hub.lbr.entries()) {
    complain(fmt::format("lbr {}: {:#x} -> {:#x}{}, {} cycles", n++, e.from, e.to,
                         e.mispredicted ? ", mispredicted" : "", e.cycles));
  }
  if (n == 0) complain("lbr: no records");
}

void print_msrs(BareMachine& machine) {
  MsrBus& msrs = machine.processor().msrs;
  for (const MsrBus::Listed& m : msrs.list()) {
    if (const MsrValue v = msrs.read(m.index); v.ok()) {
      complain(fmt::format("MSR {:#x} {} = {:#x}", m.index, m.name, v.value));
    }
  }
}

/// How it ended, unless by its own exit status.
std::string ending(const BareMachine& machine, const BareOutcome& outcome, int signal) {
  switch (outcome.how) {
    case BareOutcome::How::kExited:
      return "";
    case BareOutcome::How::kHalted:
      return fmt::format("halted for ever after {} instructions: nothing is armed that could wake it",
                         machine.instructions());
    case BareOutcome::How::kShutdown:
      return fmt::format("triple fault: {}", machine.shutdown_reason());
    case BareOutcome::How::kLimit:
      return fmt::format("stopped after {} instructions, as --max-instructions says", machine.instructions());
    case BareOutcome::How::kStopped:
      return fmt::format("stopped by signal {}", signal);
  }
  return "";
}

}  // namespace

int bare_command(const std::vector<std::string>& words) {
  Syntax syntax{.command = "bare",
                .usage = "[options] IMAGE",
                .summary =
                    "Runs a flat image or an ELF executable at privilege level 0, without an operating "
                    "system; its exit status is ours, 124 when it halted for ever, 125 after a triple "
                    "fault.",
                .words = Words::kListed};
  add_bare_options(syntax.options);
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return kSuccess;
  const u64 limit = instruction_limit(arguments);
  BareConfig config = bare_config(arguments);
  Output out(stdout, "standard output");
  config.output = [&out](std::string_view text) { out.write(text); };
  BareMachine machine(std::move(config));

  const StopSignals signals(machine);
  const BareOutcome outcome = machine.run(limit);
  out.finish();
  // Before the registers are looked at, which is no access of the program.
  const std::vector<std::string> unmodelled = machine.unmodelled();
  if (arguments.has("lbr")) print_lbr(machine);
  if (arguments.has("msrs-at-end")) print_msrs(machine);
  for (const std::string& line : unmodelled) complain("not modelled: " + line);
  if (const std::string how = ending(machine, outcome, signals.received()); !how.empty()) complain(how);
  return outcome.how == BareOutcome::How::kStopped ? 128 + signals.received() : outcome.exit_code();
}

}  // namespace lastbranch::cli
