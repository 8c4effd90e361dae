// The stack: PUSH, POP, PUSHF, POPF, ENTER, LEAVE. In 64-bit mode operands are 64 or 16 bits wide.
// Source: SDM vol. 2, the page of each mnemonic; vol. 1, "Procedure Calls for Block-Structured Languages".
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

constexpr u8 kRbpField = kRbp * 8;

template <class T>
[[gnu::always_inline]] inline bool push(Cpu& c, T v) {
  const u64 rsp = c.r[kRsp] - sizeof(T);
  if (!store<T>(c, rsp, v)) [[unlikely]]
    return false;
  c.r[kRsp] = rsp;
  return true;
}

template <class V, class T>
const Insn* push_reg(Cpu& c, const Insn* i) {
  if (!push<T>(c, reg<T>(c, i->r0))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V, class T>
const Insn* push_imm(Cpu& c, const Insn* i) {
  if (!push<T>(c, static_cast<T>(i->imm))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V, class T>
const Insn* push_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  if (!push<T>(c, get<T>(p))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
/// PUSH FS and PUSH GS.
template <class V, class T>
const Insn* push_segment(Cpu& c, const Insn* i) {
  if (!push<T>(c, c.selector[i->r0])) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V>
Op bind_push(const Shape& s, Insn&) {
  // An immediate is pushed at the operand size of the instruction, however it is encoded.
  const u8 size = s.kind(0) == Kind::kGpr || s.kind(0) == Kind::kMem ? s.op[0].size : s.size;
  const auto pick = [&]<class T>() -> Op {
    switch (s.kind(0)) {
      case Kind::kGpr:
        return &push_reg<V, T>;
      case Kind::kImm:
        return &push_imm<V, T>;
      case Kind::kMem:
        return &push_mem<V, T>;
      case Kind::kSeg:
        return &push_segment<V, T>;
      default:
        return nullptr;
    }
  };
  return size == 2 ? pick.template operator()<u16>() : pick.template operator()<u64>();
}

template <class V, class T>
const Insn* pop_reg(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, c.r[kRsp]);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const T v = get<T>(p);
  c.r[kRsp] += sizeof(T);
  set_reg<T>(c, i->r0, v);  // POP RSP: the popped value stays
  return next<V>(c, i);
}
/// The address of POP's memory operand is computed after RSP has moved.
template <class V, class T>
const Insn* pop_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, c.r[kRsp]);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const T v = get<T>(p);
  c.r[kRsp] += sizeof(T);
  if (!store<T>(c, ea<V>(c, i), v)) [[unlikely]] {
    c.r[kRsp] -= sizeof(T);
    return trap(c, i);
  }
  return next<V>(c, i);
}
template <class V>
Op bind_pop(const Shape& s, Insn&) {
  const auto pick = [&]<class T>() -> Op {
    if (s.kind(0) == Kind::kGpr) return &pop_reg<V, T>;
    if (s.kind(0) == Kind::kMem) return &pop_mem<V, T>;
    return nullptr;
  };
  return s.op[0].size == 2 ? pick.template operator()<u16>() : pick.template operator()<u64>();
}

template <class V, class T>
const Insn* pushf(Cpu& c, const Insn* i) {
  if (!push<T>(c, static_cast<T>(c.flags() & ~(rflags::kRF | rflags::kVM)))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
/// A change of IF or TF is cpu::System's where there is one. IOPL changes only at CPL 0, IF only where CPL <=
/// IOPL; VIF, VIP and VM never here.
template <class V, class T>
const Insn* popf(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, c.r[kRsp]);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const u64 v = get<T>(p);
  u64 mask = rflags::kStatus | rflags::kTF | rflags::kDF | rflags::kNT;
  if (sizeof(T) == 8) mask |= rflags::kAC | rflags::kID;
  if (c.cpl == 0) mask |= rflags::kIOPL;
  if (c.cpl <= ((c.system_flags & rflags::kIOPL) >> 12)) mask |= rflags::kIF;
  const u64 changes = (c.system_flags ^ v) & mask & (rflags::kIF | rflags::kTF);
  if (changes != 0 && c.has_system) [[unlikely]] {
    c.system_op = SystemOp::kPopf;
    c.exit = Exit::kSystem;
    c.miss = Miss::kNone;
    return trap(c, i);
  }
  c.r[kRsp] += sizeof(T);
  c.set_flags((c.flags() & ~mask & ~rflags::kRF) | (v & mask));
  if ((changes & rflags::kTF) != 0) [[unlikely]] {
    // The instructions that follow are stepped: back to the loop, which looks at TF.
    if constexpr (V::kObserved) c.observer(c.observer_self, c, i);
    c.rip = static_cast<u64>(i[1].imm);
    c.link_from = nullptr;
    c.exit = Exit::kLookup;
    return nullptr;
  }
  return next<V>(c, i);
}
template <class V>
Op bind_pushf(const Shape& s, Insn&) {
  return s.size == 2 ? &pushf<V, u16> : &pushf<V, u64>;
}
template <class V>
Op bind_popf(const Shape& s, Insn& insn) {
  insn.r2 = SystemForm{.size = s.size}.pack();
  return s.size == 2 ? &popf<V, u16> : &popf<V, u64>;
}

template <class V, class T>
const Insn* leave(Cpu& c, const Insn* i) {
  const u64 rbp = c.r[kRbp];
  const u8* p = load_ptr<T>(c, rbp);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const T v = get<T>(p);
  c.r[kRsp] = rbp + sizeof(T);
  set_reg<T>(c, kRbpField, v);
  return next<V>(c, i);
}
template <class V>
Op bind_leave(const Shape& s, Insn&) {
  return s.size == 2 ? &leave<V, u16> : &leave<V, u64>;
}

/// ENTER makes up to 32 accesses: all are probed first so that a fault leaves nothing behind.
template <class V, class T>
const Insn* enter_frame(Cpu& c, const Insn* i) {
  const u64 allocate = static_cast<u16>(i->imm);
  const u64 level = i->r2 & 31u;
  const u64 rsp = c.r[kRsp], rbp = c.r[kRbp];
  const u64 bottom = rsp - sizeof(T) * (level + 1);
  for (u64 a = bottom; a != rsp; a += sizeof(T)) {
    if ((level != 0 || a == bottom) && !probe_store(c, a, sizeof(T))) return trap(c, i);
  }
  if (!probe_store(c, bottom - allocate, 1)) return trap(c, i);  // the new stack top must be writable
  u64 at = rsp - sizeof(T);
  put<T>(c.scratch.data(), static_cast<T>(rbp));
  if (!slow_store(c, at, sizeof(T))) return trap(c, i);
  const u64 frame = at;
  for (u64 n = 1; n < level; ++n) {
    if (slow_load(c, rbp - n * sizeof(T), sizeof(T)) == nullptr) return trap(c, i);
    at -= sizeof(T);
    if (!slow_store(c, at, sizeof(T))) return trap(c, i);
  }
  if (level != 0) {
    at -= sizeof(T);
    put<T>(c.scratch.data(), static_cast<T>(frame));
    if (!slow_store(c, at, sizeof(T))) return trap(c, i);
  }
  set_reg<T>(c, kRbpField, static_cast<T>(frame));
  c.r[kRsp] = at - allocate;
  return next<V>(c, i);
}
template <class V>
Op bind_enter(const Shape& s, Insn& insn) {
  insn.r2 = s.op[1].reg;  // the decoder puts a second immediate there
  return s.size == 2 ? &enter_frame<V, u16> : &enter_frame<V, u64>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"push", bind_push<V>}, {"pop", bind_pop<V>},    {"pushf", bind_pushf<V>}, {"pushfq", bind_pushf<V>},
    {"popf", bind_popf<V>}, {"popfq", bind_popf<V>}, {"leave", bind_leave<V>}, {"enter", bind_enter<V>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_stack_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_stack_rows<Fast>();
template std::span<const OpRow> int_stack_rows<Observed>();

}  // namespace lastbranch::cpu
