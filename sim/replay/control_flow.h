#pragma once
/// Replay, second level: what a capture's branch stacks say, held against the code of the binaries that ran.
///
/// Checked: every FROM is a branch, and of the kind that was saved with it; direct branches go where their
/// instruction says; returns go behind a call; the straight line from one entry's TO to the next one's FROM
/// holds no other unconditional branch (conditional ones on it were not taken and are counted so); with
/// `lbr`, a walk of the code with the capture as branch oracle records the same. Set aside by cause, not
/// judged: code for which no binary was given, the kernel, the vDSO, entries of interrupts and their returns.
/// Not checked: what lies between a sample's address and the newest entry of imprecise events (skid).
/// Source: captures.md, "Static consistency", "Hardware facts behind the failures".
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/base/lbr_params.h"
#include "sim/base/units.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/record_reader.h"
#include "sim/perfdata/record_source.h"
#include "sim/perfdata/records.h"
#include "sim/replay/report.h"

namespace lastbranch::replay {

struct FlowOptions {
  std::vector<std::string> binaries = {};  ///< ELF files
  std::vector<std::string> tables = {};    ///< control-flow tables (flow_table.h)
  /// The mapped file that the tables are of, as the capture names it (path or its last part); empty: the one
  /// whose mapping has the table's segment.
  std::string object = {};
  /// Of the capture, as RecordSource gives them; may grow while records come. Null: nothing is known.
  const std::vector<perfdata::EventInfo>* events = nullptr;
  const perfdata::Features* features = nullptr;
  /// Of the capture. What no processor writes is called edited in text only; elsewhere it is unexplained.
  perfdata::SourceKind kind = perfdata::SourceKind::kPerfData;
  /// The processor's records, for the walk; nothing: no walk.
  std::optional<LbrParams> lbr = {};
};

/// How often a conditional branch of a binary was seen to go each way.
struct Outcomes {
  u64 taken = 0;
  u64 not_taken = 0;
};

/// A branch of a binary: number of the code in FlowOptions (binaries first, then tables) and link-time
/// address.
struct Site {
  u32 code = 0;
  u64 address = 0;

  friend auto operator<=>(const Site&, const Site&) = default;
};

struct SiteHash {
  [[nodiscard]] std::size_t operator()(const Site& s) const {
    return (s.address ^ u64{s.code} << 56) * 0x9e3779b97f4a7c15ull;
  }
};

class ControlFlow {
 public:
  /// Reads the binaries and tables. Throws Error: a file that cannot be read, a table with a bad line, a
  /// build-id that is not the capture's.
  ControlFlow(const FlowOptions& options, Report& report);
  ~ControlFlow();
  ControlFlow(const ControlFlow&) = delete;
  ControlFlow& operator=(const ControlFlow&) = delete;

  /// Takes every record of the capture in its order: maps and processes, samples, and the edges and ranges of
  /// pre-aggregated text. `duplicated_top`: the processor may have written its newest record twice.
  void record(const perfdata::Record& record, u64 sample_number, bool duplicated_top);
  /// Judges what still waits for its maps, and notes what was passed over. Throws Error when the capture has
  /// a binary's name only with another build-id.
  void finish();

  /// Whether the newest entry of `sample` is the one before it once more: equal addresses, and no straight
  /// line from its TO back to its FROM. Without the code of that place, only a line that would lead backwards
  /// decides; nothing: undecided.
  [[nodiscard]] std::optional<bool> duplicated(const perfdata::SampleRecord& sample) const;

  /// Conditional branches of the binaries and how often they went which way, in all samples.
  [[nodiscard]] const std::unordered_map<Site, Outcomes, SiteHash>& outcomes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lastbranch::replay
