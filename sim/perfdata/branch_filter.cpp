#include "sim/perfdata/branch_filter.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

#include "models/lbr/lbr_select.h"
#include "sim/base/error.h"
#include "sim/perfdata/format.h"

namespace lastbranch {
namespace {

using namespace lbr::select;
using namespace perfdata;

using Kinds = u32;
constexpr Kinds kinds(std::initializer_list<BranchKind> list) {
  Kinds set = 0;
  for (const BranchKind k : list) set |= 1u << static_cast<unsigned>(k);
  return set;
}
constexpr Kinds kEveryKind = (1u << static_cast<unsigned>(BranchKind::kCount)) - 1;
constexpr u64 kEveryClass =
    kJcc | kNearRelCall | kNearIndCall | kNearRet | kNearIndJmp | kNearRelJmp | kFarBranch;

/// One name: its bit, the classes that the hardware must record for it, the classes in addition where
/// suppressing jumps drops calls, and the kinds that the software then keeps.
struct Row {
  std::string_view name;
  u64 bit;
  u64 classes;
  u64 with_jumps;
  Kinds keeps;
};

constexpr Row kTypes[] = {
    {"any", kBranchAny, kEveryClass, 0, kEveryKind},
    {"any_call", kBranchAnyCall, kNearRelCall | kNearIndCall | kFarBranch, kNearRelJmp | kNearIndJmp,
     kinds({BranchKind::kRelCall, BranchKind::kIndCall, BranchKind::kSyscall, BranchKind::kSoftInt,
            BranchKind::kException, BranchKind::kInterrupt})},
    {"any_ret", kBranchAnyReturn, kNearRet | kFarBranch, kNearRelJmp | kNearIndJmp,
     kinds({BranchKind::kRet, BranchKind::kSysret, BranchKind::kIret})},
    {"ind_call", kBranchIndCall, kNearIndCall, kNearIndJmp, kinds({BranchKind::kIndCall})},
    {"ind_jmp", kBranchIndJump, kNearIndJmp, 0, kinds({BranchKind::kIndJmp})},
    {"call", kBranchCall, kNearRelCall, kNearRelJmp, kinds({BranchKind::kRelCall})},
    {"cond", kBranchCond, kJcc, 0, kinds({BranchKind::kJcc})},
    {"stack", kBranchCallStack, kNearRelCall | kNearIndCall | kNearRet, 0,
     kinds({BranchKind::kRelCall, BranchKind::kIndCall, BranchKind::kRet})},
    {"call_stack", kBranchCallStack, kNearRelCall | kNearIndCall | kNearRet, 0,
     kinds({BranchKind::kRelCall, BranchKind::kIndCall, BranchKind::kRet})},
};

/// What is no type of branch: whose branches, and what a sample says of each.
struct Flag {
  std::string_view name;
  u64 bit;
};
constexpr Flag kFlags[] = {
    {"u", kBranchUser},
    {"k", kBranchKernel},
    {"no_flags", kBranchNoFlags},
    {"no_cycles", kBranchNoCycles},
    {"save_type", kBranchTypeSave},
    {"hw_index", kBranchHwIndex},
    {"priv", kBranchPrivSave},
    {"counter", kBranchCounters},
};

std::string known_names() {
  std::string names;
  for (const Row& row : kTypes) names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  for (const Flag& flag : kFlags) names += fmt::format(", {}", flag.name);
  return names;
}

u64 bit_of(std::string_view name) {
  const auto type = std::ranges::find(kTypes, name, &Row::name);
  if (type != std::end(kTypes)) return type->bit;
  const auto flag = std::ranges::find(kFlags, name, &Flag::name);
  if (flag != std::end(kFlags)) return flag->bit;
  throw Error("--branch-filter: expected some of {}, found '{}'", known_names(), name);
}

u64 type_bits() {
  u64 bits = 0;
  for (const Row& row : kTypes) bits |= row.bit;
  return bits;
}

/// Throws Error.
void expect_counters(std::string_view list, const LbrParams& part, bool call_stack) {
  if (part.arch.event_log_counters == 0) {
    throw Error(
        "--branch-filter: '{}': expected a part whose records log events (CPUID.1CH:ECX[19:16], Sierra "
        "Forest, "
        "Lunar Lake or later), found one without",
        list);
  }
  if (call_stack) {
    throw Error("--branch-filter: '{}': expected no call stack with counters, which the kernel refuses",
                list);
  }
}

}  // namespace

bool BranchFilter::user() const {
  return (sample_type & kBranchUser) != 0;
}
bool BranchFilter::kernel() const {
  return (sample_type & kBranchKernel) != 0;
}
bool BranchFilter::call_stack() const {
  return (sample_type & kBranchCallStack) != 0;
}

bool BranchFilter::counters() const {
  return (sample_type & kBranchCounters) != 0;
}

bool BranchFilter::keeps(BranchKind kind, bool from_kernel) const {
  if (!(from_kernel ? kernel() : user())) return false;
  return std::ranges::any_of(kTypes, [&](const Row& row) {
    return (sample_type & row.bit) != 0 && (row.keeps >> static_cast<unsigned>(kind) & 1) != 0;
  });
}

BranchFilter parse_branch_filter(std::string_view list, const LbrParams& part) {
  BranchFilter filter;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    filter.sample_type |= bit_of(list.substr(at, comma - at));
    at = comma + 1;
  }
  if ((filter.sample_type & type_bits()) == 0) filter.sample_type |= kBranchAny;
  if (!filter.user() && !filter.kernel()) filter.sample_type |= kBranchUser;
  if (filter.counters()) expect_counters(list, part, filter.call_stack());
  if (filter.call_stack()) {
    if ((filter.sample_type & type_bits()) != kBranchCallStack) {
      throw Error("--branch-filter: expected the call stack alone, found other branches with it in '{}'",
                  list);
    }
    if (!part.has_call_stack) {
      throw Error(
          "--branch-filter: '{}': expected a part with call-stack mode (Haswell or later), found one without",
          list);
    }
  }
  return filter;
}

