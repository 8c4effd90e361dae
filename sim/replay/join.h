#pragma once
/// Whether two windows of the same thread's branches overlap, and by how much: only if it can be proved.
///
/// Equal entries prove nothing: a loop shows the same window again however long it has run in between. So two
/// things are asked for. First a reason why fewer branches than the ring has places can lie between the two
/// samples: the event counts at least every branch and its period is that short; or, by the cycles in it, the
/// later window began before the earlier sample was taken. Second, exactly one distance at which every common
/// entry is equal in every field, the number of entries follows and, if saved, the place of the newest too.
/// With two such distances (a loop shorter than what is common) nothing is joined.
#include <optional>
#include <span>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/format.h"

namespace lastbranch::replay {

/// A branch stack without its empty entries, newest first.
using Window = std::span<const perfdata::BranchEntry>;

/// What bounds the branches between two samples.
struct Between {
  std::optional<u64> most = {};         ///< branches; nothing: not known
  std::optional<u64> nanoseconds = {};  ///< from the earlier sample to the later; nothing: not known
  std::optional<u64> places = {};       ///< by how much the place of the newest has moved, modulo `depth`
};

enum class Overlap : u8 {
  kUnknown,    ///< it cannot be shown that they do, or they do not
  kAmbiguous,  ///< they do, but at more than one distance
  kNone,       ///< they must, but do not
  kProved,
};

struct Join {
  Overlap overlap = Overlap::kUnknown;
  unsigned distance = 0;  ///< kProved: branches between the samples
};

/// `depth`: places of the ring.
[[nodiscard]] Join join_windows(Window earlier, Window later, unsigned depth, const Between& between);

/// The most branches of the kinds that are recorded between two samples of an event with this period;
/// nothing: the event does not bound them. Interrupts may come on top and a sample may be late; there is room
/// for some.
[[nodiscard]] std::optional<u64> most_branches(const perfdata::Attr& attr, u64 period);

}  // namespace lastbranch::replay
