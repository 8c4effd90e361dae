#include "models/pmu/events.h"

#include <algorithm>

namespace lastbranch::pmu {
namespace {

/// The codes by list: architectural, Nehalem, Sandy Bridge, Haswell, Skylake.
using Codes = std::array<Code, static_cast<std::size_t>(EventList::kCount)>;
constexpr Code kNone = kNoCode;

constexpr Codes everywhere(Code c) {
  return {c, c, c, c, c};
}
constexpr Codes since_nehalem(Code c) {
  return {kNone, c, c, c, c};
}
constexpr Codes since_sandybridge(Code c) {
  return {kNone, kNone, c, c, c};
}
constexpr Codes since_haswell(Code c) {
  return {kNone, kNone, kNone, c, c};
}
constexpr Codes skylake(Code c) {
  return {kNone, kNone, kNone, kNone, c};
}
constexpr Codes nehalem(Code c) {
  return {kNone, c, kNone, kNone, kNone};
}

constexpr Formula kNotModelled;
constexpr Formula kCondNotTaken = {{Ev::kCondBranches}, {Ev::kCondTaken, true}};

// clang-format off
constexpr Event kEvents[] = {
  // Instructions and clocks.
  {"inst_retired.any", "instructions retired (fixed counter)", everywhere(0x0100), Ev::kInstructions},
  {"inst_retired.any_p", "instructions retired", {0x00c0, 0x01c0, 0x00c0, 0x00c0, 0x00c0}, Ev::kInstructions},
  {"inst_retired.prec_dist", "instructions retired, sampled evenly", since_sandybridge(0x01c0), Ev::kInstructions},
  {"inst_retired.x87", "x87 instructions retired", {kNone, 0x02c0, kNone, 0x02c0, kNone}, Ev::kX87},
  {"inst_retired.nop", "NOP instructions retired", skylake(0x02c0), kNotModelled},
  {"cpu_clk_unhalted.thread", "core clocks while not halted (fixed counter)", everywhere(0x0200), Ev::kCycles},
  {"cpu_clk_unhalted.thread_p", "core clocks while not halted", everywhere(0x003c), Ev::kCycles},
  // The core runs at its base frequency, which is the TSC's.
  {"cpu_clk_unhalted.ref_tsc", "TSC clocks while not halted (fixed counter)",
   {0x0300, kNone, 0x0300, 0x0300, 0x0300}, Ev::kCycles},
  {"cpu_clk_unhalted.ref", "TSC clocks while not halted (fixed counter)", nehalem(0x0300), Ev::kCycles},
  {"cpu_clk_unhalted.ref_p", "bus clocks while not halted", {0x013c, 0x013c, kNone, kNone, kNone}, kNotModelled},
  {"cpu_clk_unhalted.ref_xclk", "crystal clocks while not halted", since_sandybridge(0x013c), kNotModelled},

  // Branches.
  {"br_inst_retired.all_branches", "branches retired", {0x00c4, 0x04c4, 0x00c4, 0x00c4, 0x00c4}, Ev::kBranches},
  {"br_inst_retired.all_branches_pebs", "branches retired, precise", since_sandybridge(0x04c4), Ev::kBranches},
  {"br_inst_retired.conditional", "conditional branches retired", since_nehalem(0x01c4), Ev::kCondBranches},
  {"br_inst_retired.cond", "conditional branches retired", skylake(0x01c4), Ev::kCondBranches},
  {"br_inst_retired.not_taken", "conditional branches retired, not taken", since_sandybridge(0x10c4), kCondNotTaken},
  {"br_inst_retired.cond_ntaken", "conditional branches retired, not taken", skylake(0x10c4), kCondNotTaken},
  {"br_inst_retired.near_call", "near calls retired", since_nehalem(0x02c4), Ev::kNearCalls},
  {"br_inst_retired.near_return", "near returns retired", since_sandybridge(0x08c4), Ev::kNearReturns},
  {"br_inst_retired.near_taken", "taken near branches retired", since_sandybridge(0x20c4), Ev::kTakenBranches},
  {"br_inst_retired.far_branch", "far branches retired", since_sandybridge(0x40c4), Ev::kFarBranches},

  // Mispredicted branches: with a predictor.
  {"br_misp_retired.all_branches", "mispredicted branches retired", everywhere(0x00c5), kNotModelled},
  {"br_misp_retired.all_branches_pebs", "mispredicted branches, precise", since_sandybridge(0x04c5), kNotModelled},
  {"br_misp_retired.conditional", "mispredicted conditional branches", since_sandybridge(0x01c5), kNotModelled},
  {"br_misp_retired.near_call", "mispredicted near calls", {kNone, 0x02c5, kNone, kNone, 0x02c5}, kNotModelled},
  {"br_misp_retired.near_taken", "mispredicted taken near branches", since_haswell(0x20c5), kNotModelled},

  // Retired memory instructions; Sandy Bridge to Broadwell count uops instead.
  {"mem_inst_retired.all_loads", "instructions retired that load", skylake(0x81d0), Ev::kLoads},
  {"mem_inst_retired.all_stores", "instructions retired that store", skylake(0x82d0), Ev::kStores},
  {"mem_inst_retired.any", "instructions retired that load or store", skylake(0x83d0), Ev::kMemory},
  {"mem_inst_retired.lock_loads", "locked instructions retired", skylake(0x21d0), Ev::kLocked},
  {"mem_inst_retired.loads", "instructions retired that load", nehalem(0x010b), Ev::kLoads},
  {"mem_inst_retired.stores", "instructions retired that store", nehalem(0x020b), Ev::kStores},
  {"mem_uops_retired.all_loads", "load uops retired", {kNone, kNone, 0x81d0, 0x81d0, kNone}, kNotModelled},
  {"mem_uops_retired.all_stores", "store uops retired", {kNone, kNone, 0x82d0, 0x82d0, kNone}, kNotModelled},

  // Caches and uops: with the timing model.
  {"longest_lat_cache.reference", "requests to the last-level cache", everywhere(0x4f2e), kNotModelled},
  {"longest_lat_cache.miss", "requests that missed the last-level cache", everywhere(0x412e), kNotModelled},
  {"mem_load_retired.l1_hit", "loads retired that hit the L1", skylake(0x01d1), kNotModelled},
  {"mem_load_retired.l1_miss", "loads retired that missed the L1", skylake(0x08d1), kNotModelled},
  {"mem_load_retired.l2_miss", "loads retired that missed the L2", skylake(0x10d1), kNotModelled},
  {"mem_load_retired.l3_miss", "loads retired that missed the L3", skylake(0x20d1), kNotModelled},
  {"l1d.replacement", "lines brought into the L1", since_sandybridge(0x0151), kNotModelled},
  {"uops_issued.any", "uops issued", since_nehalem(0x010e), kNotModelled},
  {"uops_retired.retire_slots", "retirement slots used", since_sandybridge(0x02c2), kNotModelled},
};
// clang-format on

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

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, folded, folded);
}

bool same_alias(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c == '_' ? '-' : folded(c); };
  return std::ranges::equal(a, b, {}, fold, fold);
}

const Event* find_event(EventList list, std::string_view name) {
  for (const Event& e : kEvents) {
    if (e.exists(list) && same_name(e.name, name)) return &e;
  }
  return nullptr;
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
  if (alias == nullptr) return find_event(list, name);
  if (!alias->event.empty()) return find_event(list, alias->event);
  for (const Choice& choice : kChoices) {
    if (choice.alias != alias->name) continue;
    for (const std::string_view event : choice.events) {
      if (const Event* e = find_event(list, event)) return e;
    }
  }
  return nullptr;
}

const Event* find(EventList list, Code code) {
  const auto found = std::ranges::find_if(kEvents, [&](const Event& e) { return e.code(list) == code; });
  return code == kNoCode || found == std::end(kEvents) ? nullptr : found;
}

}  // namespace lastbranch::pmu
