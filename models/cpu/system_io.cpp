// IN, OUT and their string forms. Source: SDM vol. 2, "IN", "OUT", "INS", "OUTS"; vol. 1, "I/O Permission Bit
// Map".
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {
namespace {

/// String forms: operands of 1, 2 or 4 bytes; REX.W changes nothing.
unsigned io_size(const SystemForm& form) {
  return form.size == 8 ? 4 : form.size;
}

u64 masked(u64 value, bool addr32) {
  return addr32 ? static_cast<u32>(value) : value;
}
void advance(u64& r, i64 by, bool addr32) {
  r = masked(r + static_cast<u64>(by), addr32);
}

}  // namespace

/// CPL above IOPL: the TSS's bitmap decides, all bits of the access must be clear.
Done System::Ops::port_access(u16 port, unsigned size) {
  if (c.cpl <= iopl()) return std::nullopt;
  constexpr u64 kMapBase = 102;
  if (c.tr.limit < kMapBase + 1) return general_protection();
  u16 base = 0, bits = 0;
  if (Done fault = s.memory_.get(c.tr.base + kMapBase, base)) return fault;
  const u64 at = u64{base} + port / 8;
  if (at + 1 > c.tr.limit) return general_protection();
  if (Done fault = s.memory_.get(c.tr.base + at, bits)) return fault;
  if ((bits >> (port & 7) & ((1u << size) - 1)) != 0) return general_protection();
  return std::nullopt;
}

Done System::Ops::in() {
  const u16 port = form.variant ? static_cast<u8>(i.imm) : static_cast<u16>(c.r[kRdx]);
  const unsigned size = io_size(form);
  if (Done fault = port_access(port, size)) return fault;
  set_gpr(kRax, s.hooks_.ports != nullptr ? s.hooks_.ports->in(port, size) : ~u32{0}, size);
  return std::nullopt;
}

Done System::Ops::out() {
  const u16 port = form.variant ? static_cast<u8>(i.imm) : static_cast<u16>(c.r[kRdx]);
  const unsigned size = io_size(form);
  if (Done fault = port_access(port, size)) return fault;
  const u32 value = static_cast<u32>(c.r[kRax]) & (size == 4 ? ~0u : (1u << (8 * size)) - 1);
  if (s.hooks_.ports != nullptr) s.hooks_.ports->out(port, size, value);
  return std::nullopt;
}

/// Registers are as far as the elements that were moved, so that a fault in the middle can be resumed.
Done System::Ops::ins() {
  const unsigned size = io_size(form);
  const u16 port = static_cast<u16>(c.r[kRdx]);
  if (Done fault = port_access(port, size)) return fault;
  const i64 step = (c.system_flags & rflags::kDF) != 0 ? -static_cast<i64>(size) : static_cast<i64>(size);
  while (!form.rep || masked(c.r[kRcx], form.addr32) != 0) {
    const u64 to = masked(c.r[kRdi], form.addr32);
    if (Done fault = s.memory_.probe_store(to, size, user())) return fault;
    const u32 value = s.hooks_.ports != nullptr ? s.hooks_.ports->in(port, size) : ~u32{0};
    if (Done fault = s.memory_.store(to, {reinterpret_cast<const u8*>(&value), size}, user())) return fault;
    advance(c.r[kRdi], step, form.addr32);
    if (!form.rep) break;
    advance(c.r[kRcx], -1, form.addr32);
  }
  return std::nullopt;
}

Done System::Ops::outs() {
  const unsigned size = io_size(form);
  const u16 port = static_cast<u16>(c.r[kRdx]);
  if (Done fault = port_access(port, size)) return fault;
  const i64 step = (c.system_flags & rflags::kDF) != 0 ? -static_cast<i64>(size) : static_cast<i64>(size);
  while (!form.rep || masked(c.r[kRcx], form.addr32) != 0) {
    u32 value = 0;
    const u64 from = masked(c.r[kRsi], form.addr32) + reg<u64>(c, i.seg);
    if (Done fault = s.memory_.load(from, {reinterpret_cast<u8*>(&value), size}, user())) return fault;
    if (s.hooks_.ports != nullptr) s.hooks_.ports->out(port, size, value);
    advance(c.r[kRsi], step, form.addr32);
    if (!form.rep) break;
    advance(c.r[kRcx], -1, form.addr32);
  }
  return std::nullopt;
}

}  // namespace lastbranch::cpu
