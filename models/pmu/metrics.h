#pragma once
// Top-down metrics, levels 1 and 2: where a core's issue slots went, as formulas over events.
//
// Modelled: the published formulas of Sandy Bridge to Broadwell, Skylake to Cascade Lake, Ice Lake, Golden
// Cove (whose PERF_METRICS fields are facts here), level 1 of Gracemont; one thread, so that no count is
// halved. Their values come when something supplies the facts: until then each names the one it waits for.
// Not: Nehalem, which has no event for the slots its front end left empty; Sandy Bridge's memory and core
// bound, for which its list has no stall event. Sources: A. Yasin, "A Top-Down Method for Performance
// Analysis and Counters Architecture", ISPASS 2014; metrics files of github.com/intel/perfmon (TMA 5.0
// to 5.2) for formulas and thresholds.
#include <optional>
#include <span>
#include <string_view>

#include "models/pmu/events.h"
#include "sim/base/facts.h"
#include "sim/base/pmu_params.h"

namespace lastbranch::pmu {

/// What a metric reads: counts of a part's events, and facts. Remembers what was asked for and nobody
/// supplies.
class MetricInputs {
 public:
  /// `facts` must outlive it.
  MetricInputs(EventList list, const FactCounts& facts, const FactSet& supplied)
      : list_(list), facts_(&facts), supplied_(supplied) {}

  /// The count of an event that the part has and that has a formula of its own.
  [[nodiscard]] double operator()(std::string_view event);
  [[nodiscard]] double operator()(Ev fact);
  [[nodiscard]] std::optional<Ev> missing() const { return missing_; }

 private:
  EventList list_;
  const FactCounts* facts_;
  FactSet supplied_;
  std::optional<Ev> missing_;
};

struct Metric {
  std::string_view name;
  std::string_view description;
  unsigned level = 0;
  std::string_view parent;                          ///< metric of the level above; empty at level 1
  double threshold = 0;                             ///< worth a look above this fraction of the slots
  ListSet lists = 0;                                ///< parts that have it, by this formula
  double (*value)(MetricInputs& inputs) = nullptr;  ///< fraction of the slots
};

/// All metrics of all parts, level by level. A name occurs once for each formula.
[[nodiscard]] std::span<const Metric> metrics();
/// The metric of that name on parts with this list, or nullptr.
[[nodiscard]] const Metric* find_metric(EventList list, std::string_view name);

struct MetricValue {
  std::optional<double> value;  ///< fraction; none when a fact is missing
  std::optional<Ev> missing;    ///< a fact that it waits for
  bool high = false;            ///< above the threshold, and its parent above its own
};

/// `metric` of a part with list `list` over these totals. `supplied` says which of them mean something.
[[nodiscard]] MetricValue evaluate(const Metric& metric, EventList list, const FactCounts& facts,
                                   const FactSet& supplied = FactSet::supplied());

}  // namespace lastbranch::pmu
