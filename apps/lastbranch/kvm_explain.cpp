// lastbranch kvm explain: one operation on one kernel, and why it is answered so.
#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/kvm_commands.h"
#include "apps/lastbranch/kvm_scenario.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

Syntax explain_syntax() {
  Syntax syntax{.command = "kvm explain",
                .usage = "--kernel NAME --write REGISTER=VALUE|--read REGISTER|... [options]",
                .summary = "Prints what KVM answers to one operation, and the rules that led to it."};
  syntax.options.add_options()  //
      ("kernel", po::value<std::string>()->value_name("NAME"),
       "v5-series:0..8, 6.2, 6.1.4, ... (default: 6.2)")                                          //
      ("write", po::value<std::string>()->value_name("REGISTER=VALUE"), "WRMSR or KVM_SET_MSRS")  //
      ("read", po::value<std::string>()->value_name("REGISTER"), "RDMSR or KVM_GET_MSRS")         //
      ("feature", po::value<std::string>()->value_name("REGISTER"), "KVM_GET_MSRS on /dev/kvm")   //
      ("rdpmc", po::value<std::string>()->value_name("ECX"), "RDPMC at privilege level 0")        //
      ("entry", "a VM entry")("pmi", "a PMI for the guest")("reset", "RESET of the vCPU")         //
      ("who", po::value<std::string>()->value_name("guest|host"),
       "who writes or reads (default: guest; host is user space)");
  add_scenario_options(syntax.options);
  add_help_option(syntax.options);
  return syntax;
}

kvm::Who parse_who(const Arguments& arguments) {
  const std::string who = arguments.text_or("who", "guest");
  if (who != "guest" && who != "host") throw Error("--who: expected guest or host, found '{}'", who);
  return who == "host" ? kvm::Who::kHost : kvm::Who::kGuest;
}

u32 parse_ecx(const Arguments& arguments) {
  const u64 ecx = arguments.number("rdpmc", 0);
  if (ecx > 0xffffffff) throw Error("--rdpmc: expected a number of 32 bits, found {:#x}", ecx);
  return static_cast<u32>(ecx);
}

KvmOperation parse_operation(const Arguments& arguments, const kvm::PerfLbr& perf) {
  const kvm::Who who = parse_who(arguments);
  std::vector<KvmOperation> found;
  if (arguments.has("write")) found.push_back(parse_write(arguments.text("write"), who, perf));
  if (arguments.has("read"))
    found.push_back(
        {.kind = KvmOperation::kRead, .index = parse_msr(arguments.text("read"), perf), .who = who});
  if (arguments.has("feature"))
    found.push_back({.kind = KvmOperation::kFeature, .index = parse_msr(arguments.text("feature"), perf)});
  if (arguments.has("rdpmc")) found.push_back({.kind = KvmOperation::kRdpmc, .index = parse_ecx(arguments)});
  if (arguments.has("entry")) found.push_back({.kind = KvmOperation::kEntry});
  if (arguments.has("pmi")) found.push_back({.kind = KvmOperation::kPmi});
  if (arguments.has("reset")) found.push_back({.kind = KvmOperation::kReset});
  if (found.size() != 1)
    throw Error(
        "kvm explain: expected one of --write, --read, --feature, --rdpmc, --entry, --pmi, --reset, found {}",
        found.size());
  if (arguments.has("who") && !arguments.has("write") && !arguments.has("read"))
    throw Error("--who: expected with --write or --read only");
  return found[0];
}

}  // namespace

int kvm_explain_command(const std::vector<std::string>& words) {
  const Syntax syntax = explain_syntax();
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return 0;
  if (!arguments.words().empty())
    throw Error("kvm explain: expected options only, found '{}'", arguments.words().front());
  const kvm::Kernel kernel = kvm::kernel_of(arguments.text_or("kernel", "6.2"));
  const KvmScenario scenario = parse_scenario(arguments);
  const kvm::PerfLbr& perf = scenario.host.perf;
  const KvmOperation operation = parse_operation(arguments, perf);
  const KvmAnswer answer = play(scenario, operation, kernel);
  Output out(stdout, "standard output");
  out.write(fmt::format("kernel {}: {}: {}\n", name(kernel), describe(operation, perf), answer.outcome));
  if (answer.after) out.write(fmt::format("after it: {}\n", answer.after->words()));
  for (const std::string& rule : answer.rules) out.write("  " + rule + "\n");
  if (!answer.not_taken.empty()) out.write("not taken:\n");
  for (const std::string& offence : answer.not_taken) out.write("  " + offence + "\n");
  out.finish();
  return 0;
}

}  // namespace lastbranch::cli
