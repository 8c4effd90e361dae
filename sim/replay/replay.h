#pragma once
/// Replay of a capture: one pass over its records, each given to the levels that were asked for.
///
/// Levels: the ring always; control flow with binaries or tables. Executing the program is the machine's
/// (sim/machine/replay_run.h), into the same report. What the processor is follows from the capture's
/// features or, where they do not say, from a pass over its samples before.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/replay/report.h"

namespace lastbranch::replay {

struct ReplayOptions {
  std::vector<std::string> binaries = {};  ///< ELF files that the capture ran
  std::vector<std::string> tables = {};    ///< tables of control flow
  std::string object = {};  ///< the mapped file that the tables are of; empty: found by its mapping
  std::string uarch = {};   ///< replay on this record; empty: what the capture says
  unsigned depth = 0;       ///< drive into so many records instead; 0: the processor's
  /// Filter to drive through instead of the capture's, as `perf record -j` spells it; empty: the capture's.
  std::string filter = {};
  bool keep_going = false;  ///< damage ends the capture and is noted instead of thrown
};

/// Whether a capture is a pipe (or "-", standard input), which cannot be opened a second time.
[[nodiscard]] bool readable_once(const std::string& capture);

/// Throws Error: an option or a file that is bad, or damage unless `keep_going`.
[[nodiscard]] Report replay(const std::string& capture, const ReplayOptions& options = {});

}  // namespace lastbranch::replay
