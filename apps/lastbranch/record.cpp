// lastbranch record: the program, sampled into perf.data.
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/machine_options.h"
#include "apps/lastbranch/notes.h"
#include "apps/lastbranch/output.h"
#include "apps/lastbranch/record_format.h"
#include "apps/lastbranch/simulation.h"
#include "sim/base/error.h"
#include "sim/machine/recorder.h"
#include "sim/perfdata/output_stream.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

constexpr std::string_view kDefaultEvent = "cycles:u";

Syntax record_syntax() {
  Syntax syntax{.command = "record",
                .usage = kProgramUsage,
                .summary = "Runs a program on a simulated core and writes samples of it to a perf.data file.",
                .words = Words::kProgram};
  syntax.options.add_options()  //
      ("event,e", po::value<std::vector<std::string>>()->value_name("LIST"),
       fmt::format("events to sample; see 'list events' (default: {}); may be repeated", kDefaultEvent)
           .c_str())                                                                        //
      ("count,c", po::value<std::string>()->value_name("N"), "events between two samples")  //
      ("freq,F", po::value<std::string>()->value_name("HZ"),
       fmt::format("samples per second of simulated time (default: {})", kDefaultFrequency).c_str())  //
      ("branch-any,b", "record last branches with each sample, of user mode")                         //
      ("branch-filter,j", po::value<std::string>()->value_name("LIST"),
       "branches of these kinds: any, any_call, any_ret, ind_call, ind_jmp, call, cond, stack; u, k; "
       "no_flags, no_cycles, save_type, hw_index, priv, counter")  //
      ("call-graph", po::value<std::string>()->value_name("KIND"),
       "callchains: fp (frame pointers), or lbr (the ring as a call stack)")                  //
      ("hw-index", "tell with each sample which register of the ring has the newest record")  //
      ("skid", po::value<std::string>()->value_name("CYCLES"),
       "core clocks from an overflow to its sample, for events that are not precise (default: 0)")  //
      ("pebs", "sample through the part's PEBS buffer, with its own choice of instruction")         //
      ("raw-lbr", "keep last branches that come from the kernel")                                   //
      ("output,o", po::value<std::string>()->value_name("FILE"),
       fmt::format("file to write (default: {}); a fifo, or - for standard output, gets pipe mode",
                   kDefaultDataFile)
           .c_str())  //
      ("compress,z", po::value<std::string>()->value_name("LEVEL")->implicit_value("1"),
       "compress the records: -z3, --compress=3 (default level: 1)")  //
      ("attr-size", po::value<std::string>()->value_name("N"),
       "bytes of an event's attribute in the file: 64 to 144 (default: 112)")  //
      ("format", po::value<std::string>()->value_name("FORMAT"),
       fmt::format("instead of perf.data write one of {}", perfdata::export_format_names()).c_str())  //
      ("quiet,q", "do not say at the end what was written");
  add_machine_options(syntax.options);
  return syntax;
}

/// What -b, -j and --call-graph lbr ask for. Throws Error.
std::optional<BranchFilter> branches(const Arguments& arguments, const cpu::Uarch& part) {
  const bool by_name = arguments.has("branch-filter");
  const bool any = arguments.has("branch-any");
  const std::string graph = arguments.text_or("call-graph", "");
  if (by_name && any) throw Error("record: expected one of -b and -j, found both");
  if (!graph.empty() && graph != "fp" && graph != "lbr") {
    throw Error("record: --call-graph: expected fp or lbr, found '{}'", graph);
  }
  if ((by_name || any || graph == "lbr") && part.lbr.depth == 0) {
    throw Error("record: -b: expected a part with last-branch records, found {}", part.name);
  }
  std::optional<BranchFilter> filter;
  if (graph == "lbr") {
    if (by_name || any) {
      throw Error("record: --call-graph lbr: expected no -b or -j with it, as there is one ring, found one");
    }
    filter = lbr_call_graph(part.lbr);
  } else if (by_name) {
    filter = parse_branch_filter(arguments.text("branch-filter"), part.lbr);
  } else if (any) {
    filter = any_user_branch();
  }
  if (!arguments.has("hw-index")) return filter;
  if (!filter) throw Error("record: --hw-index: expected last-branch records with it, found none");
  filter->sample_type |= perfdata::kBranchHwIndex;
  return filter;
}

/// A number of --compress or --attr-size. Throws Error.
int small_number(const Arguments& arguments, const std::string& option) {
  constexpr u64 kMost = 1000;
  const u64 value = arguments.number(option, 1);
  if (value > kMost) throw Error("--{}: expected at most {}, found {}", option, kMost, value);
  return static_cast<int>(value);
}

/// Events between samples; 0: the recorder's default.
u64 period(const Arguments& arguments, const cpu::Uarch& part) {
  if (arguments.has("count") && arguments.has("freq")) {
    throw Error("record: expected one of --count and --freq, found both");
  }
  if (arguments.has("count")) return arguments.number("count", 1);
  if (!arguments.has("freq")) return 0;
  const u64 frequency = arguments.number("freq", 1);
  if (frequency > part.frequency_hz) {
    throw Error("record: --freq: expected at most a sample every cycle, {} per second, found {}",
                part.frequency_hz, frequency);
  }
  return part.frequency_hz / frequency;
}

