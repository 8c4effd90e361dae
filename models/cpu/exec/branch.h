#pragma once
// Near branches and the ends of blocks. Templates over the core's policies P: P::Hub takes retired branches
// (by branch(); or by branch_fast() and, where that answers false and needs_slow() true, by branch_slow()),
// P::V is the observation variant. Only these functions know the hub, so only they are instantiated per hub.
//
// Every conditional branch also exists fused with the CMP or TEST before it: the comparison decides directly,
// the flags are still left behind lazily. Source: SDM vol. 2, "Jcc", "JMP", "CALL", "RET", "LOOP/LOOPcc".
#include "models/cpu/block.h"
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/condition.h"
#include "models/cpu/op_table.h"
#include "sim/base/retire.h"

namespace lastbranch::cpu {

/// Starts `b`, or leaves the interpreter if it does not fit into the instructions left.
[[gnu::always_inline]] inline const Insn* enter(Cpu& c, Block* b) {
  const i64 left = c.left - b->n;
  if (left < 0) [[unlikely]] {
    c.rip = b->va;
    c.exit = Exit::kLimit;
    return nullptr;
  }
  c.left = left;
  c.block = b;
  if (b->execs++ == 0) {
    b->next_touched = c.touched;
    c.touched = b;
  }
#if LASTBRANCH_THREADED
  return b->code()->fn(c, b->code());
#else
  return b->code();
#endif
}

/// Continues at `to` through link `slot` of the current block.
[[gnu::always_inline]] inline const Insn* follow(Cpu& c, u64 to, u8 slot) {
  Block* const b = c.block;
  if (Block* n = b->link[slot]; n != nullptr) [[likely]]
    return enter(c, n);
  c.rip = to;
  c.link_from = b;
  c.link_slot = slot;
  c.exit = Exit::kLookup;
  return nullptr;
}

/// Continues at a target that is only known now.
[[gnu::always_inline]] inline const Insn* follow_indirect(Cpu& c, u64 to) {
  const JumpEntry& e = c.jumps[jump_slot(to)];
  if (e.va == to) [[likely]]
    return enter(c, e.block);
  c.rip = to;
  c.link_from = nullptr;
  c.exit = Exit::kLookup;
  return nullptr;
}

/// A near branch to a non-canonical address faults on the branch itself.
[[gnu::always_inline]] inline bool bad_target(const Cpu& c, u64 to) {
  return c.jumps[jump_slot(to)].va != to && !is_canonical(to);
}

/// End of a block that no branch ends. `imm` is the next address.
template <class V>
const Insn* fall_through(Cpu& c, const Insn* i) {
  return follow(c, static_cast<u64>(i->imm), 1);
}

template <class P>
struct BranchOps {
  using Hub = typename P::Hub;
  using V = typename P::V;

  [[gnu::always_inline]] static RetiredBranch retired(const Cpu& c, const Insn* i, u64 from, u64 to,
                                                      BranchKind kind) {
    return {.from = from,
            .to = to,
            .time = P::Timing::now(c),
            .kind = kind,
            .length = i->length,
            .cpl_from = c.cpl,
            .cpl_to = c.cpl};
  }
  static constexpr bool is_direct(BranchKind kind) {
    return kind == BranchKind::kJcc || kind == BranchKind::kRelJmp || kind == BranchKind::kRelCall;
  }
  template <BranchKind kind>
  [[gnu::always_inline]] static const Insn* proceed(Cpu& c, u64 to) {
    if constexpr (is_direct(kind)) {
      return follow(c, to, 0);
    } else {
      return follow_indirect(c, to);
    }
  }
  /// A call within a branch's function would cost every branch a stack frame: what the hub cannot take inline
  /// is announced by a function of its own, which then goes on in the branch's place.
  template <BranchKind kind>
  [[gnu::noinline]] static const Insn* take_slowly(Cpu& c, const Insn* i, u64 from, u64 to) {
    static_cast<Hub*>(c.hub)->branch_slow(retired(c, i, from, to, kind));
    return proceed<kind>(c, to);
  }
  /// The branch at `i` is taken: announces it and goes on at `to`.
  template <BranchKind kind>
  [[gnu::always_inline]] static const Insn* take(Cpu& c, const Insn* i, u64 from, u64 to) {
    if constexpr (V::kObserved) c.observer(c.observer_self, c, i);
    Hub& hub = *static_cast<Hub*>(c.hub);
    if constexpr (requires(const RetiredBranch& b) { hub.branch_slow(b); }) {
      const RetiredBranch b = retired(c, i, from, to, kind);
      // Two ways on, not one: with recording off a branch would otherwise jump back to the recording path.
      if (hub.branch_fast(b)) return proceed<kind>(c, to);
      if (hub.needs_slow(b)) [[unlikely]]
        return take_slowly<kind>(c, i, from, to);
    } else {
      hub.branch(retired(c, i, from, to, kind));
    }
    return proceed<kind>(c, to);
  }

