#pragma once
/// BOLT's pre-aggregated profiles, a line each:
///   B FROM TO COUNT MISPREDICTED      a branch
///   F START END COUNT                 a straight line of code; f: entered from outside the binary, r: by a
///                                     return from there
///   T FROM TO END COUNT               a branch and the straight line behind it; R: the branch is a return
///   S ADDRESS COUNT                   a sample without branches
///   E NAME                            the event of the following lines
/// Numbers are hexadecimal without 0x, counts decimal; an address may have "BUILDID:" or "X:" (unknown)
/// before it. Source: LLVM, BOLT's documentation of its aggregator.
#include <optional>
#include <string>
#include <string_view>

#include "sim/perfdata/records.h"
#include "sim/perfdata/text_lines.h"

namespace lastbranch::perfdata {

/// What one line holds; both a branch and a range for T.
struct PreaggregatedLine {
  std::optional<EdgeRecord> edge;
  std::optional<RangeRecord> range;
  std::optional<SampleRecord> sample;
  std::string_view event;  ///< E
  u64 other_objects = 0;   ///< addresses with something before them
};

/// Whether the line looks like one of these.
[[nodiscard]] bool is_preaggregated(std::string_view line);

/// Throws Error naming `file`.
[[nodiscard]] PreaggregatedLine parse_preaggregated(std::string_view file, const TextLine& line);

}  // namespace lastbranch::perfdata
