#pragma once
/// Counts of a real host beside simulated ones, event by event.
#include <optional>
#include <string>
#include <vector>

#include "models/cpu/uarch/uarch.h"
#include "sim/replay/stat_file.h"

namespace lastbranch::cli {

struct StatPair {
  std::optional<replay::StatCount> a, b;  ///< nothing: that file has no such event
  std::optional<double> ratio;            ///< B by A; nothing where either has no count, or A is 0
  /// 95 % of the ratio, by the variance of repeated runs; 0: no run was repeated.
  double ratio_reach = 0;
};

struct StatComparison {
  std::string path_a, path_b;
  std::vector<StatPair> rows;  ///< in the order of A, then what only B has
};

/// Pairs events of one name, and after that those that are one event of `part` under two names ("cycles:u",
/// "cpu_clk_unhalted.thread").
[[nodiscard]] StatComparison compare_stats(const replay::StatFile& a, const replay::StatFile& b,
                                           const cpu::Uarch& part);
[[nodiscard]] std::string stat_comparison_text(const StatComparison& comparison);
[[nodiscard]] std::string stat_comparison_json(const StatComparison& comparison);

}  // namespace lastbranch::cli