  /// A conditional branch at `i` whose condition came out as `taken`.
  [[gnu::always_inline]] static const Insn* conditional(Cpu& c, const Insn* i, bool taken) {
    if (taken) {
      ++c.block->taken;
      return take<BranchKind::kJcc>(c, i, static_cast<u64>(i->disp), static_cast<u64>(i->imm));
    }
    if constexpr (V::kObserved) c.observer(c.observer_self, c, i);
    return follow(c, static_cast<u64>(i->disp) + i->length, 1);
  }

  template <Cond k>
  static const Insn* jcc(Cpu& c, const Insn* i) {
    return conditional(c, i, holds<k>(c.f));
  }
  template <Cond k>
  static Op bind_jcc(const Shape&, Insn&) {
    return &jcc<k>;
  }

  /// LOOP, LOOPE, LOOPNE: kZero says which ZF continues, or that it does not matter.
  enum class LoopWhile : u8 { kAny, kZero, kNotZero };
  template <LoopWhile w>
  static const Insn* loop(Cpu& c, const Insn* i) {
    const bool a32 = (i->scale & kAddr32) != 0;
    const u64 count = a32 ? static_cast<u32>(c.r[kRcx] - 1) : c.r[kRcx] - 1;
    c.r[kRcx] = count;
    return conditional(c, i, count != 0 && (w == LoopWhile::kAny || c.f.zf() == (w == LoopWhile::kZero)));
  }
  template <LoopWhile w>
  static Op bind_loop(const Shape& s, Insn& insn) {
    insn.scale = s.address_size == 4 ? kAddr32 : 0;
    return &loop<w>;
  }
  template <class T>
  static const Insn* jcxz(Cpu& c, const Insn* i) {
    return conditional(c, i, static_cast<T>(c.r[kRcx]) == 0);
  }
  template <class T>
  static Op bind_jcxz(const Shape&, Insn&) {
    return &jcxz<T>;
  }

  static const Insn* jmp_rel(Cpu& c, const Insn* i) {
    return take<BranchKind::kRelJmp>(c, i, static_cast<u64>(i->disp), static_cast<u64>(i->imm));
  }
  static const Insn* call_rel(Cpu& c, const Insn* i) {
    const u64 rsp = c.r[kRsp] - 8;
    if (!store<u64>(c, rsp, static_cast<u64>(i->disp) + i->length)) [[unlikely]]
      return trap(c, i);
    c.r[kRsp] = rsp;
    return take<BranchKind::kRelCall>(c, i, static_cast<u64>(i->disp), static_cast<u64>(i->imm));
  }

  // Indirect forms: `imm` is the branch's own address.
  template <bool kMem>
  static const Insn* jmp_ind(Cpu& c, const Insn* i) {
    u64 to = 0;
    if constexpr (kMem) {
      const u8* p = load_ptr<u64>(c, ea<V>(c, i));
      if (p == nullptr) [[unlikely]]
        return trap(c, i);
      to = get<u64>(p);
    } else {
      to = reg<u64>(c, i->r0);
    }
    if (bad_target(c, to)) [[unlikely]]
      return trap(c, i, general_protection());
    return take<BranchKind::kIndJmp>(c, i, static_cast<u64>(i->imm), to);
  }
  template <bool kMem>
  static const Insn* call_ind(Cpu& c, const Insn* i) {
    u64 to = 0;
    if constexpr (kMem) {
      const u8* p = load_ptr<u64>(c, ea<V>(c, i));
      if (p == nullptr) [[unlikely]]
        return trap(c, i);
      to = get<u64>(p);
    } else {
      to = reg<u64>(c, i->r0);
    }
    if (bad_target(c, to)) [[unlikely]]
      return trap(c, i, general_protection());
    const u64 rsp = c.r[kRsp] - 8;
    if (!store<u64>(c, rsp, static_cast<u64>(i->imm) + i->length)) [[unlikely]]
      return trap(c, i);
    c.r[kRsp] = rsp;
    return take<BranchKind::kIndCall>(c, i, static_cast<u64>(i->imm), to);
  }
  /// RET and RET imm16 (released bytes in `imm`).
  static const Insn* ret(Cpu& c, const Insn* i) {
    const u8* p = load_ptr<u64>(c, c.r[kRsp]);
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    const u64 to = get<u64>(p);
    if (bad_target(c, to)) [[unlikely]]
      return trap(c, i, general_protection());
    c.r[kRsp] += 8 + static_cast<u64>(i->imm);
    return take<BranchKind::kRet>(c, i, static_cast<u64>(i->disp), to);
  }

