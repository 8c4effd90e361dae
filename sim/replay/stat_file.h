#pragma once
/// Reads what `perf stat -x SEP` and `lastbranch stat -x SEP` print: counts of events.
/// Read: any one-character separator but '/', '%', '-', '_' and what numbers are made of, -I (intervals), -A
/// and --per-* (more than one line an event), -r (variance). Lines of one event are added up. Not read:
/// metrics' own lines (they hold no count), cgroups, JSON. Source: perf-stat(1), "CSV FORMAT"; what perf 6.1
/// prints.
#include <optional>
#include <string>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::replay {

struct StatCount {
  std::string event;             ///< as the file has it: "cycles:u"
  std::optional<double> value;   ///< nothing: never counted, or not supported
  double variance_percent = 0;   ///< standard error of a mean of repeated runs, by -r
  double running_percent = 100;  ///< smallest part of the time that it had a counter
  u64 lines = 0;
};

struct StatFile {
  std::string path;
  std::vector<StatCount> counts;  ///< in the order in which events first appear
  u64 metric_lines = 0;           ///< lines that hold a metric and no count
};

/// Whether the first line that is no comment looks like a count's.
[[nodiscard]] bool is_stat_file(const std::string& path);

/// Throws Error with file, line, expected and found when a line is neither a count, a metric, a comment nor
/// blank, and when there is no count.
[[nodiscard]] StatFile read_stat_file(const std::string& path);

}  // namespace lastbranch::replay
