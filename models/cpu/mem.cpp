#include "models/cpu/mem.h"

#include <algorithm>
#include <span>
#include <utility>

#include "models/cpu/block.h"
#include "sim/base/assert.h"
#include "sim/base/bus_access.h"

namespace lastbranch::cpu {
namespace {

constexpr u64 kGranuleShift = 6;

/// Bits of PageCode::granules that [offset, offset + length) of a page touches.
u64 granules(u64 offset, u64 length) {
  const u64 first = offset >> kGranuleShift, last = (offset + length - 1) >> kGranuleShift;
  const u64 count = last - first + 1;
  return (count == 64 ? ~u64{0} : (u64{1} << count) - 1) << first;
}

bool translate(Cpu& c, u64 va, Access access, Translation& t) {
  if (!is_canonical(va)) {
    raise(c, general_protection());
    return false;
  }
  t = c.walker->walk(page_of(va), access, c.cpl == 3);
  if (!t.ok) {
    // The walk knows the page; CR2 has the address.
    if (t.fault.vector == Vector::kPF) t.fault.address = va;
    raise(c, t.fault);
  }
  return t.ok;
}

/// One page's share of an access.
struct Part {
  Translation t;
  u64 offset;    ///< in the page
  u32 at, size;  ///< in the operand
};

/// An access as its one or two pages; false when one faults.
struct Parts {
  Part part[2];
  unsigned n = 0;

  bool open(Cpu& c, u64 va, u32 size, Access access) {
    for (u32 at = 0; at < size;) {
      const u64 a = va + at;
      const u32 here = static_cast<u32>(std::min<u64>(size - at, kPageSize - (a & ~kPageMask)));
      Part& p = part[n++];
      if (!translate(c, a, access, p.t)) return false;
      p.offset = a & ~kPageMask;
      p.at = at;
      p.size = here;
      at += here;
    }
    return true;
  }
  [[nodiscard]] std::span<const Part> all() const { return {part, n}; }
  [[nodiscard]] bool hits_device() const {
    return std::ranges::any_of(all(), [](const Part& p) { return p.t.mmio; });
  }
  [[nodiscard]] bool hits_code(Cpu& c) const {
    for (const Part& p : all()) {
      if (!p.t.mmio && (c.memory->code(p.t.page).granules & granules(p.offset, p.size)) != 0) return true;
    }
    return false;
  }
};

void read_parts(Cpu& c, const Parts& parts, u8* to) {
  for (const Part& p : parts.all()) {
    if (!p.t.mmio) {
      std::memcpy(to + p.at, c.memory->host(p.t.page + p.offset), p.size);
    } else if (c.bus == nullptr || !c.bus->read(p.t.page + p.offset, {to + p.at, p.size})) {
      std::memset(to + p.at, 0xff, p.size);  // what an open bus reads as
    }
  }
}

/// Leaves the interpreter so that this instruction is executed as a block of its own, which may write into
/// code.
bool demand_single(Cpu& c) {
  c.miss = Miss::kNone;
  c.exit = Exit::kSingle;
  return false;
}

/// Lasting TLB entries for the page of `va`, as far as what is behind it allows.
void remember(Cpu& c, u64 va, const Translation& t, bool is_store) {
  if (t.mmio || c.alone) return;  // alone: entries are temporary, and are taken back
  const bool code = c.memory->code(t.page).granules != 0;
  const TlbEntry entry{page_of(va), c.memory->host(t.page)};
  // The other table's entry is taken only while it is free: an instruction that loads from one page and
  // stores to another of the same slot would otherwise evict one with the other for ever.
  TlbEntry& read = c.tlb->read[TlbBank::slot(va)];
  TlbEntry& write = c.tlb->write[TlbBank::slot(va)];
  if (!is_store || read.host == nullptr) read = entry;
  if (!code && (is_store || (t.writable && write.host == nullptr))) write = entry;
}

void write_parts(Cpu& c, const Parts& parts, u8* from) {
  for (const Part& p : parts.all()) {
    const u64 paddr = p.t.page + p.offset;
    if (!p.t.mmio) {
      std::memcpy(c.memory->host(paddr), from + p.at, p.size);
      if (c.memory->code(paddr).granules != 0) c.blocks->invalidate_physical(c, paddr, p.size);
    } else if (c.bus != nullptr) {
      c.bus->write(paddr, {from + p.at, p.size});
    }
  }
}

/// A device of a supervisor's machine is accessed at a definite time, and what it then wants comes right
/// behind the instruction.
bool open_device(Cpu& c, const Parts& parts) {
  return c.single || !c.has_system || !parts.hits_device() || demand_single(c);
}

bool open_load(Cpu& c, u64 va, u32 size, Parts& parts) {
  return parts.open(c, va, size, Access::kRead) && open_device(c, parts);
}

bool open_store(Cpu& c, u64 va, u32 size, Parts& parts) {
  if (!parts.open(c, va, size, Access::kWrite)) return false;
  if (parts.hits_code(c) && !c.single) return demand_single(c);
  return open_device(c, parts);
}

/// A TLB entry that stands for one execution of one instruction.
struct Temporary {
  TlbEntry* slot;
  TlbEntry saved;
  u64 va;
  u32 size;
  u8* buffer;  ///< what a store wrote, to be copied out; nullptr when the entry points at RAM
};

class Alone {
 public:
  explicit Alone(Cpu& c) : c_(c), left_(c.left) {
    c.alone = true;
    // Nothing may follow the instruction: no block fits into a budget of 0.
    c.clock_end -= static_cast<u64>(left_);
    c.left = 0;
  }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

