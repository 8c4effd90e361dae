#pragma once
// The records that Python sees, as they lie in memory: fields of NumPy structured arrays.
#include <type_traits>

#include "models/lbr/lbr_format.h"
#include "sim/base/units.h"

namespace lastbranch::python {

/// One last-branch record.
struct BranchRow {
  u64 from;    ///< linear address of the branch
  u64 to;      ///< linear address of its target
  u16 cycles;  ///< core clocks since the record before, saturating at 65535
  u8 kind;     ///< BranchKind; kCount: not known
  bool mispredicted;
  bool predicted;  ///< neither: the part's records do not say
  bool in_tx;
  bool abort;
};
static_assert(sizeof(BranchRow) == 24 && std::is_standard_layout_v<BranchRow>);

/// One sample; its branches are [first, first + count) of the branches' array, newest first.
struct SampleRow {
  u64 ip;      ///< the next instruction
  u64 time;    ///< ns of simulated time
  u64 period;  ///< events since the sample before
  u64 first;
  u32 count;
  u32 event;  ///< which of the sampled events
};
static_assert(sizeof(SampleRow) == 40 && std::is_standard_layout_v<SampleRow>);

/// `e` as a part with records of `format` shows it.
[[nodiscard]] inline BranchRow branch_row(LbrFormat format, const lbr::Entry& e) {
  const bool known = lbr::has_misprediction(format);
  return {.from = e.from,
          .to = e.to,
          .cycles = e.cycles,
          .kind = static_cast<u8>(e.kind),
          .mispredicted = known && e.mispredicted,
          .predicted = known && !e.mispredicted,
          .in_tx = e.in_tx,
          .abort = e.abort};
}

}  // namespace lastbranch::python
