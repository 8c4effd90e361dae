#include "apps/lastbranch/stat_format.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace lastbranch::cli {
namespace {

namespace json = boost::json;

double seconds(const StatResult& result) {
  return static_cast<double>(result.machine.now_ns()) / 1e9;
}

double ratio(u64 a, u64 b) {
  return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
}

double instructions_per_cycle(const StatResult& result) {
  return ratio(result.machine.instructions(), result.machine.cycles());
}

/// 1234567 -> "1,234,567".
std::string grouped(u64 value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

struct Metric {
  double value = 0;
  std::string unit;
};

/// perf's number beside the count: instructions per cycle, clock rate, or events per second.
Metric metric(const StatResult& result, const StatRow& row) {
  if (!row.value || result.machine.now_ns() == 0) return {};
  const std::string_view name = row.spec.event->name;
  if (name.starts_with("inst_retired.any")) {
    return {ratio(*row.value, result.machine.cycles()), "insn per cycle"};
  }
  const double rate = static_cast<double>(*row.value) / seconds(result);
  if (name.starts_with("cpu_clk_unhalted.")) return {rate / 1e9, "GHz"};
  if (rate >= 1e9) return {rate / 1e9, "G/sec"};
  if (rate >= 1e6) return {rate / 1e6, "M/sec"};
  if (rate >= 1e3) return {rate / 1e3, "K/sec"};
  return {rate, "/sec"};
}

std::string header(const StatResult& result) {
  const cpu::Uarch& part = result.machine.uarch();
  return fmt::format("# lastbranch {}: {} ({}), {:.2f} GHz, {} last-branch records\n", LASTBRANCH_VERSION,
                     part.name, part.brand, static_cast<double>(part.frequency_hz) / 1e9, part.lbr.depth);
}

json::array strings(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

json::array events(const StatResult& result) {
  json::array out;
  for (const StatRow& row : result.rows) {
    json::object event{
        {"event", row.spec.text}, {"supported", row.value || row.percent == 0}, {"percent", row.percent}};
    event["value"] = row.value ? json::value(*row.value) : json::value(nullptr);
    out.push_back(std::move(event));
  }
  return out;
}

}  // namespace

std::string stat_text(const StatResult& result) {
  std::string text = header(result);
  text += fmt::format("\n Performance counter stats for '{}':\n\n", fmt::join(result.program, " "));
  for (const StatRow& row : result.rows) {
    if (!row.value) {
      text += fmt::format("{:>18}      {}\n", row.missing(), row.spec.text);
      continue;
    }
    const Metric m = metric(result, row);
    text +=
        fmt::format("{:>18}      {:<25} #{:>9.3f} {}", grouped(*row.value), row.spec.text, m.value, m.unit);
    // As perf says it of events that took turns on the counters.
    text += row.percent < 100 ? fmt::format("  ({:.2f}%)\n", row.percent) : "\n";
  }
  text += fmt::format("\n{:>18.9f} seconds simulated: {} instructions, {:.2f} per cycle\n\n", seconds(result),
                      grouped(result.machine.instructions()), instructions_per_cycle(result));
  return text;
}

std::string stat_fields(const StatResult& result, std::string_view separator) {
  const std::string_view s = separator == "\\t" ? "\t" : separator;
  std::string text;
  for (const StatRow& row : result.rows) {
    if (!row.value) {
      text += fmt::format("{}{s}{s}{}{s}0{s}{:.2f}{s}{s}\n", row.missing(), row.spec.text, row.percent,
                          fmt::arg("s", s));
      continue;
    }
    const Metric m = metric(result, row);
    const auto ran = static_cast<u64>(static_cast<double>(result.machine.now_ns()) * row.percent / 100 + 0.5);
    text += fmt::format("{}{s}{s}{}{s}{}{s}{:.2f}{s}{:.3f}{s}{}\n", *row.value, row.spec.text, ran,
                        row.percent, m.value, m.unit, fmt::arg("s", s));
  }
  return text;
}

std::string stat_json(const StatResult& result) {
  const Machine& machine = result.machine;
  json::object configuration;
  for (const auto& [field, value] : machine.configuration()) configuration[field] = value;
  const json::object object{
      {"version", LASTBRANCH_VERSION},
      {"program", strings(result.program)},
      {"outcome",
       {{"how", result.ending.how()},
        {"status", result.ending.outcome.status},
        {"exit_status", result.ending.exit_status()}}},
      {"instructions", machine.instructions()},
      {"cycles", machine.cycles()},
      {"time_ns", machine.now_ns()},
      {"instructions_per_cycle", instructions_per_cycle(result)},
      {"events", events(result)},
      {"notes", strings(result.notes)},
      {"configuration", std::move(configuration)},
  };
  return json::serialize(object) + "\n";
}

}  // namespace lastbranch::cli
