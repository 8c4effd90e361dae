#pragma once
/// Two captures side by side, of whatever kind: which branches each took and how often, what was
/// mispredicted, how many cycles went by, and how far sampling alone explains the difference.
/// The overlap is the weighted Jaccard index of the edges' shares: sum of the smaller ones by sum of the
/// larger, 1 for equal profiles and 0 for profiles without a common edge. Samples taken by time weigh slow
/// code more than fast code: such a capture agrees with one taken by branches only where both are alike.
/// Source: captures.md, "Hardware facts behind the failures", 9.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "sim/replay/edge_profile.h"
#include "sim/replay/estimate.h"

namespace lastbranch::replay {

/// A place in words and for a symbolizer.
struct NamedPlace {
  std::string file;  ///< its path; empty where no file is mapped
  u64 offset = 0;    ///< in the file, or the address itself

  [[nodiscard]] std::string words() const;  ///< "busybox+0x1c40", "0x401000"
};

/// What both sides say; index 0 is A, 1 is B.
template <typename T>
using Both = std::array<T, 2>;

struct EdgeRow {
  NamedPlace from, to;
  Both<u64> taken{};
  Both<Estimate> share;                  ///< of all branches of that side
  Both<std::optional<Estimate>> missed;  ///< mispredicted; nothing: not recorded
  Both<std::optional<Estimate>> cycles;  ///< mean core clocks since the branch before; nothing: not recorded

  [[nodiscard]] double difference() const { return share[1].value - share[0].value; }
};

/// All edges of one branch instruction.
struct BranchRow {
  NamedPlace at;
  Both<u64> targets{};
  Both<u64> taken{};
  Both<Estimate> share;
  Both<std::optional<Estimate>> missed;
};

struct Side {
  std::string path;
  u64 samples = 0;  ///< with branch stacks
  u64 branches = 0;
  u64 edges = 0;                 ///< different ones
  std::optional<double> halves;  ///< overlap of one half of the samples with the other: sampling alone
};

struct Comparison {
  Both<Side> sides;
  Estimate overlap;
  std::vector<EdgeRow> edges;       ///< those whose shares differ most first
  std::vector<BranchRow> branches;  ///< likewise
  std::vector<std::string> notes;
};

/// Throws Error when a side has no branches.
[[nodiscard]] Comparison compare(const EdgeProfile& a, const EdgeProfile& b);
/// The same of two files, with what was passed over in reading them among the notes. Throws Error.
[[nodiscard]] Comparison compare_files(const std::string& a, const std::string& b,
                                       const perfdata::OpenOptions& options = {});

}  // namespace lastbranch::replay
