// lastbranch kvm diff: a sweep of hosts, guests and operations; the answers that are not the same on all
// kernels.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/kvm_commands.h"
#include "apps/lastbranch/kvm_scenario.h"
#include "apps/lastbranch/table.h"
#include "sim/base/error.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

/// A host or guest of the sweep: its name, and the words that make it.
struct Variant {
  std::string_view name;
  std::vector<std::string> words;
};

const std::vector<Variant>& hosts() {
  static const std::vector<Variant> kHosts = {
      {"LBR", {}},
      {"LBR, bus lock", {"bus_lock"}},
      {"LBR, RTM", {"rtm"}},
      {"LBR, PEBS", {"caps=0x34c5", "pebs"}},
      {"probe failed", {"lbr_nr=0"}},
      {"stub", {"stub"}},
      {"no call stacks", {"callstack=0"}},
      {"architectural LBRs", {"arch_lbr"}},
      {"adaptive PEBS", {"caps=0x74c5", "pebs"}},
      {"hybrid", {"hybrid"}},
      {"enable_pmu=0", {"enable_pmu=0"}},
  };
  return kHosts;
}

const std::vector<Variant>& guests() {
  static const std::vector<Variant> kGuests = {
      {"all that is supported", {}}, {"no bus lock", {"bus_lock=0"}}, {"no RTM", {"rtm=0"}},
      {"no PDCM", {"pdcm=0"}},       {"no leaf 0AH", {"leaf_0a=0"}},  {"other model", {"same_model=0"}},
      {"no CPUID yet", {"cpuid=0"}}, {"has run", {"has_run"}},
  };
  return kGuests;
}

/// Values of PERF_CAPABILITIES: the host's formats with and without each other, and others.
std::set<u64> capabilities(const kvm::HostState& host) {
  using namespace kvm::perfcap;
  const u64 format = host.perf_capabilities & kLbrFmt, pebs = host.perf_capabilities & kPebsMask;
  return {0,
          format,
          kFwWrites,
          kFwWrites | format,
          kFwWrites | pebs | format,
          0x5,
          0x2005,
          0x24c0,
          0x24c5,
          kFwWrites | (pebs & ~kPebsBaseline) | format,
          0x64c5};
}

std::vector<KvmOperation> operations(const kvm::HostState& host) {
  std::vector<KvmOperation> all{{.kind = KvmOperation::kFeature, .index = kvm::msr::kPerfCapabilities}};
  for (const kvm::Who who : {kvm::Who::kHost, kvm::Who::kGuest}) {
    for (const u32 index : {kvm::msr::kPerfCapabilities, kvm::msr::kLbrTos, kvm::msr::kPebsEnable})
      all.push_back({.kind = KvmOperation::kRead, .index = index, .who = who});
    for (const u64 value : {0x1u, 0x2u, 0x3u, 0x4u, 0x40u, 0x800u, 0x801u, 0x803u, 0x8000u})
      all.push_back({.index = kvm::msr::kDebugctl, .value = value, .who = who});
    for (const u64 value : capabilities(host))
      all.push_back({.index = kvm::msr::kPerfCapabilities, .value = value, .who = who});
  }
  for (const u32 ecx : {0u, 0x40000000u, 0x80000000u})
    all.push_back({.kind = KvmOperation::kRdpmc, .index = ecx});
  for (const auto kind : {KvmOperation::kEntry, KvmOperation::kPmi, KvmOperation::kReset})
    all.push_back({.kind = kind});
  return all;
}

std::vector<kvm::Kernel> parse_kernels(const std::string& text) {
  std::vector<kvm::Kernel> kernels;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    kernels.push_back(kvm::kernel_of(text.substr(at, comma - at)));
    at = comma + 1;
  }
  if (kernels.size() < 2) throw Error("--kernels: expected two or more, found '{}'", text);
  return kernels;
}

/// Operations that nobody answers: what they do to a guest that records is what is compared.
bool is_event(const KvmOperation& operation) {
  return operation.kind == KvmOperation::kEntry || operation.kind == KvmOperation::kPmi ||
         operation.kind == KvmOperation::kReset;
}

