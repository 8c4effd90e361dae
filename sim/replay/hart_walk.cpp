#include "sim/replay/hart_walk.h"

#include <unordered_map>

#include "models/cpu/core.h"
#include "sim/base/phys_mem.h"

namespace lastbranch::replay {
namespace {

/// What the execution functions ask and tell.
struct WalkHub {
  std::span<const Oracle> oracle;  // those still to come
  WalkSink* sink = nullptr;
  bool lost = false;
  u64 lost_at = 0;
};

struct WalkPolicies {
  using Hub = WalkHub;
  using Timing = cpu::UnitTiming;
  using V = cpu::Fast;
};

using cpu::Cpu;
using cpu::Insn;
using cpu::Op;
using cpu::Shape;

WalkHub& hub_of(const Cpu& c) {
  return *static_cast<WalkHub*>(c.hub);
}

const Insn* leave(Cpu& c, u64 rip) {
  c.rip = rip;
  c.end_run = true;
  c.exit = cpu::Exit::kLimit;
  return nullptr;
}

/// Not a branch, or one that comes back behind itself.
const Insn* pass(Cpu& c, const Insn* i) {
  return cpu::next<cpu::Fast>(c, i);
}

/// The oracle's next branch is this one: announces it.
template <BranchKind kind>
const Insn* take(Cpu& c, const Insn* i, u64 from, u64 to) {
  WalkHub& hub = hub_of(c);
  hub.sink->branch(kind, from, to, i->length);
  hub.oracle = hub.oracle.subspan(1);
  if (hub.oracle.empty()) return leave(c, to);
  constexpr bool kDirect =
      kind == BranchKind::kJcc || kind == BranchKind::kRelJmp || kind == BranchKind::kRelCall;
  return kDirect ? cpu::follow(c, to, 0) : cpu::follow_indirect(c, to);
}

const Insn* conditional(Cpu& c, const Insn* i) {
  const auto from = static_cast<u64>(i->disp);
  if (hub_of(c).oracle.front().from != from) return cpu::follow(c, from + i->length, 1);
  ++c.block->taken;
  return take<BranchKind::kJcc>(c, i, from, static_cast<u64>(i->imm));
}

template <BranchKind kind>
const Insn* direct(Cpu& c, const Insn* i) {
  const auto from = static_cast<u64>(i->disp);
  WalkHub& hub = hub_of(c);
  if (hub.oracle.front().from == from) return take<kind>(c, i, from, static_cast<u64>(i->imm));
  hub.lost = true;
  hub.lost_at = from;
  return leave(c, from);
}

/// Only the oracle knows where it goes.
template <BranchKind kind>
const Insn* indirect(Cpu& c, const Insn* i) {
  const auto from = static_cast<u64>(kind == BranchKind::kRet ? i->disp : i->imm);
  WalkHub& hub = hub_of(c);
  if (hub.oracle.front().from == from) return take<kind>(c, i, from, hub.oracle.front().to);
  hub.lost = true;
  hub.lost_at = from;
  return leave(c, from);
}

Op bind_conditional(const Shape&, Insn&) {
  return &conditional;
}
Op bind_jmp(const Shape& s, Insn&) {
  if (s.far) return &pass;
  return s.kind(0) == cpu::Kind::kRel ? &direct<BranchKind::kRelJmp> : &indirect<BranchKind::kIndJmp>;
}
Op bind_call(const Shape& s, Insn&) {
  if (s.far) return &pass;
  return s.kind(0) == cpu::Kind::kRel ? &direct<BranchKind::kRelCall> : &indirect<BranchKind::kIndCall>;
}
Op bind_ret(const Shape& s, Insn&) {
  return s.far ? &pass : &indirect<BranchKind::kRet>;
}

constexpr cpu::OpRow kRows[] = {
    {"jo", bind_conditional},   {"jno", bind_conditional},   {"jb", bind_conditional},
    {"jnb", bind_conditional},  {"jz", bind_conditional},    {"jnz", bind_conditional},
    {"jbe", bind_conditional},  {"jnbe", bind_conditional},  {"js", bind_conditional},
    {"jns", bind_conditional},  {"jp", bind_conditional},    {"jnp", bind_conditional},
    {"jl", bind_conditional},   {"jnl", bind_conditional},   {"jle", bind_conditional},
    {"jnle", bind_conditional}, {"jrcxz", bind_conditional}, {"jecxz", bind_conditional},
    {"loop", bind_conditional}, {"loope", bind_conditional}, {"loopne", bind_conditional},
    {"jmp", bind_jmp},          {"call", bind_call},         {"ret", bind_ret},
};

Op no_fusion(bool, const Shape&, cpu::Cond) {
  return nullptr;
}

/// A binary's code at its link-time addresses, page by page as it is asked for.
class CodeWalker final : public cpu::Walker {
 public:
  CodeWalker(const ElfCode& code, PhysMem& memory) : code_(code), memory_(memory) {}

  cpu::Translation walk(u64 linear, cpu::Access, bool) override {
    const u64 page = page_of(linear);
    auto it = frames_.find(page);
    if (it == frames_.end()) {
      const u64 frame = used_;
      if (!memory_.contains(frame, kPageSize) || !code_.read_page(page, memory_.host(frame)))
        return {.fault = {.vector = Vector::kPF}};
      used_ += kPageSize;
      it = frames_.emplace(page, frame).first;
    }
    return {.ok = true, .page = it->second};
  }
  [[nodiscard]] bool fixed() const override { return true; }

 private:
  const ElfCode& code_;
  PhysMem& memory_;
  std::unordered_map<u64, u64> frames_;
  u64 used_ = 0;
};

}  // namespace
}  // namespace lastbranch::replay

namespace lastbranch::cpu {

template <>
const OpTable& op_table<replay::WalkPolicies>() {
  using replay::pass;
  static const OpTable kTable({.fall_through = &fall_through<Fast>,
                               .undefined = &pass,
                               .no_device = &pass,
                               .fetch_fault = &fetch_fault,
                               .fuse = &replay::no_fusion},
                              {replay::kRows});
  return kTable;
}

}  // namespace lastbranch::cpu

namespace lastbranch::replay {

struct HartWalk::Hart {
  explicit Hart(const ElfCode& code)
      : memory(code.pages() * kPageSize), walker(code, memory), core(memory, walker, hub, ledger) {}

  PhysMem memory;
  CodeWalker walker;
  WalkHub hub;
  Ledger ledger;
  cpu::Core<WalkPolicies> core;
};

HartWalk::HartWalk(const ElfCode& code) : hart_(std::make_unique<Hart>(code)) {}
HartWalk::~HartWalk() = default;

std::optional<u64> HartWalk::run(u64 start, std::span<const Oracle> oracle, WalkSink& sink) {
  if (oracle.empty()) return std::nullopt;
  constexpr u64 kEnough = u64{1} << 40;  // addresses only ascend between two branches: it ends by itself
  WalkHub& hub = hart_->hub;
  hub = {.oracle = oracle, .sink = &sink};
  hart_->core.cpu().rip = start;
  hart_->core.run(kEnough);
  if (hub.lost) return hub.lost_at;
  if (!hub.oracle.empty()) return hart_->core.cpu().rip;
  return std::nullopt;
}

}  // namespace lastbranch::replay
