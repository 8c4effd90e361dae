#pragma once
/// Replay, first level: the branches of a capture's stacks are driven, oldest first, into the simulated
/// last-branch records of the processor that they were recorded on, and the records are read back through
/// their MSRs as the kernel's driver does it. FROM, TO, flags and cycles must be equal.
///
/// The records start empty. Empty entries at the end of a stack are not driven but must come back as what a
/// reset leaves. The oldest entry of a full ring counts its cycles from a branch that has left it: such a
/// branch is driven first. The newest entry of a Skylake that repeats the one before is driven as the branch
/// it stands for, with addresses that nobody knows, and must come back by the erratum (LbrQuirks). Stacks of
/// call-stack mode are driven as calls, with a call and its return on top. Stacks of one thread that provably
/// overlap (join.h) are one stream: the records go on and are read at every sample.
/// Not compared: types of branches, privilege and speculation, which the kernel makes from code; counters.
/// Source: captures.md, "Hardware facts behind the failures", "What replay can check".
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/cpu/uarch/uarch.h"
#include "sim/perfdata/record_reader.h"
#include "sim/perfdata/records.h"
#include "sim/replay/join.h"
#include "sim/replay/report.h"
#include "sim/replay/ring_driver.h"

namespace lastbranch::replay {

struct RingOptions {
  const cpu::Uarch* part = nullptr;  ///< required
  /// Records that the capture's processor used, where it says so (CPU_PMU_CAPS); 0: all of the part.
  unsigned recorded_depth = 0;
  /// Drive into this many records instead; the newest ones are expected. 0: as recorded.
  unsigned depth = 0;
  /// Drive through this filter instead of the capture's; what it keeps is expected.
  std::optional<BranchFilter> filter = {};
  /// Whether the newest entry is the one before once more; nothing: undecided.
  std::function<std::optional<bool>(const perfdata::SampleRecord&)> duplicated = {};
  /// The kind of an entry's branch, from its code; nothing: unknown.
  std::function<std::optional<BranchKind>(const perfdata::SampleRecord&, const perfdata::BranchEntry&)> kind =
      {};
  bool text = false;        ///< the capture is text: which branches were recorded is not known
  bool check_lines = true;  ///< look for lines that lead backwards, as no code tells better
};

class RingReplay {
 public:
  /// `events` is the source's list and must outlive this, as must `report`.
  RingReplay(RingOptions options, const std::vector<perfdata::EventInfo>& events, Report& report);
  ~RingReplay();
  RingReplay(const RingReplay&) = delete;
  RingReplay& operator=(const RingReplay&) = delete;

  /// Replays one sample; those without a stack are counted only. Returns whether its newest entry was taken
  /// for a duplicated top.
  bool sample(const perfdata::SampleRecord& sample, u64 number);
  /// Samples were lost or suppressed: what comes next joins nothing before.
  void gap();
  /// After the last sample: judges what only the whole capture tells.
  void finish();
  /// A thread has ended.
  void exit(u32 tid) { streams_.erase(tid); }

  /// Records that the branches are driven into.
  [[nodiscard]] unsigned depth() const { return ring_depth(); }
  /// What the records are set to, in words: "32 entries, format 5, any user branch".
  [[nodiscard]] std::string recorded() const;

 private:
  /// What is known of a thread's last window.
  struct Stream {
    std::unique_ptr<RingDriver> driver;
    std::vector<perfdata::BranchEntry> window;
    u64 branch_sample_type = 0;
    u64 time = 0;
    u32 cpu = 0;
    std::optional<u64> place;
    u64 clock = 0;  ///< core cycles of the simulated ring
  };
  /// One sample on its way.
  struct Taken {
    const perfdata::SampleRecord* record;
    u64 number;
    const perfdata::EventInfo* event;
    BranchFilter filter;
    std::size_t used = 0;  ///< entries before the empty ones
    bool duplicated = false;
    bool prediction = false;  ///< its entries show whether they were predicted
  };

  [[nodiscard]] BranchFilter filter_of(const perfdata::EventInfo& event) const;
  [[nodiscard]] bool is_duplicated(const Taken& t) const;
  void demand_kinds(const Taken& t) const;
  [[nodiscard]] bool possible(const Taken& t);
  [[nodiscard]] bool representable(const Taken& t, const RingDriver& driver);
  void check_lines(const Taken& t);
  [[nodiscard]] bool filter_unknown(const Taken& t) const;
  [[nodiscard]] Stream& stream_of(const Taken& t);
  [[nodiscard]] Join join(const Taken& t, const Stream& stream) const;
  void drive(const Taken& t, Stream& stream, std::size_t branches);
  void restart(const Taken& t, Stream& stream);
  [[nodiscard]] RetiredBranch retired(const Taken& t, const perfdata::BranchEntry& entry, u64 time) const;
  [[nodiscard]] std::vector<perfdata::BranchEntry> expected(const Taken& t, const RingDriver& driver) const;
  [[nodiscard]] bool kept(const RetiredBranch& b) const;
  [[nodiscard]] bool compare(const Taken& t, Stream& stream);
  void fail(const Taken& t, Cause cause, std::size_t entry, std::string words, Check check = Check::kRing);
  [[nodiscard]] unsigned ring_depth() const;

  RingOptions options_;
  const std::vector<perfdata::EventInfo>& events_;
  Report& report_;
  std::unordered_map<u32, Stream> streams_;
  std::optional<BranchFilter> first_filter_;

  /// Lines that lead backwards in text that does not say its filter.
  struct Backward {
    u64 samples = 0;  ///< that were looked through
    u64 with = 0;     ///< of those, with such lines
    u64 lines = 0;
    bool kernel = false;         ///< some entry is in the kernel
    std::vector<Example> first;  ///< as many as a report keeps
  };
  Backward backward_;
};

}  // namespace lastbranch::replay