/// What is compared: the answer and, for writes that are taken, what is stored.
std::string shown(const KvmOperation& operation, const KvmAnswer& answer) {
  if (!answer.after) return answer.outcome;
  const KvmAfter& after = *answer.after;
  if (is_event(operation))
    return after.debugctl_words() + ", " + (after.lbr_records != 0 ? after.lbr_event_words() : "no LBRs");
  if (operation.kind != KvmOperation::kWrite || answer.outcome != "ok") return answer.outcome;
  const bool debugctl = operation.index == kvm::msr::kDebugctl;
  return fmt::format("ok, {}{}", debugctl ? after.debugctl_words() : after.perf_capabilities_words(),
                     after.log_lines != 0 ? ", logged" : "");
}

/// Names gathered by what they share, in the order in which they came.
class Gathered {
 public:
  void add(const std::vector<std::string>& shared, std::string name) {
    const auto found = std::ranges::find(rows_, shared, &Row::first);
    if (found != rows_.end()) {
      found->second.push_back(std::move(name));
    } else {
      rows_.push_back({shared, {std::move(name)}});
    }
  }
  using Row = std::pair<std::vector<std::string>, std::vector<std::string>>;
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<Row> rows_;
};

std::string all_or(const std::vector<std::string>& names, std::size_t all) {
  return names.size() == all ? "all" : fmt::format("{}", fmt::join(names, "; "));
}

void compare(const std::vector<kvm::Kernel>& kernels, const Variant& host, const Variant& guest,
             const KvmScenario& base, Gathered& by_host) {
  KvmScenario scenario = base;
  for (const std::string& word : host.words) set_host_word(scenario, word);
  for (const std::string& word : guest.words) set_guest_word(scenario, word);
  KvmScenario recording = scenario;
  recording.debugctl = 0x801;
  recording.lbr_event = true;
  for (const KvmOperation& operation : operations(scenario.host)) {
    const KvmScenario& before = is_event(operation) ? recording : scenario;
    std::vector<std::string> row{std::string(host.name), describe(operation, scenario.host.perf)};
    bool differs = false;
    for (const kvm::Kernel kernel : kernels) {
      row.push_back(shown(operation, play(before, operation, kernel)));
      differs = differs || row.back() != row[2];
    }
    if (differs) by_host.add(row, std::string(guest.name));
  }
}

}  // namespace

int kvm_diff_command(const std::vector<std::string>& words) {
  Syntax syntax{
      .command = "kvm diff",
      .usage = "--kernels NAME,NAME[,NAME...] [options]",
      .summary = "Sweeps hosts, guests and operations and prints the answers that kernels do not share."};
  syntax.options.add_options()                                                          //
      ("kernels", po::value<std::string>()->value_name("NAMES"), "kernels to compare")  //
      ("json", "an array of objects instead of columns");
  add_scenario_options(syntax.options);
  add_help_option(syntax.options);
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return 0;
  if (!arguments.words().empty())
    throw Error("kvm diff: expected options only, found '{}'", arguments.words().front());
  if (!arguments.has("kernels")) throw Error("kvm diff: expected --kernels NAME,NAME, found none");
  const std::vector<kvm::Kernel> kernels = parse_kernels(arguments.text("kernels"));
  const KvmScenario base = parse_scenario(arguments);

  Gathered by_host;
  for (const Variant& host : hosts())
    for (const Variant& guest : guests()) compare(kernels, host, guest, base, by_host);
  Gathered rows;
  for (const auto& [row, guest_names] : by_host.rows()) {
    std::vector<std::string> shared(row.begin() + 1, row.end());
    shared.push_back(all_or(guest_names, guests().size()));
    rows.add(shared, row[0]);
  }

  Table table{.columns = {"operation"}, .rows = {}};
  for (const kvm::Kernel kernel : kernels) table.columns.emplace_back(name(kernel));
  table.columns.insert(table.columns.end(), {"guests", "hosts"});
  for (const auto& [row, host_names] : rows.rows()) {
    table.rows.push_back(row);
    table.rows.back().push_back(all_or(host_names, hosts().size()));
  }
  Output out(stdout, "standard output");
  if (arguments.has("json")) {
    out.write(table.json());
  } else {
    out.write(table.rows.empty() ? "no answer differs\n" : table.text());
  }
  out.finish();
  return 0;
}

}  // namespace lastbranch::cli
