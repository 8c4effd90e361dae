#include "sim/replay/flow_judge.h"

#include <algorithm>
#include <utility>

#include "sim/base/kernel_half.h"

namespace lastbranch::replay {
namespace {

using perfdata::BranchSampleBit;
using perfdata::BranchType;

constexpr u64 kKindBits = perfdata::kBranchAny | perfdata::kBranchAnyCall | perfdata::kBranchAnyReturn |
                          perfdata::kBranchIndCall | perfdata::kBranchAbortTx | perfdata::kBranchInTx |
                          perfdata::kBranchNoTx | perfdata::kBranchCond | perfdata::kBranchIndJump |
                          perfdata::kBranchCall;
constexpr u64 kTransactionBits = perfdata::kBranchAbortTx | perfdata::kBranchInTx | perfdata::kBranchNoTx;

}  // namespace

FlowJudge::FlowJudge(const FlowOptions& options, CodeMap& codes, Report& report)
    : options_(options), codes_(codes), report_(report), lines_(codes) {
  if (options.lbr) walk_.emplace(codes, *options.lbr);
}

StackKind FlowJudge::stack_kind(const perfdata::SampleRecord& sample, bool exact_ip) const {
  StackKind kind;
  bool kernel_seen = false;
  for (const perfdata::BranchEntry& e : sample.branches)
    kernel_seen = kernel_seen || (in_kernel(e.from) && in_kernel(e.to));
  kind.user_only = !kernel_seen;
  kind.precise = exact_ip;
  if (options_.events == nullptr || sample.event >= options_.events->size()) return kind;
  const perfdata::Attr& attr = (*options_.events)[sample.event].attr;
  kind.branch_bits = attr.branch_sample_type;
  kind.precise = exact_ip || (attr.flags >> perfdata::kAttrPreciseIpShift & 3) != 0;
  if (kind.branch_bits == 0) return kind;
  kind.call_stack = (kind.branch_bits & perfdata::kBranchCallStack) != 0;
  kind.every_kind = (kind.branch_bits & perfdata::kBranchAny) != 0 || (kind.branch_bits & kKindBits) == 0;
  // Of text without a header its reader takes all branches.
  constexpr u64 kAll = perfdata::kBranchUser | perfdata::kBranchKernel | perfdata::kBranchAny;
  kind.filter_known =
      !is_text() || attr.sample_period != 0 || (kind.branch_bits & ~u64{perfdata::kBranchTypeSave}) != kAll;
  if (!kind.filter_known) return kind;
  // Without a privilege in the branch filter the event's own counts.
  const u64 privileges = kind.branch_bits & (perfdata::kBranchUser | perfdata::kBranchKernel);
  const bool kernel = privileges != 0 ? (privileges & perfdata::kBranchKernel) != 0
                                      : (attr.flags & perfdata::kAttrExcludeKernel) == 0;
  kind.user_only = !kernel && !kernel_seen;
  return kind;
}

FlowJudge::Entry FlowJudge::entry(const perfdata::BranchEntry& raw) {
  Entry e{.from = raw.from, .to = raw.to, .flags = perfdata::BranchFlags::unpack(raw.flags)};
  e.at = codes_.locate(now_.pid, raw.from, now_.time);
  e.target = codes_.locate(now_.pid, raw.to, now_.time);
  if (e.at.in_code()) e.coverage = codes_.code(e.at.code).at(e.at.address, e.insn);
  return e;
}

/// Takes the sample's entries without the oldest ones that are empty.
void FlowJudge::load(const perfdata::SampleRecord& sample) {
  top_is_double_ = false;
  std::size_t n = sample.branches.size();
  while (n != 0 && sample.branches[n - 1].from == 0 && sample.branches[n - 1].to == 0) --n;
  entries_.clear();
  for (std::size_t k = 0; k < n; ++k) entries_.push_back(entry(sample.branches[k]));
  for (auto k = static_cast<u32>(n); k < sample.branches.size(); ++k) {
    ++report_[Check::kFromBranch].causes[static_cast<std::size_t>(Cause::kZeroTail)];
  }
}

void FlowJudge::aside(Check check, Cause cause, u32 k, const std::function<std::string()>& words) {
  const bool kept = report_[check].of(cause) < kExamplesKept;
  report_.disagree(
      {check, cause, now_.number, k, entries_[k].from, entries_[k].to, kept ? words() : std::string()});
}

Cause FlowJudge::cause_of(const Spot& spot) {
  return spot.kind == SpotKind::kKernel ? Cause::kKernel : Cause::kUnknownMapping;
}

std::string FlowJudge::at_words(const Spot& spot) const {
  switch (spot.kind) {
    case SpotKind::kCode: {
      std::string words = codes_.code(spot.code).describe(spot.address);
      if (spot.bias != 0) words += fmt::format(" (runs at {:#x})", CodeMap::runtime(spot, spot.address));
      return words;
    }
    case SpotKind::kKernel:
      return fmt::format("{:#x} in the kernel", spot.address);
    case SpotKind::kVdso:
      return fmt::format("{:#x} in the vDSO", spot.address);
    case SpotKind::kForeign:
      return fmt::format("{:#x} in a file that was not given", spot.address);
    case SpotKind::kUnmapped:
      return fmt::format("{:#x}, where nothing is mapped", spot.address);
    case SpotKind::kNowhere:
      return fmt::format("{:#x}, which is no address", spot.address);
  }
  return {};
}

bool FlowJudge::same_code(const Spot& a, const Spot& b) const {
  return a.in_code() && b.in_code() && a.code == b.code && a.bias == b.bias;
}

/// Whether perf's branch filter of the event keeps branches of this kind.
bool FlowJudge::allowed(FlowKind kind) const {
  const u64 bits = now_.kind.branch_bits;
  if (now_.kind.call_stack) return is_call(kind);
  if (now_.kind.every_kind || (bits & kTransactionBits) != 0) return true;
  switch (kind) {
    case FlowKind::kCond:
      return (bits & perfdata::kBranchCond) != 0;
    case FlowKind::kCall:
      return (bits & (perfdata::kBranchAnyCall | perfdata::kBranchCall)) != 0;
    case FlowKind::kIndirectCall:
      return (bits & (perfdata::kBranchAnyCall | perfdata::kBranchIndCall)) != 0;
    case FlowKind::kReturn:
      return (bits & perfdata::kBranchAnyReturn) != 0;
    case FlowKind::kIndirectJump:
      return (bits & perfdata::kBranchIndJump) != 0;
    case FlowKind::kFar:
    case FlowKind::kFarBack:
      return (bits & (perfdata::kBranchAnyCall | perfdata::kBranchAnyReturn)) != 0;
    case FlowKind::kJump:
    case FlowKind::kOther:
      break;
  }
  return false;
}

void FlowJudge::judge_from(u32 k) {
  Entry& e = entries_[k];
  constexpr auto kCheck = Check::kFromBranch;
  const bool to_kernel = e.target.kind == SpotKind::kKernel;
  if ((e.from == 0 && e.to == 0) || e.at.kind == SpotKind::kNowhere) {
    const bool empty = e.from == 0;
    aside(kCheck, Cause::kEdited, k, [&] {
      return empty ? std::string("an empty record with older ones behind it") : "FROM is " + at_words(e.at);
    });
    return;
  }
  if (!e.at.in_code()) {
    const bool back = e.at.kind == SpotKind::kKernel && !to_kernel && now_.kind.user_only;
    aside(kCheck, back ? Cause::kIret : cause_of(e.at), k,
          [&] { return (back ? "the kernel returns: FROM is " : "FROM is ") + at_words(e.at); });
    return;
  }
  if (e.coverage == Coverage::kUnknown) {
    aside(kCheck, Cause::kUnknownMapping, k, [&] { return "FROM is " + at_words(e.at); });
    return;
  }
  const bool struck = to_kernel || e.flags.abort || e.flags.type == BranchType::kIrq;
  if (e.coverage == Coverage::kInsn && is_branch(e.insn.kind)) {
    e.branch = true;
    broken_.recorded(kinds_of(e.insn.kind));
    judge_kind(k);
    return;
  }
  aside(kCheck, e.coverage == Coverage::kInsn && struck ? Cause::kInterrupt : Cause::kUnexplained, k,
        [&] { return "expected a branch at FROM, found " + at_words(e.at); });
}

void FlowJudge::judge_kind(u32 k) {
  const Entry& e = entries_[k];
  const bool struck = e.target.kind == SpotKind::kKernel;  // an interrupt may strike before a branch, too
  if (struck || (fits(e.insn.kind, e.flags.type) && allowed(e.insn.kind))) {
    hold(Check::kFromBranch);
    return;
  }
  aside(Check::kFromBranch, Cause::kUnexplained, k, [&] {
    if (!allowed(e.insn.kind)) {
      return fmt::format("expected a branch that the filter {:#x} keeps, found {}", now_.kind.branch_bits,
                         at_words(e.at));
    }
    return fmt::format("expected a branch of the saved type {}, found a {} at {}",
                       static_cast<unsigned>(e.flags.type), name_of(e.insn.kind), at_words(e.at));
  });
}

void FlowJudge::judge_target(u32 k) {
  const Entry& e = entries_[k];
  if (!e.branch || !is_direct(e.insn.kind)) return;
  const u64 expected = CodeMap::runtime(e.at, e.insn.target);
  if (expected == e.to) {
    hold(Check::kDirectTarget);
    const bool again = k == 0 && top_is_double_;
    if (e.insn.kind == FlowKind::kCond && !again) outcomes[{e.at.code, e.at.address}].taken += now_.weight;
    return;
  }
  const bool struck = e.target.kind == SpotKind::kKernel || e.flags.abort;
  aside(Check::kDirectTarget, struck ? Cause::kInterrupt : Cause::kUnexplained, k,
        [&] { return fmt::format("expected TO {:#x}, found {:#x}, of {}", expected, e.to, at_words(e.at)); });
}

void FlowJudge::judge_return(u32 k) {
  const Entry& e = entries_[k];
  if (!e.branch || e.insn.kind != FlowKind::kReturn) return;
  const auto words = [&] { return "expected a call before TO, found " + at_words(e.target); };
  if (!e.target.in_code()) {
    aside(Check::kReturn, e.target.kind == SpotKind::kKernel ? Cause::kInterrupt : Cause::kUnknownMapping, k,
          words);
    return;
  }
  const Code& code = codes_.code(e.target.code);
  const auto behind = code.follows_call(e.target.address);
  const bool handled = code.is_signal_return(e.target.address);
  if (const auto function = handled ? function_at(e.at) : std::nullopt) broken_.handler(*function);
  if (behind && (*behind || handled || code.ends_context(e.target.address))) {
    hold(Check::kReturn);
    return;
  }
  if (makes_target(k)) return;
  aside(Check::kReturn, behind ? Cause::kUnexplained : Cause::kUnknownMapping, k, words);
}

std::string FlowJudge::line_words(const Line& line, const Entry& older, const Entry& newer) const {
  const Code& code = codes_.code(older.target.code);
  const std::string way = fmt::format("from {:#x} to {:#x}", older.to, newer.from);
  switch (line.end) {
    case LineEnd::kReached:
      return way + " a system call lies on the line, and was not recorded";
    case LineEnd::kBackwards:
      return "expected a straight line, found that it would lead backwards " + way;
    case LineEnd::kBranch:
      return fmt::format("expected a straight line {}, found on it {}", way, code.describe(line.at));
    case LineEnd::kMissed:
      return fmt::format("expected a straight line {}, found that it misses FROM: {}", way,
                         code.describe(line.at));
    case LineEnd::kInvalid:
    case LineEnd::kUnknown:
      return fmt::format("expected code {}, found {}", way, code.describe(line.at));
  }
  return {};
}

void FlowJudge::judge_line(u32 newer) {
  constexpr auto kCheck = Check::kStraightLine;
  Entry& n = entries_[newer];
  const Entry& o = entries_[newer + 1];
  if (now_.kind.call_stack) {
    ++report_[kCheck].causes[static_cast<std::size_t>(Cause::kCallStack)];
    return;
  }
  if (!now_.kind.every_kind) return;
  if (same_code(o.target, n.at)) {
    Line& line = lines_.follow(o.target.code, o.target.address, n.at.address);
    if (line.end == LineEnd::kReached && !(line.system && !now_.kind.user_only)) {
      line.uses += now_.weight;
      n.way = Way::kLine;
      hold(kCheck);
      if (!now_.kind.filter_known) ++lines_of_unknown_filter_;
    } else if (line.end == LineEnd::kUnknown) {
      aside(kCheck, Cause::kUnknownMapping, newer, [&] { return line_words(line, o, n); });
    } else {
      judge_broken(newer, [&, line] { return line_words(line, o, n); });
    }
    return;
  }
  const auto words = [&] { return fmt::format("from {} to {}", at_words(o.target), at_words(n.at)); };
  if (n.at.kind == SpotKind::kKernel && o.target.kind != SpotKind::kKernel && now_.kind.user_only) {
    aside(kCheck, Cause::kIret, newer, words);
  } else if (o.target.kind == SpotKind::kKernel || n.at.kind == SpotKind::kKernel) {
    aside(kCheck, Cause::kKernel, newer, words);
  } else if (o.target.in_code() && n.at.in_code()) {
    judge_broken(newer, [&] { return "expected a straight line " + words(); });
  } else if (is_text() && impossible(o, n)) {
    judge_broken(newer, [&] { return "expected a straight line " + words(); });
  } else {
    aside(kCheck, Cause::kUnknownMapping, newer, words);
  }
}

bool FlowJudge::reaches(const Spot& from, const Spot& to) {
  return same_code(from, to) && lines_.follow(from.code, from.address, to.address).end == LineEnd::kReached;
}

/// The sample's address against the newest entry.
void FlowJudge::judge_address(const perfdata::SampleRecord& sample) {
  if (entries_.empty() || now_.kind.call_stack || !now_.kind.every_kind) return;
  const Entry& newest = entries_[0];
  if (top_is_double_) return;  // the record of the newest branch is not there
  const Spot ip = codes_.locate(now_.pid, sample.ip, now_.time);
  if (!ip.in_code() || !newest.target.in_code()) return;
  const bool held = sample.ip == newest.from || reaches(newest.target, ip);
  if (now_.kind.precise) {
    ++addresses_;
    if (held) ++addresses_held_;
  }
  if (held) return;
  aside(Check::kStraightLine, Cause::kSkid, 0, [&] {
    return fmt::format("expected the sample's address on the line from {:#x}, found {}", newest.to,
                       at_words(ip));
  });
}

void FlowJudge::judge_walk() {
  if (!walk_ || now_.kind.call_stack || !now_.kind.every_kind) return;
  walked_.clear();
  bool any = false;
  for (std::size_t k = entries_.size(); k-- != (top_is_double_ ? 1 : 0);) {
    const Entry& e = entries_[k];
    if (e.from == 0) return;
    const bool struck = e.target.kind == SpotKind::kKernel || e.flags.abort;
    const bool walked =
        e.branch && !struck && e.insn.kind != FlowKind::kFar && e.insn.kind != FlowKind::kFarBack;
    any = any || walked;
    const bool continues =
        walked && e.way != Way::kAside && k + 1 != entries_.size() && same_code(entries_[k + 1].target, e.at);
    walked_.push_back({e.from, e.to, e.at, e.target, walked, continues});
  }
  if (!any) return;
  if (const auto wrong = walk_->walk(walked_); wrong) {
    aside(Check::kWalk, Cause::kUnexplained, 0, [&] { return *wrong; });
  } else {
    hold(Check::kWalk);
  }
}

void FlowJudge::sample(const perfdata::SampleRecord& sample, u64 number, bool duplicated_top, bool exact_ip) {
  if (sample.branches.empty()) return;
  now_ = {.number = number,
          .pid = sample.pid,
          .time = sample.time,
          .weight = sample.repeat,
          .kind = stack_kind(sample, exact_ip),
          .duplicated_top = duplicated_top};
  load(sample);
  if (!now_.kind.filter_known && !now_.kind.user_only) broken_.recorded_kernel();
  if (!now_.kind.every_kind && !now_.kind.call_stack) ++filtered_;
  for (u32 k = 0; k + 1 < entries_.size(); ++k) judge_line(k);
  for (u32 k = 0; k < entries_.size(); ++k) {
    judge_from(k);
    judge_target(k);
    judge_return(k);
  }
  find_handlers();
  judge_address(sample);
  judge_walk();
  if (lines_.full()) {
    lines_.fold(outcomes);
    lines_.clear();
  }
}

void FlowJudge::edge(const perfdata::EdgeRecord& edge, u64 number) {
  now_ = {.number = number, .weight = edge.count};
  top_is_double_ = false;
  now_.kind.user_only = true;
  entries_.assign(1, entry({edge.from, edge.to, 0}));
  judge_from(0);
  judge_target(0);
  judge_return(0);
}

void FlowJudge::range(const perfdata::RangeRecord& range, u64 number) {
  now_ = {.number = number, .weight = range.count};
  now_.kind.user_only = true;
  entries_.assign(2, {});
  entries_[0] = entry({range.end, 0, 0});
  entries_[1] = entry({0, range.start, 0});
  judge_line(0);
}

void FlowJudge::finish() {
  lines_.fold(outcomes);
  if (broken_.finish(report_)) {
    Tally& lines = report_[Check::kStraightLine];
    lines.held -= std::min(lines.held, lines_of_unknown_filter_);
    report_.notes.emplace_back(
        "the branches look filtered, as kinds of branches that lie between them are nowhere recorded: "
        "straight lines are not judged");
  }
  if (filtered_ != 0)
    report_.notes.push_back(fmt::format("{} samples have filtered branches: no straight lines", filtered_));
  if (addresses_ != 0) {
    report_.notes.push_back(fmt::format("the address of {} of {} precise samples lies on the newest line",
                                        addresses_held_, addresses_));
  }
}

bool FlowJudge::mapped(const perfdata::SampleRecord& sample) const {
  const auto known = [&](u64 address) {
    return address == 0 || in_kernel(address) ||
           codes_.maps().find(sample.pid, address, sample.time) != nullptr;
  };
  return std::ranges::all_of(sample.branches, [&](const auto& e) { return known(e.from) && known(e.to); });
}

std::optional<bool> FlowJudge::duplicated(const perfdata::SampleRecord& sample) {
  if (sample.branches.size() < 2) return false;
  const perfdata::BranchEntry& top = sample.branches[0];
  const perfdata::BranchEntry& next = sample.branches[1];
  if (top.from != next.from || top.to != next.to || (top.from == 0 && top.to == 0)) return false;
  if (top.from < top.to) return true;
  const Spot target = codes_.locate(sample.pid, top.to, sample.time);
  const Spot at = codes_.locate(sample.pid, top.from, sample.time);
  if (!target.in_code() && !at.in_code()) return std::nullopt;
  if (!same_code(target, at)) return true;
  const Line& line = lines_.follow(target.code, target.address, at.address);
  if (line.end == LineEnd::kUnknown) return std::nullopt;
  return line.end != LineEnd::kReached;
}

}  // namespace lastbranch::replay
