#pragma once
// What `-e` takes: an event's name or code with modifiers, as perf spells them.
// Source: perf-list(1), "EVENT MODIFIERS" and "RAW HARDWARE EVENT DESCRIPTOR".
#include <string>
#include <string_view>
#include <vector>

#include "models/pmu/events.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// Contexts as a set: bit n is Ctx n.
using CtxSet = u8;
inline constexpr CtxSet kAllContexts = (1u << kCtxCount) - 1;

/// An event as somebody asked for it.
struct EventSpec {
  std::string text;              ///< as written: "br_inst_retired.near_taken:u"
  const Event* event = nullptr;  ///< never nullptr after parsing
  CtxSet contexts = kAllContexts;
  bool user_only = false;    ///< modifier u without k: perf_event_attr.exclude_kernel
  bool kernel_only = false;  ///< modifier k without u
  u8 precise = 0;            ///< number of p modifiers, 0..3; P counts as 3
  /// Event select with its cmask, inv, edge and any, as IA32_PERFEVTSELx has them; a fixed counter's pseudo
  /// code otherwise.
  Code select = 0;
  bool per_cycle = false;  ///< cmask, inv and edge of `select` apply to the event's formula cycle by cycle
  u32 perf_type = 4;       ///< perf_event_attr.type
  u64 perf_config = 0;     ///< perf_event_attr.config

  [[nodiscard]] bool supported() const { return event->supported(); }
};

/// Parses one event of a part with list `list`, named `part` in messages: "cycles:u",
/// "br_inst_retired.near_taken:pp", "r20c4", "cpu/event=0xc4,umask=0x20/u". A code may add cmask, inv, edge
/// and any to one of the lists. Throws Error when there is no such event, listing names that are close, or
/// when a modifier is unknown.
[[nodiscard]] EventSpec parse_event(EventList list, std::string_view part, std::string_view text);

/// Parses a list separated by commas; commas within cpu/.../ belong to the event. Throws as parse_event, and
/// when empty.
[[nodiscard]] std::vector<EventSpec> parse_events(EventList list, std::string_view part,
                                                  std::string_view text);

}  // namespace lastbranch::pmu
