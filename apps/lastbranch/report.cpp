// lastbranch report: which branches of a capture were taken most. perf report shows the rest.
#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/symbolizer.h"
#include "sim/base/error.h"
#include "sim/perfdata/build_id.h"
#include "sim/replay/edge_profile.h"
#include "sim/replay/report_text.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

constexpr u64 kDefaultRows = 20;

double percent(u64 part, u64 whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// Places in words.
class Places {
 public:
  std::string describe(const replay::Place& place) {
    if (place.file == nullptr) return "[unknown]";
    const std::string text = is_replaced(*place.file)
                                 ? fmt::format("{:#x} ({})", place.offset, place.file->base_name())
                                 : symbolizer_.describe(place.file->name, place.offset);
    return replay::printable(text);
  }

 private:
  /// This host's file of that name is another build.
  bool is_replaced(const replay::MappedFile& file) {
    if (!file.build_id) return false;
    const auto [at, is_new] = build_ids_.try_emplace(file.name);
    if (is_new) at->second = perfdata::read_build_id(file.name);
    return at->second && *at->second != *file.build_id;
  }

  std::map<std::string, std::optional<perfdata::BuildId>> build_ids_;  // of files of this host
  Symbolizer symbolizer_;
};

struct Row {
  replay::Place from, to;
  u64 taken, mispredicted;
};

std::vector<Row> sorted_rows(const replay::EdgeProfile& profile) {
  std::vector<Row> rows;
  for (const auto& [key, edge] : profile.edges()) {
    rows.push_back({key.first, key.second, replay::total(edge.taken), replay::total(edge.mispredicted)});
  }
  const auto number = [](const replay::Place& p) { return p.file == nullptr ? ~u32{0} : p.file->number; };
  std::ranges::sort(rows, {}, [&](const Row& r) {
    return std::tuple(~r.taken, number(r.from), r.from.offset, number(r.to), r.to.offset);
  });
  return rows;
}

void print(const replay::EdgeProfile& profile, Output& out, u64 most) {
  const std::vector<Row> rows = sorted_rows(profile);
  const u64 total = replay::total(profile.taken());
  out.write(fmt::format("{} branches in {} samples, {} different\n", total,
                        profile.samples() + profile.samples_without(), rows.size()));
  if (rows.empty()) return;
  out.write("  share  missed  branch -> target\n");
  Places places;
  for (const Row& r : std::span(rows).first(std::min<std::size_t>(rows.size(), most))) {
    out.write(fmt::format("{:6.2f}% {:6.2f}%  {} -> {}\n", percent(r.taken, total),
                          percent(r.mispredicted, r.taken), places.describe(r.from), places.describe(r.to)));
  }
}

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
  const replay::EdgeProfile profile(*source);
  print(profile, *out, rows);
  out->finish();
  return tell_of(*source);
}

}  // namespace lastbranch::cli
