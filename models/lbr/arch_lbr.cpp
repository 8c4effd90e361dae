#include "models/lbr/arch_lbr.h"

#include "sim/base/field.h"

namespace lastbranch::lbr {
namespace {

namespace info {
using Cycles = Field<15, 0>;
using Events = Field<39, 32>;
using Type = Field<59, 56>;
using CyclesValid = Field<60>;
using Abort = Field<61>;
using InTx = Field<62>;
using Mispredicted = Field<63>;
}  // namespace info

constexpr u32 of(BranchKind kind) {
  return u32{1} << static_cast<unsigned>(kind);
}

constexpr u32 kAllKinds = of(BranchKind::kCount) - 1;
constexpr u32 kNear = of(BranchKind::kFar) - 1;

/// A class bit, what it lets through, and the bit of MSR_LBR_SELECT that suppresses the same.
struct Row {
  u64 bit;
  u32 kinds;
  u64 select;
};
constexpr Row kRows[] = {
    {ctl::kJcc, of(BranchKind::kJcc), select::kJcc},
    {ctl::kNearRelJmp, of(BranchKind::kRelJmp), select::kNearRelJmp},
    {ctl::kNearIndJmp, of(BranchKind::kIndJmp), select::kNearIndJmp},
    {ctl::kNearRelCall, of(BranchKind::kRelCall), select::kNearRelCall},
    {ctl::kNearIndCall, of(BranchKind::kIndCall), select::kNearIndCall},
    {ctl::kNearRet, of(BranchKind::kRet), select::kNearRet},
    {ctl::kOther, kAllKinds & ~kNear, select::kFarBranch},
};

/// Two bits for each counter in `counters`.
constexpr u8 event_fields(u32 counters) {
  unsigned fields = 0;
  for (unsigned n = 0; n < 4; ++n) fields |= ((counters >> n) & 1) != 0 ? 3u << (2 * n) : 0;
  return static_cast<u8>(fields);
}

/// The kind that a type stands for; "other" stands for several, reserved ones for none.
BranchKind kind_of(u8 type) {
  for (unsigned k = 0; k < static_cast<unsigned>(BranchKind::kFar); ++k) {
    if (branch_type(static_cast<BranchKind>(k)) == type) return static_cast<BranchKind>(k);
  }
  return BranchKind::kCount;
}

}  // namespace

u64 ctl_writable(const ArchLbrParams& part) {
  return ctl::kEnable | (part.cpl_filter ? ctl::kOs | ctl::kUsr : 0) |
         (part.call_stack ? ctl::kCallStack : 0) | (part.branch_filter ? ctl::kClasses : 0);
}

KeepMask arch_keep_mask(const ArchLbrParams& part, u64 value) {
  u32 kinds = part.branch_filter ? 0 : kAllKinds;
  for (const Row& row : kRows) {
    if ((value & row.bit) != 0) kinds |= row.kinds;
  }
  KeepMask keep = 0;
  for (unsigned kind = 0; kind < static_cast<unsigned>(BranchKind::kCount); ++kind) {
    if (((kinds >> kind) & 1) == 0) continue;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
      const u64 bit = cpl == 0 ? ctl::kOs : ctl::kUsr;
      if (!part.cpl_filter || (value & bit) != 0)
        keep |= KeepMask{1} << keep_bit(static_cast<BranchKind>(kind), cpl);
    }
  }
  return keep;
}

u64 ctl_of_select(u64 select) {
  u64 value = ((select & select::kCplEq0) == 0 ? ctl::kOs : 0) |
              ((select & select::kCplNeq0) == 0 ? ctl::kUsr : 0) |
              ((select & select::kCallStack) != 0 ? ctl::kCallStack : 0);
  for (const Row& row : kRows) {
    if ((select & row.select) == 0) value |= row.bit;
  }
  return value;
}

Entry visible(const ArchLbrParams& part, const Entry& e) {
  Entry out = e;
  if (!part.mispredicted) out.mispredicted = false;
  if (!part.timed) {
    out.cycles = 0;
    out.cycles_valid = false;
  }
  if (!part.branch_type) out.type = 0;
  out.events = static_cast<u8>(e.events & event_fields(part.event_log_counters));
  return out;
}

u64 encode_info(const ArchLbrParams& part, const Entry& e) {
  const Entry v = visible(part, e);
  return info::Cycles::of(v.cycles) | info::Events::of(v.events) | info::Type::of(v.type) |
         info::CyclesValid::of(v.cycles_valid ? 1 : 0) | info::Abort::of(v.abort ? 1 : 0) |
         info::InTx::of(v.in_tx ? 1 : 0) | info::Mispredicted::of(v.mispredicted ? 1 : 0);
}

void decode_info(const ArchLbrParams& part, u64 value, Entry& e) {
  e.cycles = static_cast<u16>(info::Cycles::get(value));
  e.events = static_cast<u8>(info::Events::get(value));
  e.type = static_cast<u8>(info::Type::get(value));
  e.cycles_valid = info::CyclesValid::any(value);
  e.abort = info::Abort::any(value);
  e.in_tx = info::InTx::any(value);
  e.mispredicted = info::Mispredicted::any(value);
  e = visible(part, e);
  e.kind = part.branch_type ? kind_of(e.type) : BranchKind::kCount;
}

}  // namespace lastbranch::lbr
