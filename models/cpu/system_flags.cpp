// CLI, STI, POPF that changes IF or TF, HLT. Source: SDM vol. 2, the page of each mnemonic; vol. 3A, "Masking
// Maskable Hardware Interrupts".
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {

Done System::Ops::cli() {
  if (c.cpl > iopl()) return general_protection();
  c.system_flags &= ~rflags::kIF;
  return std::nullopt;
}

/// Interrupts stay off for one more instruction if they were off.
Done System::Ops::sti() {
  if (c.cpl > iopl()) return general_protection();
  const bool was_off = (c.system_flags & rflags::kIF) == 0;
  c.system_flags |= rflags::kIF;
  s.retire(c.next_rip);
  if (was_off) {
    s.shadow_at_ = c.retired();
    s.shadow_all_ = false;
  }
  return std::nullopt;
}

Done System::Ops::popf() {
  u64 value = 0;
  if (Done fault = s.memory_.load(c.r[kRsp], {reinterpret_cast<u8*>(&value), form.size}, user()))
    return fault;
  u64 mask = rflags::kStatus | rflags::kTF | rflags::kDF | rflags::kNT;
  if (form.size == 8) mask |= rflags::kAC | rflags::kID;
  if (c.cpl == 0) mask |= rflags::kIOPL;
  if (c.cpl <= iopl()) mask |= rflags::kIF;
  c.r[kRsp] += form.size;
  c.set_flags((c.flags() & ~mask & ~rflags::kRF) | (value & mask));
  return std::nullopt;
}

Done System::Ops::hlt() {
  if (c.cpl != 0) return general_protection();
  s.next_ = Next::kHalted;
  return std::nullopt;
}

}  // namespace lastbranch::cpu