  /// Makes the noted miss a hit; false when it faults.
  bool serve() {
    const Miss miss = std::exchange(c_.miss, Miss::kNone);
    const u64 va = c_.miss_address;
    const u32 size = c_.miss_size;
    LASTBRANCH_ASSERT(n_ < 2 && size <= 16, "access of {} bytes, {} accesses before it", size, n_);
    const bool is_store = miss == Miss::kStore;
    Parts parts;
    if (is_store ? !open_store(c_, va, size, parts) : !open_load(c_, va, size, parts)) return false;
    auto& table = is_store ? c_.tlb->write : c_.tlb->read;
    Temporary& t = temporary_[n_];
    t = {&table[TlbBank::slot(va)], table[TlbBank::slot(va)], va, size, nullptr};
    const Part& first = parts.part[0];
    if (parts.n == 1 && !first.t.mmio && !(is_store && parts.hits_code(c_))) {
      *t.slot = {page_of(va), c_.memory->host(first.t.page)};
    } else {
      u8* buffer = c_.scratch.data() + 32 + 16 * n_;
      read_parts(c_, parts, buffer);
      *t.slot = {va, buffer};
      if (is_store) t.buffer = buffer;
    }
    ++n_;
    return true;
  }

  /// Takes the temporary entries away; `completed` copies out what was stored.
  void finish(bool completed) {
    for (unsigned k = n_; k-- > 0;) *temporary_[k].slot = temporary_[k].saved;
    c_.alone = false;
    c_.clock_end += static_cast<u64>(left_);
    c_.left += left_;
    if (!completed) return;
    for (unsigned k = 0; k < n_; ++k) {
      const Temporary& t = temporary_[k];
      if (t.buffer == nullptr) continue;
      Parts parts;
      const bool ok = open_store(c_, t.va, t.size, parts);
      LASTBRANCH_ASSERT(ok, "a store that was probed faults at {:#x}", t.va);
      if (ok) write_parts(c_, parts, t.buffer);
    }
  }

 private:
  Cpu& c_;
  i64 left_;
  Temporary temporary_[2]{};
  unsigned n_ = 0;
};

const Insn* stop(Cpu&, const Insn* i) {
  return i;
}

/// Executes the instruction at `i` once with temporary TLB entries for the accesses that no lasting entry can
/// serve.
const Insn* execute_alone(Cpu& c, const Insn* i) {
  Alone alone(c);
  Insn& behind = const_cast<Insn*>(i)[1];
  for (;;) {
    if (!alone.serve()) {
      alone.finish(false);
      c.at = i;
      return nullptr;
    }
    const Op saved = std::exchange(behind.fn, &stop);
    const Insn* r = i->fn(c, i);
    behind.fn = saved;
    if (r != nullptr) {
      alone.finish(true);
#if LASTBRANCH_THREADED
      return behind.fn(c, &behind);
#else
      return &behind;
#endif
    }
    if (c.exit == Exit::kAgain) continue;
    const bool branched = c.exit == Exit::kLimit || c.exit == Exit::kLookup;
    if (c.exit == Exit::kLimit) c.link_from = nullptr;
    if (branched) c.exit = Exit::kLookup;
    alone.finish(branched);
    return nullptr;
  }
}

}  // namespace

void raise(Cpu& c, const Fault& fault) {
  c.fault = fault;
  c.miss = Miss::kNone;
  c.exit = Exit::kFault;
}

const u8* slow_load(Cpu& c, u64 va, u32 size) {
  Parts parts;
  if (!open_load(c, va, size, parts)) return nullptr;
  read_parts(c, parts, c.scratch.data());
  if (parts.n == 1) remember(c, va, parts.part[0].t, false);
  return c.scratch.data();
}

bool slow_store(Cpu& c, u64 va, u32 size) {
  Parts parts;
  if (!open_store(c, va, size, parts)) return false;
  write_parts(c, parts, c.scratch.data());
  if (parts.n == 1) remember(c, va, parts.part[0].t, true);
  return true;
}

bool probe_store(Cpu& c, u64 va, u32 size) {
  Parts parts;
  return open_store(c, va, size, parts);
}

const Insn* resolve(Cpu& c, const Insn* i) {
  if (c.miss == Miss::kNone) {
    c.at = i;
    return nullptr;
  }
  if (c.alone) {
    c.exit = Exit::kAgain;
    return nullptr;
  }
  const u64 va = c.miss_address;
  const bool is_store = c.miss == Miss::kStore;
  if ((va & ~kPageMask) + c.miss_size <= kPageSize) {
    Translation t;
    if (!translate(c, va, is_store ? Access::kWrite : Access::kRead, t)) {
      c.at = i;
      return nullptr;
    }
    const bool code = !t.mmio && c.memory->code(t.page).granules != 0;
    if (!t.mmio && !(is_store && code)) {
      c.miss = Miss::kNone;
      remember(c, va, t, is_store);
      return i->fn(c, i);
    }
  }
  return execute_alone(c, i);
}

}  // namespace lastbranch::cpu
