#include "sim/replay/walk.h"

#include <algorithm>
#include <array>

#include "sim/replay/hart_walk.h"

namespace lastbranch::replay {
namespace {

BranchKind branch_kind(FlowKind kind) {
  switch (kind) {
    case FlowKind::kCond:
      return BranchKind::kJcc;
    case FlowKind::kJump:
      return BranchKind::kRelJmp;
    case FlowKind::kCall:
      return BranchKind::kRelCall;
    case FlowKind::kIndirectJump:
      return BranchKind::kIndJmp;
    case FlowKind::kIndirectCall:
      return BranchKind::kIndCall;
    case FlowKind::kReturn:
      return BranchKind::kRet;
    case FlowKind::kOther:
    case FlowKind::kFar:
    case FlowKind::kFarBack:
      break;
  }
  return BranchKind::kFar;
}

/// Goes through the instructions of a table.
class TableWalk final : public PieceWalker {
 public:
  explicit TableWalk(const Code& code) : code_(code) {}

  std::optional<u64> run(u64 start, std::span<const Oracle> oracle, WalkSink& sink) override {
    u64 at = start;
    for (const Oracle& next : oracle) {
      FlowInsn insn;
      for (; at != next.from; at = insn.end()) {
        if (code_.at(at, insn) != Coverage::kInsn || ends_line(insn.kind)) return at;
      }
      if (code_.at(at, insn) != Coverage::kInsn || !is_branch(insn.kind)) return at;
      const u64 to = is_direct(insn.kind) ? insn.target : next.to;
      sink.branch(branch_kind(insn.kind), at, to, insn.length);
      at = to;
    }
    return std::nullopt;
  }

 private:
  const Code& code_;
};

/// Without what strikes at random.
LbrParams steady(LbrParams params) {
  params.quirks = {};
  return params;
}

}  // namespace

void WalkSink::branch(BranchKind kind, u64 from, u64 to, u8 length) {
  lbr.push({.from = from + bias,
            .to = to + bias,
            .time = ++time,
            .kind = kind,
            .length = length,
            .cpl_from = 3,
            .cpl_to = 3});
}

Walk::Walk(const CodeMap& codes, const LbrParams& params)
    : codes_(codes), params_(steady(params)), lbr_(params_) {
  lbr_.enable(true);
}

PieceWalker& Walk::walker(u32 code) {
  auto& walker = walkers_[code];
  if (walker == nullptr) {
    const ElfCode* elf = codes_.elf(code);
    if (elf != nullptr) {
      walker = std::make_unique<HartWalk>(*elf);
    } else {
      walker = std::make_unique<TableWalk>(codes_.code(code));
    }
  }
  return *walker;
}

std::optional<std::string> Walk::walk(std::span<const WalkEntry> entries) {
  lbr_.clear();
  for (std::size_t k = 0; k < entries.size();) {
    const WalkEntry& first = entries[k];
    if (!first.walked) {
      const bool to_kernel = first.target.kind == SpotKind::kKernel;
      const bool from_kernel = first.at.kind == SpotKind::kKernel;
      lbr_.push({.from = first.from,
                 .to = first.to,
                 .time = ++sink_.time,
                 .kind = from_kernel ? BranchKind::kIret
                         : to_kernel ? BranchKind::kInterrupt
                                     : BranchKind::kIndJmp,
                 .length = 0,
                 .cpl_from = static_cast<u8>(from_kernel ? 0 : 3),
                 .cpl_to = static_cast<u8>(to_kernel ? 0 : 3)});
      ++k;
      continue;
    }
    const u64 start = k != 0 && first.continues ? entries[k - 1].target.address : first.at.address;
    oracle_.clear();
    do {
      oracle_.push_back({entries[k].at.address, entries[k].to - first.at.bias});
      ++k;
    } while (k < entries.size() && entries[k].walked && entries[k].continues &&
             entries[k].at.code == first.at.code && entries[k].at.bias == first.at.bias);
    sink_.bias = first.at.bias;
    if (const auto lost = walker(first.at.code).run(start, oracle_, sink_); lost)
      return fmt::format("the walk does not come past {}", codes_.code(first.at.code).describe(*lost));
  }
  return compare(entries);
}

std::optional<std::string> Walk::compare(std::span<const WalkEntry> entries) const {
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> records;
  const std::size_t n = lbr_.read(records);
  const std::size_t expected = std::min<std::size_t>(entries.size(), lbr_.depth());
  if (n != expected) return fmt::format("expected {} records after the walk, found {}", expected, n);
  for (std::size_t age = 0; age < n; ++age) {
    const WalkEntry& e = entries[entries.size() - 1 - age];
    const lbr::Entry want = lbr::visible(params_.format, lbr::Entry{.from = e.from, .to = e.to});
    const lbr::Entry& found = records[age];
    if (want.from != found.from || want.to != found.to) {
      return fmt::format("expected record {} of the walk to be {:#x} -> {:#x}, found {:#x} -> {:#x}", age,
                         want.from, want.to, found.from, found.to);
    }
  }
  return std::nullopt;
}

}  // namespace lastbranch::replay
