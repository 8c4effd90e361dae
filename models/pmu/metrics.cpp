#include "models/pmu/metrics.h"

#include <algorithm>

#include "sim/base/assert.h"

namespace lastbranch::pmu {
namespace {

using In = MetricInputs;

constexpr double kMost = 1.0;

double ratio(double a, double b) {
  return b == 0 ? 0 : a / b;
}
double at_least_0(double x) {
  return std::max(0.0, x);
}

// What the parts' formulas share.

double clocks(In& in) {
  return in("cpu_clk_unhalted.thread");
}
double mispredicted_part(In& in) {
  const double mispredicts = in("br_misp_retired.all_branches");
  return ratio(mispredicts, mispredicts + in("machine_clears.count"));
}
/// Of a level-2 node, what is left of its parent.
template <double (*Parent)(In&), double (*Sibling)(In&)>
double rest(In& in) {
  return at_least_0(Parent(in) - Sibling(in));
}

// Four slots a clock, counted at allocation: Sandy Bridge to Cascade Lake.
namespace four_wide {

constexpr double kWidth = 4;

double slots(In& in) {
  return kWidth * clocks(in);
}
double recovery(In& in) {
  return kWidth * in("int_misc.recovery_cycles");
}
double frontend(In& in) {
  return ratio(in("idq_uops_not_delivered.core"), slots(in));
}
double retiring(In& in) {
  return ratio(in("uops_retired.retire_slots"), slots(in));
}
double bad_speculation(In& in) {
  return ratio(in("uops_issued.any") - in("uops_retired.retire_slots") + recovery(in), slots(in));
}
double backend(In& in) {
  return kMost - frontend(in) - ratio(in("uops_issued.any") + recovery(in), slots(in));
}
double mispredicts(In& in) {
  return bad_speculation(in) * mispredicted_part(in);
}
double machine_clears(In& in) {
  return bad_speculation(in) - mispredicts(in);
}

}  // namespace four_wide

namespace haswell {

using namespace four_wide;

double fetch_latency(In& in) {
  const double cycles = in("idq_uops_not_delivered.cycles_0_uops_deliv.core");
  return ratio(kWidth * std::min(clocks(in), cycles), slots(in));
}
double fetch_bandwidth(In& in) {
  return frontend(in) - fetch_latency(in);
}
double heavy(In& in) {
  return ratio(in("uops_retired.retire_slots"), in("uops_issued.any")) * ratio(in("idq.ms_uops"), slots(in));
}
double light(In& in) {
  return retiring(in) - heavy(in);
}
/// Cycles in which execution, or the store buffer, held the core up.
double backend_cycles(In& in) {
  const double ipc = ratio(in("inst_retired.any"), clocks(in));
  const double three = in("uops_executed.core_cycles_ge_3");
  const double two = in("uops_executed.core_cycles_ge_2");
  const double few = in("uops_executed.core_cycles_ge_1") - (ipc > 1.8 ? three : two);
  const double empty = in("rs_events.empty_cycles");
  return std::min(clocks(in), in("cycle_activity.cycles_no_execute")) + few -
         (fetch_latency(in) > 0.1 ? empty : 0) + in("resource_stalls.sb");
}
double memory_bound(In& in) {
  const double cycles =
      std::min(clocks(in), in("cycle_activity.stalls_ldm_pending")) + in("resource_stalls.sb");
  return backend(in) * ratio(cycles, backend_cycles(in));
}
double core_bound(In& in) {
  return backend(in) - memory_bound(in);
}

}  // namespace haswell

/// Cycles in which execution held the core up, Skylake to Ice Lake.
double execution_cycles(In& in, double retiring) {
  return in("cycle_activity.stalls_total") + in("exe_activity.1_ports_util") +
         retiring * in("exe_activity.2_ports_util") + in("exe_activity.bound_on_stores");
}
double memory_part(In& in, double retiring) {
  return ratio(in("cycle_activity.stalls_mem_any") + in("exe_activity.bound_on_stores"),
               execution_cycles(in, retiring));
}

namespace skylake {

using namespace four_wide;

double fetch_latency(In& in) {
  return ratio(kWidth * in("idq_uops_not_delivered.cycles_0_uops_deliv.core"), slots(in));
}
double fetch_bandwidth(In& in) {
  return frontend(in) - fetch_latency(in);
}
double heavy(In& in) {
  return ratio(in("uops_retired.retire_slots") + in("uops_retired.macro_fused") - in("inst_retired.any"),
               slots(in));
}
double light(In& in) {
  return retiring(in) - heavy(in);
}
double memory_bound(In& in) {
  return backend(in) * memory_part(in, retiring(in));
}
double core_bound(In& in) {
  return backend(in) - memory_bound(in);
}

}  // namespace skylake

// The fields of MSR_PERF_METRICS are fractions of their sum.
namespace perf_metrics {

double sum(In& in) {
  return in(Ev::kSlotsFrontendBound) + in(Ev::kSlotsBackendBound) + in(Ev::kSlotsBadSpeculation) +
         in(Ev::kSlotsRetired);
}
template <Ev field>
double field_part(In& in) {
  return ratio(in(field), sum(in));
}
double slots(In& in) {
  return in("topdown.slots");
}
double dropped(In& in) {
  return ratio(in("int_misc.uop_dropping"), slots(in));
}
double frontend(In& in) {
  return field_part<Ev::kSlotsFrontendBound>(in) - dropped(in);
}
double retiring(In& in) {
  return field_part<Ev::kSlotsRetired>(in);
}

}  // namespace perf_metrics

namespace icelake {

using namespace perf_metrics;

constexpr double kWidth = 5;

double backend(In& in) {
  // A clear costs a cycle that the field calls bad speculation.
  return field_part<Ev::kSlotsBackendBound>(in) + ratio(kWidth * in("int_misc.clears_count"), slots(in));
}
double bad_speculation(In& in) {
  return at_least_0(kMost - frontend(in) - backend(in) - retiring(in));
}
double fetch_latency(In& in) {
  const double cycles = in("idq_uops_not_delivered.cycles_0_uops_deliv.core");
  return ratio(kWidth * cycles - in("int_misc.uop_dropping"), slots(in));
}
double mispredicts(In& in) {
  return bad_speculation(in) * mispredicted_part(in);
}
double memory_bound(In& in) {
  return backend(in) * memory_part(in, retiring(in));
}
double heavy(In& in) {
  const double microcode =
      ratio(in("uops_retired.slots"), in("uops_issued.any")) * ratio(in("idq.ms_uops"), slots(in));
  const double further = in("uops_decoded.dec0") - in(Ev::kDecoder0Cycles);
  return microcode + retiring(in) * ratio(further, in("idq.mite_uops"));
}

}  // namespace icelake

namespace golden_cove {

using namespace perf_metrics;

double backend(In& in) {
  return field_part<Ev::kSlotsBackendBound>(in);
}
double bad_speculation(In& in) {
  return at_least_0(kMost - frontend(in) - backend(in) - retiring(in));
}
double fetch_latency(In& in) {
  return field_part<Ev::kSlotsFetchLatency>(in) - dropped(in);
}

}  // namespace golden_cove

namespace gracemont {

constexpr double kWidth = 5;

double slots(In& in) {
  return kWidth * in("cpu_clk_unhalted.core");
}
double frontend(In& in) {
  return ratio(in("topdown_fe_bound.all"), slots(in));
}
double bad_speculation(In& in) {
  return ratio(in("topdown_bad_speculation.all"), slots(in));
}
double backend(In& in) {
  return ratio(in("topdown_be_bound.all"), slots(in));
}
double retiring(In& in) {
  return ratio(in("topdown_retiring.all"), slots(in));
}

}  // namespace gracemont

constexpr ListSet kSnb = only(EventList::kSandyBridge);
constexpr ListSet kHsw =
    only(EventList::kIvyBridge) | only(EventList::kHaswell) | only(EventList::kBroadwell);
constexpr ListSet kSkl =
    only(EventList::kSkylake) | only(EventList::kSkylakeX) | only(EventList::kCascadeLakeX);
constexpr ListSet kIcl = only(EventList::kIceLake) | only(EventList::kIceLakeX);
constexpr ListSet kGlc = only(EventList::kGoldenCove) | only(EventList::kSapphireRapids);
constexpr ListSet kGrt = only(EventList::kGracemont);

/// A node of the tree: everything but its formula is the same on all parts.
struct Node {
  std::string_view name, description;
  unsigned level;
  std::string_view parent;
  double threshold;
};
constexpr Node kFrontend = {"frontend_bound", "Slots empty because the front end did not fill them", 1, "",
                            0.15};
constexpr Node kBadSpeculation = {"bad_speculation", "Slots lost to uops thrown away and to recovery", 1, "",
                                  0.15};
constexpr Node kBackend = {"backend_bound", "Slots empty because the back end could take no uop", 1, "", 0.2};
constexpr Node kRetiring = {"retiring", "Slots whose uops retired", 1, "", 0.7};
constexpr Node kFetchLatency = {"fetch_latency", "In cycles without any uop from the front end", 2,
                                "frontend_bound", 0.1};
constexpr Node kFetchBandwidth = {"fetch_bandwidth", "In cycles with fewer uops than slots", 2,
                                  "frontend_bound", 0.2};
constexpr Node kMispredicts = {"branch_mispredicts", "Lost to mispredicted branches", 2, "bad_speculation",
                               0.1};
constexpr Node kMachineClears = {"machine_clears", "Lost to machine clears", 2, "bad_speculation", 0.1};
constexpr Node kMemoryBound = {"memory_bound", "Waiting for loads or for room for stores", 2, "backend_bound",
                               0.2};
constexpr Node kCoreBound = {"core_bound", "Waiting for execution other than memory's", 2, "backend_bound",
                             0.1};
constexpr Node kHeavy = {"heavy_operations", "Uops of instructions of two uops or more, or of microcode", 2,
                         "retiring", 0.1};
constexpr Node kLight = {"light_operations", "Uops of instructions of one uop", 2, "retiring", 0.6};

constexpr Metric on(ListSet lists, const Node& node, double (*value)(In&)) {
  return {node.name, node.description, node.level, node.parent, node.threshold, lists, value};
}

constexpr Metric kMetrics[] = {
    on(kSnb | kHsw | kSkl, kFrontend, four_wide::frontend),
    on(kIcl | kGlc, kFrontend, perf_metrics::frontend),
    on(kGrt, kFrontend, gracemont::frontend),
    on(kSnb | kHsw | kSkl, kBadSpeculation, four_wide::bad_speculation),
    on(kIcl, kBadSpeculation, icelake::bad_speculation),
    on(kGlc, kBadSpeculation, golden_cove::bad_speculation),
    on(kGrt, kBadSpeculation, gracemont::bad_speculation),
    on(kSnb | kHsw | kSkl, kBackend, four_wide::backend),
    on(kIcl, kBackend, icelake::backend),
    on(kGlc, kBackend, golden_cove::backend),
    on(kGrt, kBackend, gracemont::backend),
    on(kSnb | kHsw | kSkl, kRetiring, four_wide::retiring),
    on(kIcl | kGlc, kRetiring, perf_metrics::retiring),
    on(kGrt, kRetiring, gracemont::retiring),

    on(kSnb | kHsw, kFetchLatency, haswell::fetch_latency),
    on(kSkl, kFetchLatency, skylake::fetch_latency),
    on(kIcl, kFetchLatency, icelake::fetch_latency),
    on(kGlc, kFetchLatency, golden_cove::fetch_latency),
    on(kSnb | kHsw, kFetchBandwidth, haswell::fetch_bandwidth),
    on(kSkl, kFetchBandwidth, skylake::fetch_bandwidth),
    on(kIcl, kFetchBandwidth, rest<perf_metrics::frontend, icelake::fetch_latency>),
    on(kGlc, kFetchBandwidth, rest<perf_metrics::frontend, golden_cove::fetch_latency>),
    on(kSnb | kHsw | kSkl, kMispredicts, four_wide::mispredicts),
    on(kIcl, kMispredicts, icelake::mispredicts),
    on(kGlc, kMispredicts, perf_metrics::field_part<Ev::kSlotsMispredict>),
    on(kSnb | kHsw | kSkl, kMachineClears, four_wide::machine_clears),
    on(kIcl, kMachineClears, rest<icelake::bad_speculation, icelake::mispredicts>),
    on(kGlc, kMachineClears,
       rest<golden_cove::bad_speculation, perf_metrics::field_part<Ev::kSlotsMispredict>>),
    on(kHsw, kMemoryBound, haswell::memory_bound),
    on(kSkl, kMemoryBound, skylake::memory_bound),
    on(kIcl, kMemoryBound, icelake::memory_bound),
    on(kGlc, kMemoryBound, perf_metrics::field_part<Ev::kSlotsMemoryBound>),
    on(kHsw, kCoreBound, haswell::core_bound),
    on(kSkl, kCoreBound, skylake::core_bound),
    on(kIcl, kCoreBound, rest<icelake::backend, icelake::memory_bound>),
    on(kGlc, kCoreBound, rest<golden_cove::backend, perf_metrics::field_part<Ev::kSlotsMemoryBound>>),
    on(kSnb | kHsw, kHeavy, haswell::heavy),
    on(kSkl, kHeavy, skylake::heavy),
    on(kIcl, kHeavy, icelake::heavy),
    on(kGlc, kHeavy, perf_metrics::field_part<Ev::kSlotsHeavy>),
    on(kSnb | kHsw, kLight, haswell::light),
    on(kSkl, kLight, skylake::light),
    on(kIcl, kLight, rest<perf_metrics::retiring, icelake::heavy>),
    on(kGlc, kLight, rest<perf_metrics::retiring, perf_metrics::field_part<Ev::kSlotsHeavy>>),
};

bool is_high(const Metric& metric, EventList list, const FactCounts& facts, const FactSet& supplied) {
  In in(list, facts, supplied);
  const auto above = [&](const Metric& m) { return m.value(in) > m.threshold; };
  bool high = above(metric);
  if (metric.name == kRetiring.name) {
    // Many heavy operations are worth a look however much retires.
    const Metric* heavy = find_metric(list, kHeavy.name);
    high = high || (heavy != nullptr && above(*heavy));
  }
  if (!high || metric.parent.empty()) return high;
  return is_high(*find_metric(list, metric.parent), list, facts, supplied);
}

}  // namespace

double MetricInputs::operator()(std::string_view event) {
  const Event* e = find(list_, event);
  LASTBRANCH_ASSERT(e != nullptr && !e->formula.empty() && !e->per_cycle,
                    "metrics: expected an event with a formula of its own, found {}", event);
  if (const auto fact = e->formula.missing(supplied_); fact && !missing_) missing_ = fact;
  return static_cast<double>(e->formula.sum([&](Ev ev) { return (*facts_)[ev]; }));
}

double MetricInputs::operator()(Ev fact) {
  if (!supplied_.has(fact) && !missing_) missing_ = fact;
  return static_cast<double>((*facts_)[fact]);
}

std::span<const Metric> metrics() {
  return kMetrics;
}

const Metric* find_metric(EventList list, std::string_view name) {
  const auto found = std::ranges::find_if(
      kMetrics, [&](const Metric& m) { return m.name == name && (m.lists & only(list)) != 0; });
  return found == std::end(kMetrics) ? nullptr : found;
}

MetricValue evaluate(const Metric& metric, EventList list, const FactCounts& facts, const FactSet& supplied) {
  In in(list, facts, supplied);
  const double value = metric.value(in);
  if (in.missing()) return {.value = std::nullopt, .missing = in.missing()};
  return {.value = value, .missing = std::nullopt, .high = is_high(metric, list, facts, supplied)};
}

}  // namespace lastbranch::pmu
