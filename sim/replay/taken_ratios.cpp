#include "sim/replay/taken_ratios.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace lastbranch::replay {
namespace {

constexpr double kTolerance = 0.10;
constexpr double kErrors = 3;       // standard errors
constexpr u64 kFewestWindows = 10;  // with less, nothing is compared
constexpr u64 kLongestWay = u64{1} << 16;

using Counts = std::map<CommonPlace, Outcomes>;

std::optional<u64> link_address(const Code& code, CommonPlace place) {
  if (place.file != CommonPlace::kNoMaps) return code.address_of(place.offset);
  if (!code.contains(place.offset)) return std::nullopt;
  return place.offset;
}

/// By branch: its file and link-time address.
Counts outcomes(const FlowCounts& flow, const CodeOf& code_of) {
  Counts counts;
  FlowInsn insn;
  for (const auto& [edge, count] : flow.edges()) {
    const Code* code = code_of(edge.first.file);
    const auto at = code != nullptr ? link_address(*code, edge.first) : std::nullopt;
    if (at && code->at(*at, insn) == Coverage::kInsn && insn.kind == FlowKind::kCond)
      counts[{edge.first.file, *at}].taken += count;
  }
  for (const auto& [line, count] : flow.lines()) {
    const Code* code = code_of(line.first.file);
    if (code == nullptr || line.first.file != line.second.file) continue;
    const auto from = link_address(*code, line.first);
    const auto to = link_address(*code, line.second);
    if (!from || !to || *to - *from > kLongestWay) continue;
    for (u64 at = *from; at < *to; at = insn.end()) {
      if (code->at(at, insn) != Coverage::kInsn || ends_line(insn.kind)) break;
      if (insn.kind == FlowKind::kCond) counts[{line.first.file, at}].not_taken += count;
    }
  }
  return counts;
}

/// The loops of a run, as address ranges from the target of a branch that leads backwards to the branch.
class Loops {
 public:
  Loops(const FlowCounts& run, const CodeOf& code_of) : code_of_(code_of) {
    FlowInsn insn;
    for (const auto& [edge, count] : run.edges()) {
      if (edge.first.file != edge.second.file || edge.second.offset > edge.first.offset) continue;
      const Code* code = code_of(edge.first.file);
      if (code == nullptr) continue;
      const auto at = link_address(*code, edge.first);
      const auto to = link_address(*code, edge.second);
      if (!at || !to || code->at(*at, insn) != Coverage::kInsn) continue;
      if (insn.kind == FlowKind::kCond || insn.kind == FlowKind::kJump)
        loops_[edge.first.file].push_back({*to, *at});
    }
  }

  /// Whether time is spent alike on both ways of the branch `insn`.
  [[nodiscard]] bool alike(u32 file, const FlowInsn& insn) const {
    if (insn.target <= insn.address) return false;  // staying in a loop against leaving it
    const Loop* around = innermost(file, insn.address);
    if (innermost(file, insn.target) != around || innermost(file, insn.end()) != around) return false;
    return !has_call_or_loop(file, insn.end(), insn.target);
  }

 private:
  struct Loop {
    u64 first, last;
  };

  [[nodiscard]] const Loop* innermost(u32 file, u64 address) const {
    const Loop* best = nullptr;
    const auto it = loops_.find(file);
    if (it == loops_.end()) return nullptr;
    for (const Loop& loop : it->second) {
      if (address < loop.first || address > loop.last) continue;
      if (best == nullptr || loop.last - loop.first < best->last - best->first) best = &loop;
    }
    return best;
  }

  [[nodiscard]] bool has_call_or_loop(u32 file, u64 from, u64 to) const {
    if (to - from > kLongestWay) return true;
    if (const auto it = loops_.find(file); it != loops_.end()) {
      const auto within = [&](const Loop& loop) { return loop.first >= from && loop.last < to; };
      if (std::ranges::any_of(it->second, within)) return true;
    }
    const Code* code = code_of_(file);
    FlowInsn insn;
    for (u64 at = from; at < to; at = insn.end()) {
      if (code->at(at, insn) != Coverage::kInsn) return true;
      if (is_call(insn.kind) || insn.kind == FlowKind::kFar) return true;
    }
    return false;
  }

  CodeOf code_of_;
  std::map<u32, std::vector<Loop>> loops_;
};

double ratio(const Outcomes& o) {
  return static_cast<double>(o.taken) / static_cast<double>(o.taken + o.not_taken);
}

}  // namespace

void compare_taken_ratios(const FlowCounts& capture, const FlowCounts& run, const CodeOf& code_of,
                          const RatioOptions& options, Report& report) {
  const Counts seen = outcomes(capture, code_of);
  const Counts simulated = outcomes(run, code_of);
  const Loops loops(run, code_of);
  u64 few = 0;
  u64 across = 0;
  for (const auto& [site, theirs] : seen) {
    const Code& code = *code_of(site.file);
    const auto it = simulated.find(site);
    if (it == simulated.end()) continue;  // its windows are reported as not found
    FlowInsn insn;
    if (code.at(site.offset, insn) != Coverage::kInsn) continue;
    const u64 windows = (theirs.taken + theirs.not_taken) / std::max(1u, options.depth);
    if (windows < kFewestWindows) {
      ++few;
      continue;
    }
    if (options.time_weighted && !loops.alike(site.file, insn)) {
      ++across;
      continue;
    }
    const double expected = ratio(it->second);
    const double found = ratio(theirs);
    const double error = std::sqrt(expected * (1 - expected) / static_cast<double>(windows));
    if (std::abs(found - expected) <= std::max(kTolerance, kErrors * error)) {
      ++report[Check::kTakenRatio].held;
      continue;
    }
    report.disagree({.check = Check::kTakenRatio,
                     .cause = Cause::kUnexplained,
                     .from = site.offset,
                     .to = insn.target,
                     .words = fmt::format("expected to be taken {:.1f} % of the times, as simulated, found "
                                          "{:.1f} % in about {} windows: {}",
                                          100 * expected, 100 * found, windows, code.describe(site.offset))});
  }
  if (few != 0) {
    report.notes.push_back(
        fmt::format("taken ratio: {} branches are in too few windows to be compared", few));
  }
  if (across != 0) {
    report.notes.push_back(fmt::format(
        "taken ratio: {} branches decide between loops or calls, which samples by time weigh differently",
        across));
  }
}

}  // namespace lastbranch::replay
