// lastbranch report: which branches of a capture were taken most. perf report shows the rest.
#include <algorithm>
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
#include "sim/machine/recorder.h"
#include "sim/perfdata/capture_symbols.h"
#include "sim/replay/edge_profile.h"
#include "sim/replay/report_text.h"
#include "sim/user/vdso.h"

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
  explicit Places(const perfdata::Features& features)
      : symbols_(features), simulated_(features.version == kRecorderVersion) {}

  std::string describe(const replay::Place& place) {
    if (place.file == nullptr) return "[unknown]";
    if (place.file->kind == perfdata::MappingKind::kVdso && simulated_) {
      const std::string function = user::describe_vdso(place.offset);
      if (!function.empty()) return fmt::format("{} ({})", function, place.file->name);
    }
    return replay::printable(describe_place(symbols_.of(*place.file), place.file->name, place.offset));
  }
  [[nodiscard]] std::vector<std::string> notes() const { return symbols_.notes(); }

 private:
  perfdata::CaptureSymbols symbols_;
  bool simulated_;  // the capture's vDSO is ours
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

void print(const replay::EdgeProfile& profile, Places& places, Output& out, u64 most) {
  const std::vector<Row> rows = sorted_rows(profile);
  const u64 total = replay::total(profile.taken());
  out.write(fmt::format("{} branches in {} samples, {} different\n", total,
                        profile.samples() + profile.samples_without(), rows.size()));
  if (rows.empty()) return;
  out.write("  share  missed  branch -> target\n");
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
  Places places(source->features());
  print(profile, places, *out, rows);
  out->finish();
  for (const std::string& note : profile.notes()) complain(note);
  for (const std::string& note : places.notes()) complain(note);
  return tell_of(*source);
}

}  // namespace lastbranch::cli
