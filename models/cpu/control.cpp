#include "models/cpu/control.h"

#include "models/cpu/block.h"

namespace lastbranch::cpu {

void retire_intercepted(Cpu& c, u32 facts) {
  EvCounts counts;
  count_facts(counts, facts);
  c.ledger->enter(context_of(c.cpl));
  c.ledger->add(counts, 1);
  --c.left;
  c.rip = c.next_rip;
}

void forget_translations(Cpu& c, u64 va, u64 length) {
  if (length == 0) return;
  if (length >> kPageShift < TlbBank::kSlots) {
    for (u64 page = page_of(va); page < va + length; page += kPageSize) c.tlb->flush_page(page);
  } else {
    c.tlb->flush();
  }
  c.blocks->invalidate_linear(c, va, length);
}

void forget_code(Cpu& c, u64 paddr, u64 length) {
  if (length != 0) c.blocks->invalidate_physical(c, paddr, length);
}

}  // namespace lastbranch::cpu
