#include "models/cpu/control.h"

#include <utility>

#include "models/cpu/block.h"
#include "models/cpu/control_registers.h"

namespace lastbranch::cpu {

void retire_intercepted(Cpu& c, u32 facts) {
  EvCounts counts;
  count_facts(counts, facts);
  c.ledger->enter(context_of(c.cpl, c.guest));
  c.ledger->add(counts, 1);
  --c.left;
  c.rip = c.next_rip;
}

void set_cpl(Cpu& c, u8 cpl) {
  const std::size_t bank = cpl == 3 ? 1 : 0;
  // The supervisor's jump cache knows the blocks of one of its levels only.
  if (cpl != 3 && std::exchange(c.last_supervisor_cpl, cpl) != cpl) {
    for (const std::size_t supervisor : {std::size_t{0}, std::size_t{2}}) {
      if (c.jump_banks[supervisor] != nullptr) forget_jumps(c.jump_banks[supervisor]);
    }
  }
  c.cpl = cpl;
  c.tlb = c.tlb_banks[bank];
  c.jumps = c.jump_banks[bank + (c.guest ? 2 : 0)];
}

void update_gates(Cpu& c) {
  const bool ts = (c.cr0 & cr0::kTs) != 0;
  const u32 gates = (ts ? gate::kTs : 0) | ((c.cr0 & cr0::kEm) != 0 ? gate::kEm : 0) |
                    ((c.cr4 & cr4::kOsfxsr) == 0 ? gate::kNoOsfxsr : 0) |
                    (ts && (c.cr0 & cr0::kMp) != 0 ? gate::kWait : 0);
  if (gates == std::exchange(c.gates, gates)) return;
  // The jump caches know linear addresses only; the blocks of the other mode stay.
  for (JumpEntry* const jumps : c.jump_banks) {
    if (jumps != nullptr) forget_jumps(jumps);
  }
}

namespace {
/// DR7: breakpoint `n` is enabled, locally or globally, for instruction fetches.
bool stops_fetch(u64 dr7, unsigned n) {
  return (dr7 >> (2 * n) & 3) != 0 && (dr7 >> (16 + 4 * n) & 3) == 0;
}
}  // namespace

void update_breakpoints(Cpu& c) {
  c.breakpoints = 0;
  for (unsigned n = 0; n < 4; ++n) c.breakpoints |= stops_fetch(c.dr[7], n) ? u64{1} << n : 0;
}

u64 hit_breakpoints(const Cpu& c) {
  if (c.breakpoints == 0 || (c.system_flags & rflags::kRF) != 0) return 0;
  u64 hit = 0;
  for (unsigned n = 0; n < 4; ++n) {
    if ((c.breakpoints >> n & 1) != 0 && c.dr[n] == c.rip) hit |= u64{1} << n;
  }
  return hit;
}

void forget_translations(Cpu& c, u64 va, u64 length) {
  if (length == 0) return;
  for (TlbBank* const tlb : c.tlb_banks) {
    if (tlb == nullptr) continue;
    if (length >> kPageShift < TlbBank::kSlots) {
      for (u64 page = page_of(va); page < va + length; page += kPageSize) tlb->flush_page(page);
    } else {
      tlb->flush();
    }
  }
  c.blocks->invalidate_linear(c, va, length);
}

void forget_all_translations(Cpu& c) {
  for (TlbBank* const tlb : c.tlb_banks) {
    if (tlb != nullptr) tlb->flush();
  }
  c.blocks->invalidate_linear(c, 0, ~u64{0});
}

void forget_code(Cpu& c, u64 paddr, u64 length) {
  if (length != 0) c.blocks->invalidate_physical(c, paddr, length);
}

}  // namespace lastbranch::cpu