  static Op bind_jmp(const Shape& s, Insn&) {
    if (s.far) return nullptr;
    if (s.kind(0) == Kind::kRel) return &jmp_rel;
    if (s.op[0].size != 8) return nullptr;
    return s.kind(0) == Kind::kMem ? &jmp_ind<true> : &jmp_ind<false>;
  }
  static Op bind_call(const Shape& s, Insn&) {
    if (s.far) return nullptr;
    if (s.kind(0) == Kind::kRel) return &call_rel;
    if (s.op[0].size != 8) return nullptr;
    return s.kind(0) == Kind::kMem ? &call_ind<true> : &call_ind<false>;
  }
  static Op bind_ret(const Shape& s, Insn& insn) {
    if (s.far) return nullptr;
    insn.imm = s.kind(0) == Kind::kImm ? static_cast<u16>(insn.imm) : 0;
    return &ret;
  }

  // CMP and TEST fused with the Jcc behind them. The Jcc's own slot stays in the block: it holds the target,
  // and is where a stop between the two continues.
  enum class Source : u8 { kReg, kImm, kMem };
  template <class T, bool kTest, Source kSource, Cond k>
  static const Insn* fused(Cpu& c, const Insn* i) {
    T b{};
    if constexpr (kSource == Source::kReg) {
      b = reg<T>(c, i->r1);
    } else if constexpr (kSource == Source::kImm) {
      b = static_cast<T>(i->imm);
    } else {
      const u8* p = load_ptr<T>(c, ea<V>(c, i));
      if (p == nullptr) [[unlikely]]
        return trap(c, i);
      b = get<T>(p);
    }
    const T a = reg<T>(c, i->r0);
    if constexpr (kTest) {
      c.f.set_logic(sext(static_cast<T>(a & b)));
    } else {
      c.f.set_sub(sext(a), sext(b), sext(static_cast<T>(a - b)));
    }
    return conditional(c, i + 1, holds<k>(c.f));
  }
  template <bool kTest, Cond k>
  static Op pick_fused(const Shape& s) {
    return by_size(s.op[0].size, [&]<class T>() -> Op {
      if (s.is(Kind::kGpr, Kind::kGpr)) return &fused<T, kTest, Source::kReg, k>;
      if (s.is(Kind::kGpr, Kind::kImm)) return &fused<T, kTest, Source::kImm, k>;
      if (!kTest && s.is(Kind::kGpr, Kind::kMem)) return &fused<T, kTest, Source::kMem, k>;
      return nullptr;
    });
  }
  template <Cond k>
  static Op fuse_with(bool test, const Shape& s) {
    return test ? pick_fused<true, k>(s) : pick_fused<false, k>(s);
  }
  static Op fuse(bool test, const Shape& s, Cond k) {
    if constexpr (V::kObserved) return nullptr;  // the observer wants to see both
    switch (k) {
      case Cond::kB:
        return fuse_with<Cond::kB>(test, s);
      case Cond::kNb:
        return fuse_with<Cond::kNb>(test, s);
      case Cond::kZ:
        return fuse_with<Cond::kZ>(test, s);
      case Cond::kNz:
        return fuse_with<Cond::kNz>(test, s);
      case Cond::kBe:
        return fuse_with<Cond::kBe>(test, s);
      case Cond::kNbe:
        return fuse_with<Cond::kNbe>(test, s);
      case Cond::kS:
        return fuse_with<Cond::kS>(test, s);
      case Cond::kNs:
        return fuse_with<Cond::kNs>(test, s);
      case Cond::kL:
        return fuse_with<Cond::kL>(test, s);
      case Cond::kNl:
        return fuse_with<Cond::kNl>(test, s);
      case Cond::kLe:
        return fuse_with<Cond::kLe>(test, s);
      case Cond::kNle:
        return fuse_with<Cond::kNle>(test, s);
      default:
        return nullptr;
    }
  }

  static constexpr OpRow kRows[] = {
      {"jo", bind_jcc<Cond::kO>},
      {"jno", bind_jcc<Cond::kNo>},
      {"jb", bind_jcc<Cond::kB>},
      {"jnb", bind_jcc<Cond::kNb>},
      {"jz", bind_jcc<Cond::kZ>},
      {"jnz", bind_jcc<Cond::kNz>},
      {"jbe", bind_jcc<Cond::kBe>},
      {"jnbe", bind_jcc<Cond::kNbe>},
      {"js", bind_jcc<Cond::kS>},
      {"jns", bind_jcc<Cond::kNs>},
      {"jp", bind_jcc<Cond::kP>},
      {"jnp", bind_jcc<Cond::kNp>},
      {"jl", bind_jcc<Cond::kL>},
      {"jnl", bind_jcc<Cond::kNl>},
      {"jle", bind_jcc<Cond::kLe>},
      {"jnle", bind_jcc<Cond::kNle>},
      {"jrcxz", bind_jcxz<u64>},
      {"jecxz", bind_jcxz<u32>},
      {"loop", bind_loop<LoopWhile::kAny>},
      {"loope", bind_loop<LoopWhile::kZero>},
      {"loopne", bind_loop<LoopWhile::kNotZero>},
      {"jmp", bind_jmp},
      {"call", bind_call},
      {"ret", bind_ret},
  };
};

}  // namespace lastbranch::cpu
