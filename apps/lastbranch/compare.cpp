// lastbranch compare: two captures, or two files of counts, side by side.
#include "sim/replay/compare.h"

#include <cmath>
#include <memory>
#include <span>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/command.h"
#include "apps/lastbranch/compare_stat.h"
#include "apps/lastbranch/file_options.h"
#include "apps/lastbranch/machine_options.h"
#include "apps/lastbranch/symbolizer.h"
#include "apps/lastbranch/table.h"
#include "sim/base/error.h"
#include "sim/replay/report_text.h"
#include "sim/replay/stat_file.h"

namespace lastbranch::cli {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;
using replay::Both;
using replay::Comparison;
using replay::Estimate;

constexpr u64 kDefaultRows = 20;

Syntax compare_syntax() {
  Syntax syntax{.command = "compare",
                .usage = "[options] A B",
                .summary =
                    "Compares the branches of two captures (perf.data, text of perf script, simulated or "
                    "not), or two files of perf stat -x."};
  syntax.options.add_options()  //
      ("rows,n", po::value<std::string>()->value_name("N"),
       fmt::format("rows of each table (default: {})", kDefaultRows).c_str())                //
      ("json", po::value<std::string>()->value_name("FILE"), "also write all rows as JSON")  //
      ("keep-going", "of a damaged file, compare what comes before the damage")              //
      ("output,o", po::value<std::string>()->value_name("FILE"), "file to write (default: standard output)");
  add_part_options(syntax.options);
  add_help_option(syntax.options);
  return syntax;
}

std::string share_text(const Estimate& e) {
  return fmt::format("{:.2f}% ±{:.2f}", 100 * e.value, 50 * (e.high - e.low));
}

std::string share_text(const std::optional<Estimate>& e) {
  return e ? share_text(*e) : "-";
}

std::string cycles_text(const std::optional<Estimate>& e) {
  if (!e) return "-";
  if (std::isinf(e->high)) return fmt::format("{:.1f} ±?", e->value);
  return fmt::format("{:.1f} ±{:.1f}", e->value, (e->high - e->low) / 2);
}

std::string difference_text(const Both<Estimate>& share) {
  return fmt::format("{:+.2f}{}", 100 * (share[1].value - share[0].value),
                     share[0].apart_from(share[1]) ? "*" : "");
}

std::string place_text(Symbolizer& symbols, const replay::NamedPlace& place) {
  return place.file.empty() ? place.words() : symbols.describe(place.file, place.offset);
}

std::string side_text(char letter, const replay::Side& side) {
  std::string text = fmt::format("{}  {}: {} samples, {} branches, {} different", letter, side.path,
                                 side.samples, side.branches, side.edges);
  if (side.halves) text += fmt::format("; its halves overlap by {:.3f}", *side.halves);
  return text + "\n";
}

template <typename Row>
std::span<const Row> first_rows(const std::vector<Row>& rows, u64 count) {
  return std::span(rows).first(std::min<std::size_t>(rows.size(), count));
}

std::string comparison_text(const Comparison& c, u64 rows) {
  Symbolizer symbols;
  std::string text = side_text('A', c.sides[0]) + side_text('B', c.sides[1]);
  text += fmt::format("overlap (weighted Jaccard index of the edges): {:.3f}, between {:.3f} and {:.3f}\n",
                      c.overlap.value, c.overlap.low, c.overlap.high);
  for (const std::string& note : c.notes) text += "note: " + note + "\n";

  Table edges{
      {"B - A", "share A", "share B", "missed A", "missed B", "cycles A", "cycles B", "branch -> target"},
      {}};
  for (const replay::EdgeRow& row : first_rows(c.edges, rows)) {
    edges.rows.push_back({difference_text(row.share), share_text(row.share[0]), share_text(row.share[1]),
                          share_text(row.missed[0]), share_text(row.missed[1]), cycles_text(row.cycles[0]),
                          cycles_text(row.cycles[1]),
                          place_text(symbols, row.from) + " -> " + place_text(symbols, row.to)});
  }
  text +=
      "\nEdges whose shares differ most (±: 95 % intervals; *: more than sampling scatters)\n" + edges.text();

  Table branches{{"B - A", "share A", "share B", "missed A", "missed B", "targets A", "targets B", "branch"},
                 {}};
  for (const replay::BranchRow& row : first_rows(c.branches, rows)) {
    branches.rows.push_back({difference_text(row.share), share_text(row.share[0]), share_text(row.share[1]),
                             share_text(row.missed[0]), share_text(row.missed[1]),
                             fmt::to_string(row.targets[0]), fmt::to_string(row.targets[1]),
                             place_text(symbols, row.at)});
  }
  return text + "\nBranches likewise\n" + branches.text();
}

json::value json_of(const std::optional<Estimate>& e) {
  if (!e) return nullptr;
  const bool known = !std::isinf(e->high);
  return json::object{
      {"value", e->value}, {"low", e->low}, {"high", known ? json::value(e->high) : json::value(nullptr)}};
}

template <typename T, typename Function>
json::array json_of(const Both<T>& both, Function each) {
  return {each(both[0]), each(both[1])};
}

json::array json_of(const Both<std::optional<Estimate>>& both) {
  return {json_of(both[0]), json_of(both[1])};
}

json::array json_of(const Both<Estimate>& both) {
  return {json_of(std::optional(both[0])), json_of(std::optional(both[1]))};
}

json::array json_of(const Both<u64>& both) {
  return {both[0], both[1]};
}

json::object json_of(const replay::NamedPlace& place) {
  return {{"file", replay::printable(place.file)}, {"offset", fmt::format("{:#x}", place.offset)}};
}

json::object json_of(const replay::Side& side) {
  return {{"path", replay::printable(side.path)},
          {"samples", side.samples},
          {"branches", side.branches},
          {"edges", side.edges},
          {"halves", side.halves ? json::value(*side.halves) : json::value(nullptr)}};
}

/// Version 1 of the schema; docs/compare.md tells its members.
std::string comparison_json(const Comparison& c) {
  json::array edges, branches, notes;
  for (const std::string& note : c.notes) notes.emplace_back(replay::printable(note));
  for (const replay::EdgeRow& row : c.edges) {
    edges.push_back(json::object{{"from", json_of(row.from)},
                                 {"to", json_of(row.to)},
                                 {"taken", json_of(row.taken)},
                                 {"share", json_of(row.share)},
                                 {"missed", json_of(row.missed)},
                                 {"cycles", json_of(row.cycles)}});
  }
  for (const replay::BranchRow& row : c.branches) {
    branches.push_back(json::object{{"at", json_of(row.at)},
                                    {"targets", json_of(row.targets)},
                                    {"taken", json_of(row.taken)},
                                    {"share", json_of(row.share)},
                                    {"missed", json_of(row.missed)}});
  }
  const json::object object{{"schema", "lastbranch-compare-1"},
                            {"sides", json::array{json_of(c.sides[0]), json_of(c.sides[1])}},
                            {"overlap", json_of(std::optional(c.overlap))},
                            {"edges", std::move(edges)},
                            {"branches", std::move(branches)},
                            {"notes", std::move(notes)}};
  return json::serialize(object) + "\n";
}

}  // namespace