BranchFilter lbr_call_graph(const LbrParams& part) {
  if (!part.has_call_stack) {
    throw Error(
        "--call-graph lbr: expected a part with call-stack mode (Haswell or later), found one without");
  }
  return {kBranchUser | kBranchCallStack | kBranchNoFlags | kBranchNoCycles};
}

BranchFilter any_user_branch() {
  return {kBranchAny | kBranchUser};
}

u64 lbr_select(const BranchFilter& filter, const LbrParams& part) {
  u64 classes = 0;
  for (const Row& row : kTypes) {
    if ((filter.sample_type & row.bit) == 0) continue;
    classes |= row.classes | (part.jmp_filters_drop_calls ? row.with_jumps : 0);
  }
  u64 suppressed = kEveryClass & ~classes;
  if (!filter.kernel()) suppressed |= kCplEq0;
  if (!filter.user()) suppressed |= kCplNeq0;
  return suppressed | (filter.call_stack() ? kCallStack : 0);
}

u64 lbr_ctl(const BranchFilter& filter) {
  // Bits 22:16 enable what MSR_LBR_SELECT suppresses, in another order.
  constexpr std::pair<u64, u64> kEnables[] = {
      {kJcc, 1u << 16},         {kNearRelJmp, 1u << 17}, {kNearIndJmp, 1u << 18}, {kNearRelCall, 1u << 19},
      {kNearIndCall, 1u << 20}, {kNearRet, 1u << 21},    {kFarBranch, 1u << 22}};
  constexpr u64 kEnable = 1, kOs = 2, kUsr = 4, kStack = 8;
  u64 classes = 0;
  for (const Row& row : kTypes) {
    if ((filter.sample_type & row.bit) != 0) classes |= row.classes;
  }
  u64 value =
      kEnable | (filter.kernel() ? kOs : 0) | (filter.user() ? kUsr : 0) | (filter.call_stack() ? kStack : 0);
  for (const auto& [suppressing, enabling] : kEnables) {
    if ((classes & suppressing) != 0) value |= enabling;
  }
  return value;
}

}  // namespace lastbranch
