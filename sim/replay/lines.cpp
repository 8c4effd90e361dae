#include "sim/replay/lines.h"

namespace lastbranch::replay {
namespace {

/// Longer lines are none: no compiler makes them, and following them would take for ever.
constexpr u64 kLongestLine = u64{1} << 20;

}  // namespace

Line Lines::trace(const Key& key) {
  Line line{.first = conditionals_.size(), .at = key.from};
  if (key.to < key.from) {
    line.end = LineEnd::kBackwards;
    return line;
  }
  const Code& code = codes_.code(key.code);
  const u64 furthest = key.from + kLongestLine;
  FlowInsn insn;
  for (u64 at = key.from; at < key.to && at < furthest; at = insn.end()) {
    line.at = at;
    switch (code.at(at, insn)) {
      case Coverage::kInsn:
        break;
      case Coverage::kMiddle:
        line.end = LineEnd::kMissed;
        return line;
      case Coverage::kInvalid:
        line.end = LineEnd::kInvalid;
        return line;
      case Coverage::kUnknown:
        line.end = LineEnd::kUnknown;
        return line;
    }
    if (insn.kind == FlowKind::kFar) line.system = true;
    if (is_branch(insn.kind)) line.kinds |= kinds_of(insn.kind);
    if (insn.stack_top != StackTop::kKept) line.makes_top = insn.stack_top == StackTop::kWritten;
    if (ends_line(insn.kind)) {
      line.end = LineEnd::kBranch;
      return line;
    }
    if (insn.kind == FlowKind::kCond) {
      conditionals_.push_back(at);
      ++line.conditionals;
    }
    if (insn.end() > key.to) {
      line.end = LineEnd::kMissed;
      return line;
    }
  }
  if (key.to >= furthest) line.end = LineEnd::kMissed;
  return line;
}

Line& Lines::follow(u32 code, u64 from, u64 to) {
  const Key key{from, to, code};
  const auto it = lines_.find(key);
  return it != lines_.end() ? it->second : lines_.emplace(key, trace(key)).first->second;
}

void Lines::fold(std::unordered_map<Site, Outcomes, SiteHash>& outcomes) {
  for (auto& [key, line] : lines_) {
    if (line.uses == 0) continue;
    for (u64 k = 0; k < line.conditionals; ++k)
      outcomes[{key.code, conditionals_[line.first + k]}].not_taken += line.uses;
    line.uses = 0;
  }
}

void Lines::clear() {
  lines_.clear();
  conditionals_.clear();
}

}  // namespace lastbranch::replay
