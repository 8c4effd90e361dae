#pragma once
/// How often conditional branches are taken, in a capture and in a run of the same program, compared.
///
/// Samples that a clock or a count of instructions triggers see slow code more often than fast code. Of such
/// captures only branches are compared both of whose ways stay in the same innermost loop and call nothing on
/// the way around: time is then spent alike on both. The tolerance is 10 percentage points, as real captures
/// of that kind differ from the truth by up to 7 (captures.md, fact 9: 60 % taken seen as 67 %), or three
/// standard errors where few windows saw the branch.
#include <functional>
#include <map>
#include <string>

#include "sim/base/units.h"
#include "sim/replay/code.h"
#include "sim/replay/common_places.h"
#include "sim/replay/control_flow.h"
#include "sim/replay/report.h"

namespace lastbranch::replay {

/// What was executed: taken branches and straight lines (from a target to the next branch), with counts.
class FlowCounts {
 public:
  void edge(CommonPlace from, CommonPlace to, u64 count) { edges_[{from, to}] += count; }
  void line(CommonPlace from, CommonPlace to, u64 count) { lines_[{from, to}] += count; }

  using Pair = std::pair<CommonPlace, CommonPlace>;
  [[nodiscard]] const std::map<Pair, u64>& edges() const { return edges_; }
  [[nodiscard]] const std::map<Pair, u64>& lines() const { return lines_; }

 private:
  std::map<Pair, u64> edges_;
  std::map<Pair, u64> lines_;
};

/// The code of a file of the capture; null where it is not known. Places without maps are link-time
/// addresses of CommonPlace::kNoMaps.
using CodeOf = std::function<const Code*(u32 file)>;

struct RatioOptions {
  bool time_weighted = true;  ///< what triggered the samples: time, or branches themselves
  u32 depth = 32;             ///< entries of a sample, which are not independent of each other
};

/// Writes Check::kTakenRatio of `report` and notes what was not compared.
void compare_taken_ratios(const FlowCounts& capture, const FlowCounts& run, const CodeOf& code_of,
                          const RatioOptions& options, Report& report);

}  // namespace lastbranch::replay
