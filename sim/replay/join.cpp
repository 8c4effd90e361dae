#include "sim/replay/join.h"

#include <algorithm>

namespace lastbranch::replay {
namespace {

/// No core of the kinds modelled runs faster, in cycles per nanosecond.
constexpr u64 kFastestGhz = 6;
/// A sample's time is taken a while after its records were frozen, and not always the same while.
constexpr u64 kTimeSlack = 10'000;  // ns

/// Branches that may retire between the overflow and the freezing of the records, or that the event does not
/// count (returns from interrupts).
constexpr u64 kLate = 8;
constexpr u64 kLatePrecise = 2;

bool fits(Window earlier, Window later, unsigned depth, unsigned distance) {
  if (later.size() != std::min<std::size_t>(depth, earlier.size() + distance)) return false;
  return std::ranges::equal(later.subspan(distance), earlier.first(later.size() - distance));
}

/// The same but for how many there are: entries that perf cannot decode are missing in both windows.
bool agrees(Window earlier, Window later, unsigned distance) {
  const std::size_t common = std::min(later.size() - distance, earlier.size());
  return std::ranges::equal(later.subspan(distance, common), earlier.first(common));
}

/// Cycles from the oldest branch to the newest: each entry's are those since the one before it.
u64 cycles_of(Window w) {
  u64 sum = 0;
  for (const perfdata::BranchEntry& e : w.first(w.size() - 1)) {
    sum += perfdata::BranchFlags::unpack(e.flags).cycles;
  }
  return sum;
}

bool must_overlap(Window later, unsigned depth, const Between& between) {
  if (between.most && *between.most < depth) return true;
  return between.nanoseconds && later.size() > 1 &&
         (*between.nanoseconds + kTimeSlack) * kFastestGhz < cycles_of(later);
}

}  // namespace

Join join_windows(Window earlier, Window later, unsigned depth, const Between& between) {
  if (earlier.empty() || later.empty() || later.size() > depth || earlier.size() > depth) return {};
  if (!must_overlap(later, depth, between)) return {};
  const u64 furthest =
      std::min<u64>(between.most.value_or(depth - 1), std::min(depth - 1ul, later.size() - 1));
  Join found;
  for (unsigned distance = 0; distance <= furthest; ++distance) {
    if (between.places && distance % depth != *between.places) continue;
    if (!fits(earlier, later, depth, distance)) continue;
    if (found.overlap == Overlap::kProved) return {.overlap = Overlap::kAmbiguous};
    found = {.overlap = Overlap::kProved, .distance = distance};
  }
  if (found.overlap == Overlap::kProved) return found;
  // A ring that was emptied in between holds no more than what ran since.
  if (between.most && later.size() <= *between.most) return {};
  // Entries that perf dropped have had a place too.
  const bool complete = earlier.size() == depth && later.size() == depth;
  for (unsigned distance = 0; distance <= furthest; ++distance) {
    if (between.places && (complete ? distance != *between.places : distance > *between.places)) continue;
    if (agrees(earlier, later, distance)) return {};
  }
  return {.overlap = Overlap::kNone};
}

std::optional<u64> most_branches(const perfdata::Attr& attr, u64 period) {
  if (period == 0) return std::nullopt;
  constexpr u32 kHardware = 0, kRaw = 4;
  constexpr u64 kInstructions = 1, kBranchInstructions = 4;
  const u64 precise = attr.flags >> perfdata::kAttrPreciseIpShift & 3;
  const u64 bound = period + (precise >= 2 ? kLatePrecise : kLate);
  if (attr.type == kHardware) {
    const bool counts = attr.config == kInstructions || attr.config == kBranchInstructions;
    return counts ? std::optional(bound) : std::nullopt;
  }
  if (attr.type != kRaw) return std::nullopt;
  // Raw events: instructions retired; branches retired, all of them or all taken near ones. Anything else in
  // the upper half (inversion, thresholds) makes them count something else.
  if ((attr.config >> 16) != 0) return std::nullopt;
  constexpr u64 kInstRetired = 0xc0, kInstRetiredPrecise = 0x1c0, kBranches = 0xc4, kAtomBranches = 0x7ec4,
                kNearTaken = 0x20c4;
  for (const u64 config : {kInstRetired, kInstRetiredPrecise, kBranches, kAtomBranches, kNearTaken}) {
    if (attr.config == config) return bound;
  }
  return std::nullopt;
}

}  // namespace lastbranch::replay
