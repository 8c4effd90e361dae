#include "apps/lastbranch/compare_stat.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_map>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "apps/lastbranch/machine_options.h"
#include "apps/lastbranch/table.h"
#include "sim/base/error.h"
#include "sim/replay/report_text.h"

namespace lastbranch::cli {
namespace {

namespace json = boost::json;
using replay::StatCount;

/// The event that a name stands for, whatever its spelling and modifiers; a name that the part does not know
/// stands for itself.
std::string meaning(const cpu::Uarch& part, const std::string& name) {
  try {
    return std::string(parse_event_lists(part, std::span(&name, 1)).at(0).event->name);
  } catch (const Error&) {
    return name.substr(0, name.find(':'));
  }
}

std::optional<double> ratio(const std::optional<StatCount>& a, const std::optional<StatCount>& b) {
  if (!a || !b || !a->value || !b->value || *a->value == 0) return std::nullopt;
  return *b->value / *a->value;
}

StatPair pair_of(std::optional<StatCount> a, std::optional<StatCount> b) {
  StatPair pair{std::move(a), std::move(b), {}};
  pair.ratio = ratio(pair.a, pair.b);
  if (pair.ratio) {
    constexpr double kNormal = 1.96 / 100;
    pair.ratio_reach = *pair.ratio * kNormal * std::hypot(pair.a->variance_percent, pair.b->variance_percent);
  }
  return pair;
}

std::string value_text(const std::optional<StatCount>& count) {
  if (!count) return "-";
  if (!count->value) return "<not counted>";
  std::string text = fmt::format("{:.10g}", *count->value);
  if (count->variance_percent != 0) text += fmt::format(" ±{:.2f}%", count->variance_percent);
  if (count->running_percent < 100) text += fmt::format(" ({:.1f}% of the time)", count->running_percent);
  return text;
}

std::string ratio_text(const StatPair& pair) {
  if (!pair.ratio) return "-";
  if (pair.ratio_reach == 0) return fmt::format("{:.4f}", *pair.ratio);
  return fmt::format("{:.4f} ±{:.4f}", *pair.ratio, pair.ratio_reach);
}

std::string event_text(const StatPair& pair) {
  if (!pair.a) return pair.b->event;
  return pair.b && pair.b->event != pair.a->event ? pair.a->event + " = " + pair.b->event : pair.a->event;
}

json::value json_of(const std::optional<StatCount>& count) {
  if (!count) return nullptr;
  return json::object{{"event", replay::printable(count->event)},
                      {"value", count->value ? json::value(*count->value) : json::value(nullptr)},
                      {"variance_percent", count->variance_percent},
                      {"running_percent", count->running_percent}};
}

}  // namespace

StatComparison compare_stats(const replay::StatFile& a, const replay::StatFile& b, const cpu::Uarch& part) {
  StatComparison out{a.path, b.path, {}};
  std::vector<bool> paired(b.counts.size());
  std::vector<std::optional<StatCount>> partners(a.counts.size());
  // By what is the same on both sides; of several in B the first.
  const auto pair_by = [&](auto key) {
    std::unordered_map<std::string, std::vector<std::size_t>> places;  // the first at the end
    for (std::size_t i = b.counts.size(); i-- != 0;) {
      if (!paired[i]) places[key(b.counts[i].event)].push_back(i);
    }
    for (std::size_t i = 0; i < a.counts.size(); ++i) {
      if (partners[i]) continue;
      const auto found = places.find(key(a.counts[i].event));
      if (found == places.end() || found->second.empty()) continue;
      const std::size_t place = found->second.back();
      found->second.pop_back();
      paired[place] = true;
      partners[i] = b.counts[place];
    }
  };
  pair_by([](const std::string& name) { return name; });
  pair_by([&](const std::string& name) { return meaning(part, name); });
  for (std::size_t i = 0; i < a.counts.size(); ++i) out.rows.push_back(pair_of(a.counts[i], partners[i]));
  for (std::size_t i = 0; i < paired.size(); ++i) {
    if (!paired[i]) out.rows.push_back(pair_of(std::nullopt, b.counts[i]));
  }
  return out;
}

std::string stat_comparison_text(const StatComparison& comparison) {
  Table table{{"event", "A", "B", "B / A"}, {}};
  for (const StatPair& pair : comparison.rows) {
    table.rows.push_back({event_text(pair), value_text(pair.a), value_text(pair.b), ratio_text(pair)});
  }
  return fmt::format("A  {}\nB  {}\n\n{}", comparison.path_a, comparison.path_b, table.text());
}

std::string stat_comparison_json(const StatComparison& comparison) {
  json::array rows;
  for (const StatPair& pair : comparison.rows) {
    rows.push_back(json::object{{"a", json_of(pair.a)},
                                {"b", json_of(pair.b)},
                                {"ratio", pair.ratio ? json::value(*pair.ratio) : json::value(nullptr)},
                                {"ratio_reach", pair.ratio_reach}});
  }
  const json::object object{
      {"schema", "lastbranch-compare-stat-1"},
      {"paths", json::array{replay::printable(comparison.path_a), replay::printable(comparison.path_b)}},
      {"rows", std::move(rows)}};
  return json::serialize(object) + "\n";
}

}  // namespace lastbranch::cli
