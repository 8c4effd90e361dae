#pragma once
// Which counters can count which events, and how many events fit on the counters at once.
//
// Modelled: the restrictions of each core's event lists, fixed counters for the events that have one, PEBS's
// own; a maximum matching that never drops an earlier event for a later one. Not modelled: what the other
// thread takes, counters that firmware or a watchdog took, offcore registers shared by two events.
// Sources: Linux 6.12 arch/x86/events/intel/core.c (event constraints); Intel's event lists
// (github.com/intel/perfmon), field Counter.
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "models/pmu/pebs_counters.h"
#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// Whose restrictions hold.
enum class ConstraintTable : u8 {
  kNone,
  kCore2,
  kNehalem,
  kSandyBridge,
  kIvyBridge,
  kHaswell,
  kBroadwell,
  kSkylake,
  kIceLake,
  kGoldenCove,
  kGracemont,
};

/// The table of parts with this event list; `uarch`, the record's name, tells apart those that share a list.
[[nodiscard]] ConstraintTable constraint_table(EventList events, std::string_view uarch);

/// One rule: selects `first`..`last`, a umask or any, and what those events may use.
struct Constraint {
  static constexpr u16 kAnyUmask = 0x100;
  u8 first;
  u8 last;
  u16 umask = kAnyUmask;
  u32 counters = 0;        ///< general counters, one bit each
  bool pebs_only = false;  ///< holds for counting with PEBS only
  u32 modifiers = 0;       ///< exactly these of edge, inv and cmask; 0: whatever they are
};
/// The rules in the order of precedence: the first that fits an event holds.
[[nodiscard]] std::span<const Constraint> constraints(ConstraintTable table);

/// An event that wants a counter.
struct CounterRequest {
  u64 select =
      0;  ///< as IA32_PERFEVTSELx, or the pseudo code of a fixed counter; 15:0, 18, 21, 23, 31:24 count
  bool pebs = false;  ///< sampled by PEBS
};

/// Counters of the part that can count the event, as bits of IA32_PERF_GLOBAL_CTRL. 0: none. Where the table
/// has no rule, the event list's own restriction holds.
[[nodiscard]] u64 allowed_counters(const PmuParams& params, ConstraintTable table,
                                   const CounterRequest& request);

/// The select by which a general counter counts what a fixed counter's pseudo code stands for; others as they
/// are.
[[nodiscard]] constexpr u64 general_select(u64 select) {
  switch (select & 0xffff) {
    case 0x0100:
      return (select & ~u64{0xffff}) | 0x00c0;
    case 0x0200:
      return (select & ~u64{0xffff}) | 0x003c;
    default:
      return select;
  }
}

/// A counter for each request, by their order; nullopt: it does not fit beside those before it. Fixed
/// counters are taken first, as Linux does.
[[nodiscard]] std::vector<std::optional<CounterBit>> schedule(const PmuParams& params, ConstraintTable table,
                                                              std::span<const CounterRequest> requests);

}  // namespace lastbranch::pmu
