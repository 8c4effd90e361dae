#include "sim/replay/report_json.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "sim/replay/report_text.h"

namespace lastbranch::replay {
namespace {

namespace json = boost::json;

constexpr std::size_t kEdgesWritten = 100;

std::string hex(u64 address) {
  return fmt::format("{:#x}", address);
}

json::string text(std::string_view s) {
  const std::string clean = printable(s);
  return json::string(clean);
}

json::array strings(const std::vector<std::string>& lines) {
  json::array out;
  for (const std::string& line : lines) out.emplace_back(text(line));
  return out;
}

json::object check_json(Check check, const Tally& tally) {
  json::object causes;
  for (std::size_t c = 0; c < tally.causes.size(); ++c) {
    if (tally.causes.at(c) != 0) causes[name_of(static_cast<Cause>(c))] = tally.causes.at(c);
  }
  return {{"check", text(name_of(check))}, {"held", tally.held}, {"causes", std::move(causes)}};
}

json::object example_json(const Example& e) {
  return {{"check", text(name_of(e.check))},
          {"cause", text(name_of(e.cause))},
          {"sample", e.sample},
          {"entry", e.entry},
          {"from", hex(e.from)},
          {"to", hex(e.to)},
          {"words", text(e.words)}};
}

json::object edge_json(const BlamedEdge& e) {
  return {{"from", hex(e.from)},
          {"to", hex(e.to)},
          {"count", e.count},
          {"check", text(name_of(e.check))},
          {"cause", text(name_of(e.cause))}};
}

}  // namespace

std::string report_json(const Report& r) {
  json::array checks, examples, edges;
  for (std::size_t c = 0; c < r.checks.size(); ++c) {
    const auto check = static_cast<Check>(c);
    if (r.made(check)) checks.push_back(check_json(check, r[check]));
  }
  for (const Example& e : r.examples) examples.push_back(example_json(e));
  for (const BlamedEdge& e : r.worst_edges(kEdgesWritten)) edges.push_back(edge_json(e));
  const json::object samples = {{"with_stacks", r.samples},   {"without_stacks", r.samples_without},
                                {"entries", r.entries},       {"duplicated_tops", r.duplicated_tops},
                                {"zero_tails", r.zero_tails}, {"shortened", r.shortened},
                                {"joined", r.joined},         {"ambiguous", r.ambiguous}};
  const json::object all = {{"schema", "lastbranch-replay"},
                            {"version", kReportSchemaVersion},
                            {"capture", text(r.capture)},
                            {"processor", text(r.processor)},
                            {"chosen_by", text(r.chosen_by)},
                            {"recorded", text(r.recorded)},
                            {"foreign", r.foreign},
                            {"agrees", !r.foreign && r.agrees()},
                            {"verdict", text(verdict(r))},
                            {"samples", samples},
                            {"checks", std::move(checks)},
                            {"worst_edges", std::move(edges)},
                            {"examples", std::move(examples)},
                            {"edited", strings(r.edited)},
                            {"notes", strings(r.notes)}};
  return json::serialize(all) + '\n';
}

}  // namespace lastbranch::replay