int compare_command(const std::vector<std::string>& words) {
  const Syntax syntax = compare_syntax();
  const Arguments arguments = parse_arguments(syntax, words);
  if (show_help(syntax, arguments)) return kSuccess;
  const std::vector<std::string>& paths = arguments.words();
  if (paths.size() != 2) {
    throw Error("compare: expected two files, A and B, found {}", paths.size());
  }
  const Both<bool> counts = {replay::is_stat_file(paths[0]), replay::is_stat_file(paths[1])};
  if (counts[0] != counts[1]) {
    throw Error(
        "compare: expected two captures or two files of counts, found counts in {} and a capture in {}",
        paths[counts[0] ? 0 : 1], paths[counts[0] ? 1 : 0]);
  }
  using Names = std::vector<const char*>;
  for (const char* option : counts[0] ? Names{"rows", "keep-going"} : Names{"uarch", "lbr-depth", "set"}) {
    if (!arguments.has(option)) continue;
    throw Error("compare: --{}: expected two {}, found {} and {}", option,
                counts[0] ? "captures" : "files of counts", paths[0], paths[1]);
  }
  const auto out = output_or_stdout(arguments);
  // Created before any work, so that a bad name is told at once.
  const auto json = arguments.has("json") ? std::make_unique<Output>(arguments.text("json")) : nullptr;
  if (counts[0]) {
    const StatComparison comparison =
        compare_stats(replay::read_stat_file(paths[0]), replay::read_stat_file(paths[1]), part(arguments));
    out->write(replay::printable(stat_comparison_text(comparison)));
    if (json) json->write(stat_comparison_json(comparison));
  } else {
    const u64 rows = arguments.has("rows") ? arguments.number("rows", 1) : kDefaultRows;
    const Comparison comparison =
        replay::compare_files(paths[0], paths[1], {.keep_going = arguments.has("keep-going")});
    out->write(replay::printable(comparison_text(comparison, rows)));
    if (json) json->write(comparison_json(comparison));
  }
  out->finish();
  if (json) json->finish();
  return kSuccess;
}

}  // namespace lastbranch::cli
