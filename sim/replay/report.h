#pragma once
/// What a replay found: for each check how often it was made and held, and for what did not hold the cause,
/// with the first examples. Every level writes into the same report; text, JSON, HTML and Python read it.
/// Causes are the known ways of real records to differ from a straight reading of the manual (captures.md,
/// "Hardware facts behind the failures"); what fits none is unexplained, and unexplained is failure.
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::replay {

enum class Check : u8 {
  kRing,            ///< sample: all entries read back from the simulated LBR are equal
  kFromBranch,      ///< entry: FROM is a branch
  kDirectTarget,    ///< entry: a direct branch goes where its instruction says
  kReturn,          ///< entry: a return goes behind a call
  kStraightLine,    ///< pair of entries: nothing between TO and the next FROM leaves the line
  kWalk,            ///< sample: the walk of the code with the capture as oracle records the same
  kWindow,          ///< sample: a contiguous piece of the simulated taken branches
  kTakenRatio,      ///< branch: taken as often as in the simulation
  kMispredictRate,  ///< branch; not made yet: the simulated run has no predictor
  kEdgeCycles,      ///< edge; not made yet: the simulated run has no timing
  kCount
};

enum class Cause : u8 {
  kDuplicatedTop,     ///< Skylake: the newest entry repeats the one before
  kZeroTail,          ///< oldest entries 0/0: records since the last reset only
  kInterrupt,         ///< an interrupt's entry: FROM is no branch
  kIret,              ///< from the kernel to a user program, in user-only records
  kKernel,            ///< kernel code, for which no binary was given
  kKernelSeam,        ///< records were stopped while the kernel handled the last sample
  kSkid,              ///< the sample's address lies behind the newest entry's straight line
  kUnknownMapping,    ///< no mapping, or one of a file that was not given
  kCallStack,         ///< call-stack mode: entries are frames, not a sequence
  kEdited,            ///< no processor writes this: the file was made or changed by hand
  kNotRepresentable,  ///< the format of the processor's records cannot hold the value
  kUnexplained,
  kCount
};

[[nodiscard]] std::string_view name_of(Check check);  ///< "straight line"
[[nodiscard]] std::string_view name_of(Cause cause);  ///< "duplicated top"

/// One disagreement.
struct Example {
  Check check = Check::kRing;
  Cause cause = Cause::kUnexplained;
  u64 sample = 0;  ///< number of the sample in the capture, the first is 0
  u32 entry = 0;   ///< number of the entry in the sample, the newest is 0
  u64 from = 0;
  u64 to = 0;
  std::string words = {};  ///< what was expected and found, with disassembly where there is code
};

struct Tally {
  u64 held = 0;
  std::array<u64, static_cast<std::size_t>(Cause::kCount)> causes{};  ///< what did not hold or was set aside

  [[nodiscard]] u64 of(Cause cause) const { return causes[static_cast<std::size_t>(cause)]; }
};

/// Examples that are kept for each pair of check and cause.
inline constexpr std::size_t kExamplesKept = 5;

/// An edge that disagreements were found on.
struct BlamedEdge {
  u64 from = 0;
  u64 to = 0;
  u64 count = 0;
  Check check = Check::kRing;  ///< of the first
  Cause cause = Cause::kUnexplained;
};
/// Edges that are counted; later ones are not.
inline constexpr std::size_t kEdgesKept = 4096;

struct Report {
  std::string capture;    ///< path
  std::string processor;  ///< the record it was replayed on: "skylake-server"
  std::string chosen_by;  ///< how the processor was known: "CPUID GenuineIntel,6,85,4"
  std::string recorded;   ///< what the LBR was set to: "32 entries, format 5, any user branch"
  u64 samples = 0;        ///< with branch stacks
  u64 samples_without = 0;
  u64 entries = 0;
  // What the ring level met; none of these is a disagreement.
  u64 duplicated_tops = 0;  ///< samples whose newest entry came back by Skylake's erratum
  u64 zero_tails = 0;       ///< samples with empty entries as their oldest
  u64 shortened = 0;        ///< samples with fewer entries than the ring, none of them empty
  u64 joined = 0;           ///< samples that continue the stream of the thread's sample before
  u64 ambiguous = 0;        ///< samples that overlap the one before, but not at one distance only
  bool foreign = false;     ///< not an Intel processor's: nothing was replayed
  /// Why the capture is taken for edited or synthetic, a line each; empty: it is not.
  std::vector<std::string> edited;
  std::array<Tally, static_cast<std::size_t>(Check::kCount)> checks;
  std::vector<Example> examples;
  std::vector<BlamedEdge> blamed;  ///< by what is no hardware's known way, in order of appearance
  std::vector<std::string> notes;

  [[nodiscard]] Tally& operator[](Check check) { return checks[static_cast<std::size_t>(check)]; }
  [[nodiscard]] const Tally& operator[](Check check) const { return checks[static_cast<std::size_t>(check)]; }
  /// Counts a disagreement, `times` times, and keeps it once while there is room for its kind.
  void disagree(Example example, u64 times = 1);
  /// Whether the check was made at all; reports leave out those that were not.
  [[nodiscard]] bool made(Check check) const;
  /// Whether nothing is unexplained, and everything can be on the processor it is said to come from.
  [[nodiscard]] bool agrees() const;
  /// The `most` edges with the most disagreements.
  [[nodiscard]] std::vector<BlamedEdge> worst_edges(std::size_t most) const;

 private:
  std::map<std::pair<u64, u64>, std::size_t> blamed_at_;
};

}  // namespace lastbranch::replay
