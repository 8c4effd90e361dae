// lastbranch kvm check: reference vectors replayed on the model.
#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/kvm_commands.h"
#include "models/vmx/kvm/check/check.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

Syntax check_syntax() {
  Syntax syntax{.command = "kvm check",
                .usage = "FILE.csv[.gz]...",
                .summary = "Replays reference vectors; exits with 1 if the model answers a row otherwise."};
  syntax.options.add_options()("first", boost::program_options::value<std::string>()->value_name("N"),
                               "rows to print that do not match, per file and kernel (default: 5)");
  add_help_option(syntax.options);
  return syntax;
}

std::string report(const kvm::CheckResult& result) {
  std::string text = fmt::format("{}: set {}: {} of {} rows match\n", result.path, result.set,
                                 result.matched(), result.rows());
  for (const kvm::KernelName& k : kvm::kernel_names()) {
    const kvm::KernelTally& tally = result.kernels[static_cast<std::size_t>(k.kernel)];
    if (tally.rows == 0) continue;
    text += fmt::format("  {:<12} {:>6} of {:>6}\n", k.name, tally.matched, tally.rows);
    for (const kvm::Mismatch& m : result.first)
      if (m.kernel == k.kernel) text += fmt::format("    {}:{}: {}\n", result.path, m.line, m.what);
  }
  return text;
}

}  // namespace

int kvm_check_command(const std::vector<std::string>& words) {
  const Syntax syntax = check_syntax();
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return 0;
  if (arguments.words().empty()) throw Error("kvm check: expected files of reference vectors, found none");
  const std::size_t first = arguments.has("first") ? arguments.number("first", 0) : 5;
  Output out(stdout, "standard output");
  bool all = true;
  for (const std::string& path : arguments.words()) {
    const kvm::CheckResult result = kvm::check_file(path, first);
    all = all && result.matched() == result.rows();
    out.write(report(result));
  }
  out.finish();
  return all ? 0 : 1;
}

}  // namespace lastbranch::cli
