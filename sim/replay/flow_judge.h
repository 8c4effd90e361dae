#pragma once
/// Judges single samples against the code: the rules of ControlFlow (control_flow.h), without maps that come
/// late and without the capture around.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/perfdata/branch_entry.h"
#include "sim/replay/broken_lines.h"
#include "sim/replay/code_map.h"
#include "sim/replay/control_flow.h"
#include "sim/replay/lines.h"
#include "sim/replay/walk.h"

namespace lastbranch::replay {

/// What the event says of the branch stacks of its samples.
struct StackKind {
  u64 branch_bits = 0;       ///< branch_sample_type; 0: not known
  bool call_stack = false;   ///< entries are frames
  bool every_kind = true;    ///< no kind of branch is filtered out
  bool filter_known = true;  ///< the capture says which branches were recorded
  bool user_only = false;    ///< the kernel's branches are not recorded
  bool precise = false;      ///< the sample's address is that of the instruction that overflowed
};

class FlowJudge {
 public:
  FlowJudge(const FlowOptions& options, CodeMap& codes, Report& report);

  void sample(const perfdata::SampleRecord& sample, u64 number, bool duplicated_top, bool exact_ip);
  void edge(const perfdata::EdgeRecord& edge, u64 number);
  void range(const perfdata::RangeRecord& range, u64 number);
  void finish();

  /// Whether all user addresses of the sample have a mapping.
  [[nodiscard]] bool mapped(const perfdata::SampleRecord& sample) const;
  [[nodiscard]] std::optional<bool> duplicated(const perfdata::SampleRecord& sample);

  std::unordered_map<Site, Outcomes, SiteHash> outcomes;

 private:
  /// How the way from one entry to the next came out.
  enum class Way : u8 { kLine, kAside, kBroken };

  struct Entry {
    u64 from = 0, to = 0;
    perfdata::BranchFlags flags;
    Spot at{};
    Spot target{};
    Coverage coverage = Coverage::kUnknown;
    FlowInsn insn{};        ///< at `from`, where there is one
    bool branch = false;    ///< FROM is a branch of given code
    Way way = Way::kAside;  ///< from the entry before (older) to here
    /// Where the line before broke: the function that begins with the line that leads here.
    std::optional<Site> entered{};
  };
  /// The sample that is being judged.
  struct Current {
    u64 number = 0;
    u32 pid = 0;
    u64 time = 0;
    u64 weight = 1;
    StackKind kind{};
    bool duplicated_top = false;
  };

  [[nodiscard]] StackKind stack_kind(const perfdata::SampleRecord& sample, bool exact_ip) const;
  void load(const perfdata::SampleRecord& sample);
  [[nodiscard]] Entry entry(const perfdata::BranchEntry& raw);

  void judge_from(u32 k);
  void judge_kind(u32 k);
  void judge_target(u32 k);
  void judge_return(u32 k);
  void judge_line(u32 newer);
  void judge_broken(u32 newer, const std::function<std::string()>& words);
  void find_handlers();
  [[nodiscard]] static bool impossible(const Entry& older, const Entry& newer);
  [[nodiscard]] bool is_text() const;
  void judge_address(const perfdata::SampleRecord& sample);
  void judge_walk();

  [[nodiscard]] static Cause cause_of(const Spot& spot);
  [[nodiscard]] bool allowed(FlowKind kind) const;
  [[nodiscard]] bool same_code(const Spot& a, const Spot& b) const;
  [[nodiscard]] bool resumes_elsewhere(const Spot& from, const Entry& newer);
  [[nodiscard]] std::optional<Site> function_at(const Spot& spot) const;
  [[nodiscard]] std::optional<Site> function_entered(const Spot& at);
  [[nodiscard]] bool makes_target(u32 k);
  [[nodiscard]] bool function_makes_target(const Site& site, const std::optional<Site>& function) const;
  [[nodiscard]] bool reaches(const Spot& from, const Spot& to);
  void hold(Check check) { ++report_[check].held; }
  /// Counts; `words` is only called while examples are kept.
  void aside(Check check, Cause cause, u32 k, const std::function<std::string()>& words);
  [[nodiscard]] std::string at_words(const Spot& spot) const;
  [[nodiscard]] std::string line_words(const Line& line, const Entry& older, const Entry& newer) const;

  const FlowOptions options_;
  CodeMap& codes_;
  Report& report_;
  Lines lines_;
  BrokenLines broken_;
  std::unordered_map<Site, bool, SiteHash> makes_target_;  // of returns without the code before them
  std::optional<Walk> walk_;
  Current now_;
  std::vector<Entry> entries_;  // newest first, as in the sample
  bool top_is_double_ = false;
  std::vector<WalkEntry> walked_;
  u64 filtered_ = 0;                 // samples whose lines are not judged
  u64 lines_of_unknown_filter_ = 0;  // that held
  u64 addresses_ = 0;                // of precise samples, judged
  u64 addresses_held_ = 0;
};

}  // namespace lastbranch::replay
