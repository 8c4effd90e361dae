#include "models/pmu/events.h"

#include <algorithm>
#include <iterator>

namespace lastbranch::pmu {
namespace {

constexpr Event kEvents[] = {
#include "models/pmu/event_rows.inc"
};
/// Rows by code; of those with one code, the best to show first.
constexpr u16 kByCode[] = {
#include "models/pmu/event_codes.inc"
};
static_assert(std::size(kByCode) == std::size(kEvents));
static_assert(std::ranges::is_sorted(kEvents, {}, &Event::name));
static_assert(std::ranges::is_sorted(kByCode, {}, [](u16 row) { return kEvents[row].select; }));

// Type and config of perf's generic events: PERF_TYPE_HARDWARE with PERF_COUNT_HW_*, and PERF_TYPE_HW_CACHE
// with cache | operation << 8 | result << 16.
constexpr u32 kHardware = 0;
constexpr u32 kHwCache = 3;

constexpr Alias kAliases[] = {
    {"cycles", "cpu_clk_unhalted.thread", kHardware, 0},
    {"cpu-cycles", "cpu_clk_unhalted.thread", kHardware, 0},
    {"instructions", "inst_retired.any", kHardware, 1},
    {"cache-references", "longest_lat_cache.reference", kHardware, 2},
    {"cache-misses", "longest_lat_cache.miss", kHardware, 3},
    {"branches", "br_inst_retired.all_branches", kHardware, 4},
    {"branch-instructions", "br_inst_retired.all_branches", kHardware, 4},
    {"branch-misses", "br_misp_retired.all_branches", kHardware, 5},
    {"bus-cycles", "", kHardware, 6},
    {"ref-cycles", "", kHardware, 9},
    {"L1-dcache-loads", "", kHwCache, 0x000000},
    {"L1-dcache-load-misses", "l1d.replacement", kHwCache, 0x010000},
    {"L1-dcache-stores", "", kHwCache, 0x000100},
};

/// Aliases whose event has another name on each list: the first that exists.
struct Choice {
  std::string_view alias;
  std::array<std::string_view, 3> events;
};
constexpr Choice kChoices[] = {
    {"bus-cycles", {"cpu_clk_unhalted.ref_xclk", "cpu_clk_unhalted.ref_p", ""}},
    {"ref-cycles", {"cpu_clk_unhalted.ref_tsc", "cpu_clk_unhalted.ref", ""}},
    {"L1-dcache-loads",
     {"mem_inst_retired.all_loads", "mem_uops_retired.all_loads", "mem_inst_retired.loads"}},
    {"L1-dcache-stores",
     {"mem_inst_retired.all_stores", "mem_uops_retired.all_stores", "mem_inst_retired.stores"}},
};

constexpr char folded(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c;
}

bool same_alias(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c == '_' ? '-' : folded(c); };
  return std::ranges::equal(a, b, {}, fold, fold);
}

/// Upper case counts as lower case.
struct FoldedLess {
  bool operator()(std::string_view a, std::string_view b) const {
    return std::ranges::lexicographical_compare(a, b, {}, folded, folded);
  }
};

const Event* find_event(EventList list, std::string_view name) {
  const FoldedLess less;
  for (const Event* e = std::ranges::lower_bound(kEvents, name, less, &Event::name);
       e != std::end(kEvents) && !less(name, e->name); ++e) {
    if (e->exists(list)) return e;
  }
  return nullptr;
}

const Event* find_code(EventList list, Code code) {
  const auto select = [](u16 row) { return kEvents[row].select; };
  for (const u16* row = std::ranges::lower_bound(kByCode, code, {}, select);
       row != std::end(kByCode) && select(*row) == code; ++row) {
    if (kEvents[*row].exists(list)) return &kEvents[*row];
  }
  return nullptr;
}

const Event* find_anywhere(EventList list, std::string_view name) {
  const Event* own = find_event(list, name);
  return own != nullptr ? own : find_event(EventList::kArchitectural, name);
}

}  // namespace

std::span<const Event> events() {
  return kEvents;
}

std::span<const Alias> aliases() {
  return kAliases;
}

const Alias* find_alias(std::string_view name) {
  const auto found = std::ranges::find_if(kAliases, [&](const Alias& a) { return same_alias(a.name, name); });
  return found == std::end(kAliases) ? nullptr : found;
}

const Event* find(EventList list, std::string_view name) {
  const Alias* alias = find_alias(name);
  if (alias == nullptr) return find_anywhere(list, name);
  if (!alias->event.empty()) return find_anywhere(list, alias->event);
  for (const Choice& choice : kChoices) {
    if (choice.alias != alias->name) continue;
    for (const std::string_view event : choice.events) {
      if (const Event* e = find_event(list, event)) return e;
    }
    for (const std::string_view event : choice.events) {
      if (const Event* e = find_event(EventList::kArchitectural, event)) return e;
    }
  }
  return nullptr;
}

const Event* find(EventList list, Code code) {
  if (code == kNoCode) return nullptr;
  const Event* own = find_code(list, code);
  return own != nullptr ? own : find_code(EventList::kArchitectural, code);
}

std::string state_text(const Event& event, const FactSet& facts) {
  switch (event.state(facts)) {
    case EventState::kSupplied:
      return "supplied";
    case EventState::kWaiting:
      return "waits for " + std::string(name_of(*event.formula.missing(facts)));
    case EventState::kNotModelled:
      break;
  }
  return "not modelled";
}

}  // namespace lastbranch::pmu
