#pragma once
/// Straight lines that do not hold and whose cause only the rest of the capture shows.
///
/// Signals: the kernel enters a handler from wherever the program is, and records of user mode need not show
/// that: a line ends early and goes on at a function's first instruction. Whether that function is a handler
/// shows where it returns: to the code that calls rt_sigreturn, which nobody calls. One window seldom holds
/// both. Not known: handlers that never return (siglongjmp), functions without symbols.
/// Text without a header: which branches were recorded shows only in all of them. A kind of branch that lies
/// on a broken line and is nowhere among the records was filtered out; kernel code that is nowhere was not
/// recorded.
/// Source: Linux 6.12, arch/x86/kernel/signal_64.c (the frame's return address is sa_restorer).
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/replay/code.h"
#include "sim/replay/control_flow.h"
#include "sim/replay/report.h"

namespace lastbranch::replay {

struct BrokenLine {
  std::optional<Site> entered;        ///< the function that it goes on in, at its first instruction
  FlowKinds passed = 0;               ///< kinds of branches up to the next that must leave the line
  bool filter_known = true;           ///< the capture says which branches were recorded
  Cause cause = Cause::kUnexplained;  ///< if nothing explains it

  friend auto operator<=>(const BrokenLine&, const BrokenLine&) = default;
};

class BrokenLines {
 public:
  /// The function that begins at `function` was seen to return to rt_sigreturn.
  void handler(const Site& function) { handlers_.insert(function); }
  /// Branches of these kinds, or kernel code, are among the records.
  void recorded(FlowKinds kinds) {
    kinds_ |= kinds;
    ++branches_;
  }
  void recorded_kernel() { kernel_ = true; }

  /// Takes a line whose cause cannot be told yet. False: there are too many of them to remember.
  [[nodiscard]] bool wait(const BrokenLine& line, Example example);
  /// Whether the words of one more example of `line` would be reported.
  [[nodiscard]] bool keeps_example(const BrokenLine& line) const {
    const auto it = lines_.find(line);
    return it == lines_.end() || it->second.first.size() < kExamplesKept;
  }
  /// Reports what has waited. Whether the branches were filtered: then straight lines mean nothing.
  [[nodiscard]] bool finish(Report& report);

 private:
  static constexpr std::size_t kMost = 4096;

  struct Waiting {
    u64 count = 0;
    std::vector<Example> first;  ///< as many as a report keeps
  };
  [[nodiscard]] bool filtered(const BrokenLine& line) const;

  std::map<BrokenLine, Waiting> lines_;
  std::set<Site> handlers_;
  FlowKinds kinds_ = 0;
  u64 branches_ = 0;
  bool kernel_ = false;
};

}  // namespace lastbranch::replay
