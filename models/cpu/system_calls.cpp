// SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS: transfers to flat segments that no descriptor is read for.
// Source: SDM vol. 2, the page of each mnemonic. Not modelled: the returns to compatibility mode (operand
// size 32), which raise #GP(0).
#include "models/cpu/control.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {

void System::Ops::set_flat(u16 cs, u16 ss, u8 cpl) {
  c.selector[kCs] = static_cast<u16>((cs & 0xfffc) | cpl);
  c.selector[kSs] = static_cast<u16>((ss & 0xfffc) | cpl);
  c.segment_dpl[kSs] = cpl;
}

Done System::Ops::syscall() {
  if ((c.efer & efer::kSce) == 0) return kUndefined;
  c.r[kRcx] = c.next_rip;
  c.r[kR11] = c.flags() & ~rflags::kRF;
  const u16 cs = static_cast<u16>(c.star >> 32);
  set_flat(cs, static_cast<u16>((cs & 0xfffc) + 8), 0);
  s.transfer(BranchKind::kSyscall, c.lstar, 0);
  c.set_flags(c.flags() & ~c.fmask & ~rflags::kRF);
  return std::nullopt;
}

Done System::Ops::sysret() {
  if ((c.efer & efer::kSce) == 0) return kUndefined;
  if (c.cpl != 0 || form.size != 8 || !is_canonical(c.r[kRcx])) return general_protection();
  constexpr u64 kLoaded = 0x3c7fd7;  // without RF, VM and the reserved bits
  const u64 flags = c.r[kR11] & kLoaded;
  const u16 base = static_cast<u16>(c.star >> 48);
  set_flat(static_cast<u16>(base + 16), static_cast<u16>(base + 8), 3);
  s.transfer(BranchKind::kSysret, c.r[kRcx], 3);
  c.set_flags(flags);
  return std::nullopt;
}

Done System::Ops::sysenter() {
  if (is_null(c.sysenter_cs)) return general_protection();
  const u16 cs = static_cast<u16>(c.sysenter_cs);
  set_flat(cs, static_cast<u16>((cs & 0xfffc) + 8), 0);
  c.r[kRsp] = c.sysenter_esp;
  s.transfer(BranchKind::kSyscall, c.sysenter_eip, 0);
  c.set_flags(c.flags() & ~(rflags::kIF | rflags::kVM | rflags::kRF));
  return std::nullopt;
}

Done System::Ops::sysexit() {
  if (c.cpl != 0 || is_null(c.sysenter_cs) || form.size != 8) return general_protection();
  if (!is_canonical(c.r[kRcx]) || !is_canonical(c.r[kRdx])) return general_protection();
  const u16 cs = static_cast<u16>(c.sysenter_cs);
  set_flat(static_cast<u16>(cs + 32), static_cast<u16>(cs + 40), 3);
  c.r[kRsp] = c.r[kRcx];
  s.transfer(BranchKind::kSysret, c.r[kRdx], 3);
  return std::nullopt;
}

Done System::Ops::swapgs() {
  if (c.cpl != 0) return general_protection();
  std::swap(c.gs_base(), c.kernel_gs_base);
  return std::nullopt;
}

}  // namespace lastbranch::cpu
