// lastbranch report: which branches of a capture were taken most. perf report shows the rest.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/symbolizer.h"
#include "sim/base/error.h"
#include "sim/perfdata/build_id.h"
#include "sim/replay/report_text.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

constexpr u64 kDefaultRows = 20;

struct Edge {
  u64 from, to, count, mispredicted;
};

/// What the whole file adds up to.
class Summary {
 public:
  void add(const perfdata::Record& record) {
    if (const auto* mapping = std::get_if<perfdata::MmapRecord>(&record.body)) {
      symbolizer_.add({.address = mapping->addr,
                       .length = mapping->len,
                       .pgoff = mapping->pgoff,
                       .file = mapping->filename,
                       .replaced = is_replaced(*mapping)});
    } else if (const auto* sample = std::get_if<perfdata::SampleRecord>(&record.body)) {
      samples_ += sample->repeat;
      for (const perfdata::BranchEntry& b : sample->branches) {
        Count& count = counts_[{b.from, b.to}];
        count.taken += sample->repeat;
        if (perfdata::BranchFlags::unpack(b.flags).mispredicted) count.mispredicted += sample->repeat;
      }
    } else if (const auto* edge = std::get_if<perfdata::EdgeRecord>(&record.body)) {
      Count& count = counts_[{edge->from, edge->to}];
      count.taken += edge->count;
      count.mispredicted += edge->mispredicted;
    }
  }

  void print(Output& out, u64 rows) {
    std::vector<Edge> edges;
    u64 total = 0;
    for (const auto& [addresses, count] : counts_) {
      edges.push_back({addresses.first, addresses.second, count.taken, count.mispredicted});
      total += count.taken;
    }
    std::ranges::stable_sort(edges, std::ranges::greater{}, &Edge::count);
    out.write(fmt::format("{} branches in {} samples, {} different\n", total, samples_, edges.size()));
    if (edges.empty()) return;
    out.write("  share  missed  branch -> target\n");
    for (const Edge& e : std::span(edges).first(std::min<std::size_t>(edges.size(), rows))) {
      out.write(fmt::format("{:6.2f}% {:6.2f}%  {} -> {}\n", percent(e.count, total),
                            percent(e.mispredicted, e.count), replay::printable(symbolizer_.describe(e.from)),
                            replay::printable(symbolizer_.describe(e.to))));
    }
  }

 private:
  struct Count {
    u64 taken = 0, mispredicted = 0;
  };
  static double percent(u64 part, u64 whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  }

  /// This host's file of that name is another build.
  bool is_replaced(const perfdata::MmapRecord& mapping) {
    if (!mapping.build_id) return false;
    const auto [at, is_new] = build_ids_.try_emplace(mapping.filename);
    if (is_new) at->second = perfdata::read_build_id(mapping.filename);
    return at->second && *at->second != *mapping.build_id;
  }

  u64 samples_ = 0;
  std::map<std::string, std::optional<perfdata::BuildId>> build_ids_;  // of files of this host
  std::map<std::pair<u64, u64>, Count> counts_;
  Symbolizer symbolizer_;
};

Syntax report_syntax() {
  Syntax syntax{.command = "report",
                .usage = "[options]",
                .summary = "Prints the branches that a capture recorded most often."};
  add_file_options(syntax.options);
  syntax.options.add_options()("rows,n", po::value<std::string>()->value_name("N"),
                               fmt::format("how many branches (default: {})", kDefaultRows).c_str());
  return syntax;
}

}  // namespace

int report_command(const std::vector<std::string>& arguments) {
  const FileCommand command(report_syntax(), arguments);
  if (command.help_shown()) return kSuccess;
  const u64 rows = command.arguments().has("rows") ? command.arguments().number("rows", 1) : kDefaultRows;
  const auto source = command.open_capture();
  const auto out = command.open_output();
  Summary summary;
  while (const perfdata::Record* record = source->next()) summary.add(*record);
  summary.print(*out, rows);
  out->finish();
  return tell_of(*source);
}

}  // namespace lastbranch::cli
