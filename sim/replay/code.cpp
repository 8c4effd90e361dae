#include "sim/replay/code.h"

#include <array>

namespace lastbranch::replay {

const char* name_of(FlowKind kind) {
  constexpr std::array kNames = {"no branch",   "conditional branch", "direct jump",
                                 "direct call", "indirect jump",      "indirect call",
                                 "return",      "far transfer",       "far return"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool fits(FlowKind kind, perfdata::BranchType type) {
  using perfdata::BranchType;
  switch (type) {
    case BranchType::kCond:
      return kind == FlowKind::kCond;
    case BranchType::kUncond:
      return kind == FlowKind::kJump;
    case BranchType::kInd:
      return kind == FlowKind::kIndirectJump;
    case BranchType::kCall:
      return kind == FlowKind::kCall;
    case BranchType::kIndCall:
      return kind == FlowKind::kIndirectCall;
    case BranchType::kRet:
      return kind == FlowKind::kReturn;
    case BranchType::kSyscall:
      return kind == FlowKind::kFar;
    case BranchType::kSysret:
    case BranchType::kEret:
      return kind == FlowKind::kFarBack;
    case BranchType::kCondCall:  // x86 has neither
    case BranchType::kCondRet:
      return false;
    case BranchType::kIrq:  // may strike anywhere
    case BranchType::kUnknown:
    case BranchType::kSerror:
    case BranchType::kNoTx:
    case BranchType::kExtendAbi:
      return true;
  }
  return true;
}

}  // namespace lastbranch::replay
