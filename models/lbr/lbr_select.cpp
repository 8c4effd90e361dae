#include "models/lbr/lbr_select.h"

namespace lastbranch::lbr {
namespace {

constexpr u32 of(BranchKind kind) {
  return u32{1} << static_cast<unsigned>(kind);
}

constexpr u32 kFar = of(BranchKind::kFar) | of(BranchKind::kSyscall) | of(BranchKind::kSysret) |
                     of(BranchKind::kIret) | of(BranchKind::kSoftInt) | of(BranchKind::kException) |
                     of(BranchKind::kInterrupt);

/// What a suppress bit drops, as a set of kinds.
struct Row {
  u64 bit;
  u32 kinds;
  u32 early_kinds;  ///< on parts whose JMP filters drop calls
};

constexpr Row kRows[] = {
    {select::kJcc, of(BranchKind::kJcc), of(BranchKind::kJcc)},
    {select::kNearRelCall, of(BranchKind::kRelCall), of(BranchKind::kRelCall)},
    {select::kNearIndCall, of(BranchKind::kIndCall), of(BranchKind::kIndCall)},
    {select::kNearRet, of(BranchKind::kRet), of(BranchKind::kRet)},
    {select::kNearIndJmp, of(BranchKind::kIndJmp),
     of(BranchKind::kIndJmp) | of(BranchKind::kIndCall) | of(BranchKind::kRet)},
    {select::kNearRelJmp, of(BranchKind::kRelJmp), of(BranchKind::kRelJmp) | of(BranchKind::kRelCall)},
    {select::kFarBranch, kFar, kFar},
};

}  // namespace

KeepMask keep_mask(u64 select, bool jmp_filters_drop_calls) {
  u32 kinds = of(BranchKind::kCount) - 1;
  for (const Row& row : kRows) {
    if ((select & row.bit) != 0) kinds &= ~(jmp_filters_drop_calls ? row.early_kinds : row.kinds);
  }
  KeepMask keep = 0;
  for (unsigned kind = 0; kind < static_cast<unsigned>(BranchKind::kCount); ++kind) {
    if (((kinds >> kind) & 1) == 0) continue;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
      const u64 suppress = cpl == 0 ? select::kCplEq0 : select::kCplNeq0;
      if ((select & suppress) == 0) keep |= KeepMask{1} << keep_bit(static_cast<BranchKind>(kind), cpl);
    }
  }
  return keep;
}

}  // namespace lastbranch::lbr
