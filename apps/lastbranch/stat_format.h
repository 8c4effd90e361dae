#pragma once
/// The three ways in which stat prints its result.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/lastbranch/simulation.h"
#include "models/pmu/event_spec.h"
#include "sim/machine/machine.h"

namespace lastbranch::cli {

struct StatRow {
  pmu::EventSpec spec;
  std::optional<u64> value;  ///< estimated where the event had a counter for part of the time; nothing when
                             ///< no model supplies it, or it never had a counter (`percent` 0)
  double percent = 100;      ///< of the time on a counter

  [[nodiscard]] std::string_view missing() const {
    return percent == 0 ? "<not counted>" : "<not supported>";
  }
};

struct StatResult {
  std::vector<std::string> program;
  std::vector<StatRow> rows;
  const Machine& machine;
  Ending ending;
  std::vector<std::string> notes;
};

/// For people, laid out as perf stat does.
[[nodiscard]] std::string stat_text(const StatResult& result);
/// Lines of value, unit, event, run time (simulated ns), percentage of it counted, metric and its unit, as
/// perf stat -x has them. `separator` "\t", two characters, is a tabulator.
[[nodiscard]] std::string stat_fields(const StatResult& result, std::string_view separator);
/// One JSON object on one line: docs/cli.md tells its members.
[[nodiscard]] std::string stat_json(const StatResult& result);

}  // namespace lastbranch::cli
