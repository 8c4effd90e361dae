// lastbranch kvm: KVM's answers for PERF_CAPABILITIES, DEBUGCTL, LBRs and the vPMU, kernel by kernel.
#include <array>

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/kvm_commands.h"
#include "apps/lastbranch/output.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

struct Subcommand {
  std::string_view name;
  std::string_view summary;
  CommandFunction function;
};

constexpr std::array<Subcommand, 3> kSubcommands = {
    {{"explain", "one operation: its answer, and the rules that led to it", kvm_explain_command},
     {"diff", "what answers differ between kernels, over a sweep of inputs", kvm_diff_command},
     {"check", "replay reference vectors", kvm_check_command}}};

std::string kvm_help() {
  std::string text = "usage: lastbranch kvm explain|diff|check [options]\n\n";
  for (const Subcommand& s : kSubcommands) text += fmt::format("  {:<8} {}\n", s.name, s.summary);
  text += "\nkernels:\n";
  for (const kvm::KernelName& k : kvm::kernel_names())
    text += fmt::format("  {:<12} {:<10} {}\n", k.name, k.alias, k.what);
  text += "  6.2          = v5-series:8\n";
  return text;
}

}  // namespace

int kvm_command(const std::vector<std::string>& words) {
  const std::string name = words.empty() ? "" : words[0];
  if (name == "--help" || name == "-h") {
    Output out(stdout, "standard output");
    out.write(kvm_help());
    out.finish();
    return kSuccess;
  }
  for (const Subcommand& s : kSubcommands)
    if (s.name == name) return s.function({words.begin() + 1, words.end()});
  throw Error("kvm: expected explain, diff or check, found {}", name.empty() ? "none" : "'" + name + "'");
}

}  // namespace lastbranch::cli
