#include "models/cpu/block.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "models/cpu/decode.h"
#include "models/cpu/mem.h"
#include "sim/base/assert.h"

namespace lastbranch::cpu {
namespace {

struct FactEvent {
  u32 fact;
  Ev ev;
};
/// A fact's event. What depends on the outcome (taken branches) is added where the outcome is known.
constexpr FactEvent kFactEvents[] = {
    {fact::kLoad | fact::kPrefetch, Ev::kLoads},
    {fact::kStore, Ev::kStores},
    {fact::kLoad | fact::kPrefetch | fact::kStore, Ev::kMemory},
    {fact::kCond, Ev::kCondBranches},
    {fact::kBranch, Ev::kBranches},
    {fact::kCall, Ev::kNearCalls},
    {fact::kReturn, Ev::kNearReturns},
    {fact::kIndirect, Ev::kIndirect},
    {fact::kFar, Ev::kFarBranches},
    {fact::kX87, Ev::kX87},
    {fact::kSseFp, Ev::kSseFp},
    {fact::kLocked, Ev::kLocked},
    {fact::kNop, Ev::kNops},
    {fact::kPause, Ev::kPauses},
    {fact::kLfence, Ev::kLfences},
    {fact::kMmx, Ev::kMmx},
    {fact::kPrefetchNta, Ev::kPrefetchNta},
    {fact::kPrefetchT0, Ev::kPrefetchT0},
    {fact::kPrefetchT1T2, Ev::kPrefetchT1T2},
    {fact::kPrefetchW, Ev::kPrefetchW},
};
/// Facts of which one instruction may count two.
constexpr FactEvent kArithmeticEvents[] = {
    {fact::kFpScalarSingle, Ev::kFpScalarSingle},
    {fact::kFpScalarDouble, Ev::kFpScalarDouble},
    {fact::kFpPackedSingle, Ev::kFpPackedSingle},
    {fact::kFpPackedDouble, Ev::kFpPackedDouble},
};

u64 granules(u64 offset, u64 length) {
  u64 bits = 0;
  for (u64 g = offset >> 6; g <= (offset + length - 1) >> 6; ++g) bits |= u64{1} << g;
  return bits;
}

/// The bytes of `block` that lie in the page at `page`: offset and length, length 0 for none.
struct Extent {
  u64 offset, length;
};
Extent extent_in(const Block& b, u64 page) {
  const u64 first = b.paddr & ~kPageMask;
  const u64 here = std::min<u64>(b.bytes, kPageSize - first);
  if (page == page_of(b.paddr)) return {first, here};
  return {0, b.bytes - here};
}

/// What building collects before the block's size is known.
struct Draft {
  std::vector<Decoded> insns;
  u64 next = 0;        ///< linear address behind the last instruction
  u64 last_page = 0;   ///< physical page of the last byte
  bool ended = false;  ///< by an instruction that ends blocks
};

bool fetch_translate(Cpu& c, u64 va, u64& paddr) {
  if (!is_canonical(va)) {
    raise(c, general_protection());
    return false;
  }
  const Translation t = c.walker->walk(page_of(va), Access::kFetch, c.cpl == 3);
  if (!t.ok) {
    Fault f = t.fault;
    if (f.vector == Vector::kPF) f.address = va;
    raise(c, f);
    return false;
  }
  if (t.mmio) {  // code is executed from RAM only
    raise(c, general_protection());
    return false;
  }
  paddr = t.page | (va & ~kPageMask);
  return true;
}

/// Marks instructions whose status flags nothing reads. A later instruction that may fault needs them all.
void find_dead_flags(std::vector<Decoded>& insns) {
  u64 live = rflags::kStatus;
  for (auto d = insns.rbegin(); d != insns.rend(); ++d) {
    const InsnInfo& info = d->info;
    d->shape.flags_dead = info.flags_written != 0 && (info.flags_written & live) == 0;
    live = (live & ~u64{info.flags_written}) | info.flags_read;
    if (info.may_fault) live = rflags::kStatus;
  }
}

/// What CR0 and CR4 make of an instruction. Source: SDM vol. 3A, "Control Registers" (EM, MP, TS, OSFXSR).
Op gated(const OpTable& ops, const Decoded& d, u32 m) {
  const Op undefined = ops.special().undefined, no_device = ops.special().no_device;
  switch (d.unit) {
    case Unit::kNone:
      break;
    case Unit::kX87:
    case Unit::kFxsave:
      if ((m & (gate::kTs | gate::kEm)) != 0) return no_device;
      break;
    case Unit::kWait:
      if ((m & gate::kWait) != 0) return no_device;
      break;
    case Unit::kSse:
      if ((m & gate::kNoOsfxsr) != 0) return undefined;
      [[fallthrough]];
    case Unit::kMmx:
      if ((m & gate::kEm) != 0) return undefined;
      if ((m & gate::kTs) != 0) return no_device;
      break;
  }
  return d.insn.fn;
}

Op choose(const OpTable& ops, Decoded& d) {
  for (const Bind bind : d.binds) {
    if (const Op op = bind(d.shape, d.insn); op != nullptr) return op;
  }
  return ops.special().undefined;
}

}  // namespace

void count_facts(EvCounts& counts, u32 facts) {
  counts.add(Ev::kInstructions);
  for (const FactEvent& f : kFactEvents) {
    if ((facts & f.fact) != 0) counts.add(f.ev);
  }
  for (const FactEvent& f : kArithmeticEvents) {
    if ((facts & f.fact) != 0) counts.add(f.ev, (facts & fact::kFpTwice) != 0 ? 2 : 1);
  }
  if ((facts & fact::kCall) != 0 && (facts & fact::kIndirect) != 0) counts.add(Ev::kIndirectCalls);
  // Every near branch but a conditional one is taken when it completes.
  if ((facts & (fact::kBranch | fact::kCond | fact::kFar)) == fact::kBranch) counts.add(Ev::kTakenBranches);
}

EvCounts prefix_counts(const Block& block, std::size_t n) {
  EvCounts counts;
  for (std::size_t k = 0; k < n; ++k) count_facts(counts, block.info[k].facts);
  return counts;
}

BlockCache::BlockCache(const OpTable& ops) : ops_(&ops), decoder_(std::make_unique<Decoder>(ops)) {}
BlockCache::~BlockCache() = default;

Block* BlockCache::find(Cpu& c, bool single) {
  u64 paddr = 0;
  if (!fetch_translate(c, c.rip, paddr)) return nullptr;
  const u32 m = (c.cpl == 3   ? mode::kUser
                 : c.cpl != 0 ? mode::kMiddle
                              : 0) |
                (single ? mode::kSingle : 0) | (c.guest ? mode::kGuest : 0) | c.gates |
                (u32{c.walker->tag()} << mode::kTagShift);
  const auto it = blocks_.find({c.rip, paddr, m});
  Block* b = it != blocks_.end() ? it->second : build(c, paddr, m);
  if (b != nullptr && !single) c.jumps[jump_slot(b->va)] = {b->va, b};
  return b;
}

Block* BlockCache::build(Cpu& c, u64 paddr, u32 m) {
  static thread_local Draft draft;  // keeps its capacity
  draft.insns.clear();
  draft.ended = false;
  const u64 va = c.rip;
  const u64 limit = (m & mode::kSingle) != 0 ? 1 : kMaxBlockInsns;
  u64 at = va;
  u64 looked_at = va;  // end of the bytes that the block depends on
  draft.last_page = page_of(paddr);
  while (draft.insns.size() < limit && !draft.ended && page_of(at) == page_of(va)) {
    u8 bytes[15];
    const u64 here = std::min<u64>(sizeof bytes, kPageSize - (at & ~kPageMask));
    std::memcpy(bytes, c.memory->host(page_of(paddr) + (at & ~kPageMask)), here);
    Decoded d;
    DecodeStatus status = decoder_->decode({bytes, here}, at, d);
    u64 last_page = page_of(paddr);
    looked_at = at + here;
    if (status == DecodeStatus::kTruncated && here < sizeof bytes) {
      u64 second = 0;
      if (!fetch_translate(c, at + here, second)) {
        // The fault belongs to this instruction: it is raised when execution comes here.
        if (draft.insns.empty()) return nullptr;
        break;
      }
      std::memcpy(bytes + here, c.memory->host(second), sizeof bytes - here);
      status = decoder_->decode(bytes, at, d);
      last_page = page_of(second);
      looked_at = at + sizeof bytes;
    }
    if (status == DecodeStatus::kOk) {
      looked_at = at + d.insn.length;
    } else {
      d = Decoded{};
      // Fifteen bytes without an end are too long an instruction: #GP(0). Others mean nothing: #UD.
      if (status == DecodeStatus::kTruncated) {
        d.insn.fn = ops_->special().fetch_fault;
        d.insn.r2 = static_cast<u8>(Vector::kGP);
      }
      d.insn.length = 1;
      d.info.facts = fact::kEndsBlock;
      d.info.may_fault = true;
    }
    d.info.offset = static_cast<u16>(at - va);
    draft.ended = (d.info.facts & fact::kEndsBlock) != 0;
    at += d.insn.length;
    draft.last_page = last_page;
    draft.insns.push_back(d);
  }
  draft.next = at;
  find_dead_flags(draft.insns);

  const std::size_t n = draft.insns.size();
  // Two more instructions: the end of the block, and room behind it for whoever looks one ahead.
  const std::size_t bytes = sizeof(Block) + (n + 2) * sizeof(Insn) + n * sizeof(InsnInfo);
  Block* b = new (allocate(bytes)) Block;
  Insn* code = b->code();
  b->info = reinterpret_cast<InsnInfo*>(code + n + 2);
  b->n = static_cast<i64>(n);
  b->va = va;
  b->paddr = paddr;
  b->paddr_last_page = draft.last_page;
  b->bytes = static_cast<u32>(looked_at - va);
  b->mode = m;
  for (std::size_t k = 0; k < n; ++k) {
    Decoded& d = draft.insns[k];
    if (d.insn.fn == nullptr) d.insn.fn = choose(*ops_, d);
    if ((m & gate::kAll) != 0) [[unlikely]]
      d.insn.fn = gated(*ops_, d, m);
    new (&code[k]) Insn(d.insn);
    new (&b->info[k]) InsnInfo(d.info);
    count_facts(b->counts, d.info.facts);
  }
  b->ends_in_cond = (draft.insns.back().info.facts & fact::kCond) != 0;
  new (&code[n]) Insn{ops_->special().fall_through, static_cast<i64>(draft.next)};
  new (&code[n + 1]) Insn(code[n]);
  if (n >= 2 && draft.insns[n - 1].is_jcc && (draft.insns[n - 2].is_cmp || draft.insns[n - 2].is_test)) {
    const Decoded& first = draft.insns[n - 2];
    if (const Op op = ops_->special().fuse(first.is_test, first.shape, draft.insns[n - 1].cond);
        op != nullptr) {
      code[n - 2].fn = op;
    }
  }

  blocks_.emplace(Key{va, paddr, m}, b);
  const auto note = [&](u64 linear, u64 physical) {
    PageCode& page = c.memory->code(physical);
    if (page.granules == 0) {
      for (TlbBank* const tlb : c.tlb_banks) {
        if (tlb != nullptr) tlb->protect_host_page(c.memory->host(physical));
      }
    }
    const Extent e = extent_in(*b, physical);
    page.granules |= granules(e.offset, e.length);
    by_paddr_[physical >> kPageShift].push_back(b);
    by_va_[linear >> kPageShift].push_back(b);
  };
  note(va, page_of(paddr));
  if (page_of(va + b->bytes - 1) != page_of(va)) note(page_of(va) + kPageSize, b->paddr_last_page);
  return b;
}

void* BlockCache::allocate(std::size_t bytes) {
  bytes = (bytes + 15) & ~std::size_t{15};
  LASTBRANCH_ASSERT(bytes <= kChunk, "a block of {} bytes", bytes);
  if (used_ + bytes > kChunk) {
    arena_.push_back(std::make_unique<std::byte[]>(kChunk));
    used_ = 0;
  }
  void* p = arena_.back().get() + used_;
  used_ += bytes;
  return p;
}

void BlockCache::link(Block& from, unsigned slot, Block& to) {
  if (from.stale || to.stale || from.link[slot] != nullptr || ((from.mode | to.mode) & mode::kSingle) != 0)
    return;
  if (from.mode != to.mode) return;  // never across a change of privilege or address space
  from.link[slot] = &to;
  from.next_in[slot] = to.first_in;
  from.next_in_slot[slot] = to.first_in_slot;
  to.first_in = &from;
  to.first_in_slot = static_cast<u8>(slot);
}

void BlockCache::kill(Cpu& c, Block& b) {
  if (b.stale) return;
  b.stale = true;
  blocks_.erase({b.va, b.paddr, b.mode});
  JumpEntry* const jumps =
      c.jump_banks[((b.mode & mode::kUser) != 0 ? 1 : 0) + ((b.mode & mode::kGuest) != 0 ? 2 : 0)];
  const u64 jump = jump_slot(b.va);
  if (jumps[jump].block == &b) jumps[jump] = empty_jump(jump);
  Block* from = b.first_in;
  u8 slot = b.first_in_slot;
  while (from != nullptr) {
    if (from->link[slot] == &b) from->link[slot] = nullptr;
    Block* const next = from->next_in[slot];
    slot = from->next_in_slot[slot];
    from = next;
  }
  b.first_in = nullptr;
}

void BlockCache::invalidate_physical(Cpu& c, u64 paddr, u64 length) {
  for (u64 page = page_of(paddr); page < paddr + length; page += kPageSize) {
    const auto it = by_paddr_.find(page >> kPageShift);
    if (it == by_paddr_.end()) continue;
    const u64 first = std::max(paddr, page), last = std::min(paddr + length, page + kPageSize);
    const u64 hit = granules(first - page, last - first);
    u64 remaining = 0;
    std::erase_if(it->second, [&](Block* b) {
      const Extent e = extent_in(*b, page);
      const u64 own = granules(e.offset, e.length);
      if (!b->stale && (own & hit) == 0) {
        remaining |= own;
        return false;
      }
      kill(c, *b);
      return true;
    });
    c.memory->code(page).granules = remaining;
  }
}

void BlockCache::invalidate_linear(Cpu& c, u64 va, u64 length) {
  const u64 first = va >> kPageShift, last = (va + length - 1) >> kPageShift;
  const auto kill_page = [&](std::vector<Block*>& blocks) {
    for (Block* b : blocks) kill(c, *b);
    blocks.clear();
  };
  if (last - first < by_va_.size()) {
    for (u64 page = first; page <= last; ++page) {
      if (const auto it = by_va_.find(page); it != by_va_.end()) kill_page(it->second);
    }
  } else {
    for (auto& [page, blocks] : by_va_) {
      if (page >= first && page <= last) kill_page(blocks);
    }
  }
}

void BlockCache::clear(Cpu& c) {
  for (const auto& [page, blocks] : by_paddr_) c.memory->code(page << kPageShift).granules = 0;
  blocks_.clear();
  by_paddr_.clear();
  by_va_.clear();
  arena_.clear();
  used_ = kChunk;
  for (JumpEntry* const jumps : c.jump_banks) {
    if (jumps != nullptr) forget_jumps(jumps);
  }
  c.block = nullptr;
  c.link_from = nullptr;
  c.at = nullptr;
}

}  // namespace lastbranch::cpu
