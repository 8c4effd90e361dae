// Why a straight line between two entries does not hold, and returns that were never called.
#include "sim/replay/flow_judge.h"

namespace lastbranch::replay {
namespace {

constexpr u64 kToNextBranch = ~u64{0};

}  // namespace

std::optional<Site> FlowJudge::function_at(const Spot& spot) const {
  if (!spot.in_code()) return std::nullopt;
  const std::optional<u64> start = codes_.code(spot.code).function_at(spot.address);
  return start ? std::optional(Site{spot.code, *start}) : std::nullopt;
}

/// The function whose first straight line leads to `at`.
std::optional<Site> FlowJudge::function_entered(const Spot& at) {
  std::optional<Site> function = function_at(at);
  if (function && lines_.follow(function->code, function->address, at.address).end != LineEnd::kReached)
    function.reset();
  return function;
}

/// Whether a system call before the next unconditional branch behind `from` explains that the program went on
/// at `newer`. Of all that rt_sigreturn alone comes back anywhere; a signal or an exec, at a first
/// instruction.
bool FlowJudge::resumes_elsewhere(const Spot& from, const Entry& newer) {
  if (!from.in_code() || !lines_.follow(from.code, from.address, kToNextBranch).system) return false;
  return newer.entered || !function_at(newer.at) || codes_.code(from.code).is_signal_return(from.address);
}

bool FlowJudge::impossible(const Entry& older, const Entry& newer) {
  /// Between two branches no program runs on for longer than this, in bytes.
  constexpr u64 kLongestLine = u64{16} << 20;
  return newer.from < older.to || newer.from - older.to > kLongestLine;
}

bool FlowJudge::is_text() const {
  return options_.kind != perfdata::SourceKind::kPerfData &&
         options_.kind != perfdata::SourceKind::kPerfDataPipe;
}

/// There is no straight line from the older entry to `newer`: why?
void FlowJudge::judge_broken(u32 newer, const std::function<std::string()>& words) {
  Entry& n = entries_[newer];
  const Entry& o = entries_[newer + 1];
  const bool twice = newer == 0 && n.from == o.from && n.to == o.to;
  if (now_.kind.user_only) n.entered = function_entered(n.at);
  Cause cause = impossible(o, n) && is_text() ? Cause::kEdited : Cause::kUnexplained;
  if (twice && now_.duplicated_top) {
    cause = Cause::kDuplicatedTop;
    top_is_double_ = true;
  } else if (!now_.kind.user_only) {
    cause = Cause::kKernelSeam;
  } else if (resumes_elsewhere(o.target, n)) {
    // The kernel came back elsewhere (a signal, its end), and perf has dropped the record of that.
    cause = Cause::kIret;
  } else if (n.entered || !now_.kind.filter_known) {
    // Only the whole capture tells.
    const FlowKinds passed = o.target.in_code()
                                 ? lines_.follow(o.target.code, o.target.address, kToNextBranch).kinds
                                 : FlowKinds{0};
    const BrokenLine line{n.entered, passed, now_.kind.filter_known, cause};
    const std::string text = broken_.keeps_example(line) ? words() : "";
    if (broken_.wait(line, {Check::kStraightLine, cause, now_.number, newer, n.from, n.to, text})) {
      n.way = Way::kAside;
      return;
    }
  }
  n.way = cause == Cause::kUnexplained ? Way::kBroken : Way::kAside;
  aside(Check::kStraightLine, cause, newer, words);
}

/// Functions that the sample shows as handlers: a line breaks, they begin, and what they return to without a
/// call ends a handler.
void FlowJudge::find_handlers() {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    if (!entries_[k].entered) continue;
    int depth = 0;
    for (std::size_t later = k + 1; later-- != 0 && depth >= 0;) {
      const Entry& e = entries_[later];
      if (!e.branch || (later != k && e.way != Way::kLine)) break;
      if (is_call(e.insn.kind)) ++depth;
      if (e.insn.kind != FlowKind::kReturn || depth-- != 0 || !e.target.in_code()) continue;
      if (codes_.code(e.target.code).is_signal_return(e.target.address))
        broken_.handler(*entries_[k].entered);
    }
  }
}

/// Whether the return of entry `k` takes its target from what the code before it has put on the stack, and no
/// call: PUSH and RET, a retpoline, a switch of contexts. It is an indirect jump then.
bool FlowJudge::makes_target(u32 k) {
  const Entry& e = entries_[k];
  if (k + 1 < entries_.size() && now_.kind.every_kind) {
    const Spot& start = entries_[k + 1].target;
    if (same_code(start, e.at)) {
      const Line& line = lines_.follow(start.code, start.address, e.at.address);
      if (line.end == LineEnd::kReached) return line.makes_top;
    }
  }
  // What was executed before is not recorded.
  const Site site{e.at.code, e.at.address};
  const auto known = makes_target_.find(site);
  if (known != makes_target_.end()) return known->second;
  return makes_target_.emplace(site, function_makes_target(site, function_at(e.at))).first->second;
}

/// The same by the code of its function alone.
bool FlowJudge::function_makes_target(const Site& site, const std::optional<Site>& function) const {
  constexpr u64 kLongestFunction = u64{1} << 16;
  constexpr u64 kLongestStore = 8;
  const Code& code = codes_.code(site.code);
  FlowInsn insn;
  if (!function) {  // where instructions begin is not known
    for (u64 length = 1; length <= kLongestStore; ++length) {
      if (code.at(site.address - length, insn) == Coverage::kInsn && insn.length == length &&
          insn.stack_top == StackTop::kWritten)
        return true;
    }
    return false;
  }
  bool makes_top = false;
  if (site.address - function->address > kLongestFunction) return false;
  for (u64 at = function->address; at < site.address; at = insn.end()) {
    if (code.at(at, insn) != Coverage::kInsn) return false;
    if (insn.stack_top != StackTop::kKept) makes_top = insn.stack_top == StackTop::kWritten;
    if (ends_line(insn.kind)) makes_top = false;
  }
  return makes_top;
}

}  // namespace lastbranch::replay