RecordConfig record_config(const Arguments& arguments, const std::vector<std::string>& words) {
  const cpu::Uarch chosen = part(arguments);
  const std::vector<std::string> lists =
      arguments.has("event") ? arguments.texts("event") : std::vector{std::string(kDefaultEvent)};
  const u64 every = period(arguments, chosen);
  RecordConfig config;
  config.path = arguments.text_or("output", kDefaultDataFile);
  for (pmu::EventSpec& spec : parse_event_lists(chosen, lists)) {
    if (!spec.supported())
      throw Error("event '{}': known on {}, but no model supplies it yet: {}", spec.text, chosen.name,
                  state_text(*spec.event));
    config.events.push_back({std::move(spec), every});
  }
  config.branches = branches(arguments, chosen);
  config.pebs = arguments.has("pebs");
  config.raw_lbr = arguments.has("raw-lbr");
  if (config.raw_lbr && !config.branches) throw Error("record: --raw-lbr: expected -b with it, found none");
  config.callchain = arguments.has("call-graph");
  if (arguments.has("compress")) config.compress = small_number(arguments, "compress");
  if (arguments.has("attr-size")) config.attr_size = static_cast<u32>(small_number(arguments, "attr-size"));
  config.cmdline = {"lastbranch", "record"};
  config.cmdline.insert(config.cmdline.end(), words.begin(), words.end());
  return config;
}

/// Standard output, for the recording alone: what the program writes there goes to standard error, as perf
/// has it.
class StandardOutput {
 public:
  /// Throws Error.
  StandardOutput() : copy_(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
    if (copy_ < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
      throw Error("standard output: expected one that can be written, found none: {}", std::strerror(errno));
    }
  }
  ~StandardOutput() { close(copy_); }
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;

  [[nodiscard]] int descriptor() const { return copy_; }

 private:
  int copy_;
};

/// Completes the file. What could not be written is no bad input.
perfdata::WriteSummary finish(Recorder& recorder, const RunOutcome& outcome) {
  try {
    return recorder.finish(outcome);
  } catch (const Error& error) {
    throw OutputError(error.what());
  }
}

/// The recording has what `format` is made of. Throws Error.
void expect_content(perfdata::ExportFormat format, const RecordConfig& config) {
  const bool stacks = config.callchain ||
                      (config.branches && (config.branches->sample_type & perfdata::kBranchCallStack) != 0);
  if (format == perfdata::ExportFormat::kFolded && !stacks) {
    throw Error("record: --format folded: expected --call-graph or -j stack with it, found neither");
  }
  if (format == perfdata::ExportFormat::kFdata && !config.branches) {
    throw Error("record: --format fdata: expected -b or -j with it, found neither");
  }
}

/// What --format asks for; null: perf.data. Throws Error.
std::unique_ptr<RecordFormat> other_format(const Arguments& arguments, RecordConfig& config) {
  if (!arguments.has("format")) return nullptr;
  const auto format = perfdata::parse_export_format(arguments.text("format"));
  for (const char* option : {"compress", "attr-size"}) {
    if (arguments.has(option)) throw Error("record: --{}: expected perf.data, found --format", option);
  }
  expect_content(format, config);
  if (!arguments.has("output")) config.path = RecordFormat::default_file(format);
  return std::make_unique<RecordFormat>(format, config.path, std::exchange(config.stream_fd, -1));
}

/// The last words of a recording: what was written where.
std::string written(const std::string& path, u64 samples, u64 bytes) {
  return fmt::format("{}: {} samples, {} bytes", path, samples, bytes);
}

/// Simulates; when the disk is full, keeps what fits and throws OutputError.
Ending simulate_recorded(Machine& machine, Recorder& recorder, const StopSignals& signals, u64 limit) {
  try {
    return simulate(machine, signals, limit);
  } catch (const Error& error) {
    finish(recorder, {RunOutcome::How::kStopped, 0});
    throw OutputError(error.what());
  }
}

}  // namespace

int record_command(const std::vector<std::string>& words) {
  const Syntax syntax = record_syntax();
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return kSuccess;
  const u64 limit = instruction_limit(arguments);
  RecordConfig config = record_config(arguments, words);
  std::optional<StandardOutput> standard_output;
  if (config.path == perfdata::OutputStream::kStandardOutput) {
    config.stream_fd = standard_output.emplace().descriptor();
    config.path = "standard output";
  }
  const std::unique_ptr<RecordFormat> format = other_format(arguments, config);
  const std::string target = format ? std::exchange(config.path, format->data_path()) : config.path;
  MachineConfig machine_options = machine_config(syntax.command, arguments);
  if (arguments.has("skid")) machine_options.pmu.skid_cycles = arguments.number("skid", 0);
  Machine machine(std::move(machine_options));
  const StopSignals signals(machine);
  Recorder recorder(machine, config);

  const Ending ending = simulate_recorded(machine, recorder, signals, limit);
  for (const std::string& note : notes(machine, ending)) complain(note);
  const perfdata::WriteSummary summary = finish(recorder, ending.outcome);
  u64 bytes = summary.bytes;
  if (format) {
    const perfdata::ExportSummary exported = format->write();
    for (const std::string& note : exported.notes) complain(note);
    bytes = exported.bytes;
  }
  if (!arguments.has("quiet")) complain(written(target, summary.samples, bytes));
  return ending.exit_status();
}

}  // namespace lastbranch::cli
