// Descriptor tables, LDTR and TR, and the instructions that look at descriptors. Source: SDM vol. 2, the page
// of each mnemonic.
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {

Done System::Ops::load_table(TableRegister& table) {
  if (c.cpl != 0) return general_protection();
  u8 bytes[10];
  if (Done fault = s.memory_.load(address(), bytes, user())) return fault;
  TableRegister loaded;
  std::memcpy(&loaded.limit, bytes, 2);
  std::memcpy(&loaded.base, bytes + 2, 8);
  if (!is_canonical(loaded.base)) return general_protection();
  table = loaded;
  return std::nullopt;
}

Done System::Ops::store_table(const TableRegister& table) {
  if (c.cpl != 0 && (c.cr4 & cr4::kUmip) != 0) return general_protection();
  u8 bytes[10];
  std::memcpy(bytes, &table.limit, 2);
  std::memcpy(bytes + 2, &table.base, 8);
  return s.memory_.store(address(), bytes, user());
}

Done System::Ops::lldt() {
  if (c.cpl != 0) return general_protection();
  u16 selector = 0;
  if (Done fault = source16(i.r0, selector)) return fault;
  if (is_null(selector)) {
    c.ldtr = {.selector = selector};
    return std::nullopt;
  }
  if ((selector & 4) != 0) return general_protection(selector_error(selector));
  Descriptor d;
  if (Done fault = fetch(selector, d)) return fault;
  if (!d.is_system() || d.type() != system_type::kLdt) return general_protection(selector_error(selector));
  if (!d.present()) return Fault{Vector::kNP, true, selector_error(selector)};
  c.ldtr = {selector, d.base64(), d.limit()};
  return std::nullopt;
}

Done System::Ops::ltr() {
  if (c.cpl != 0) return general_protection();
  u16 selector = 0;
  if (Done fault = source16(i.r0, selector)) return fault;
  if (is_null(selector)) return general_protection();
  if ((selector & 4) != 0) return general_protection(selector_error(selector));
  Descriptor d;
  if (Done fault = fetch(selector, d)) return fault;
  if (!d.is_system() || d.type() != system_type::kTssAvailable)
    return general_protection(selector_error(selector));
  if (!d.present()) return Fault{Vector::kNP, true, selector_error(selector)};
  const u8 access = static_cast<u8>(d.low >> 40 | 2);  // busy from now on
  if (Done fault = s.memory_.put(c.gdtr.base + (selector & 0xfff8u) + 5, access)) return fault;
  c.tr = {selector, d.base64(), d.limit()};
  return std::nullopt;
}

/// SLDT and STR: memory gets 16 bits, a register is zero-extended from its operand size.
Done System::Ops::store_selector(u16 selector) {
  if (c.cpl != 0 && (c.cr4 & cr4::kUmip) != 0) return general_protection();
  if (form.memory) return s.memory_.put(address(), selector, user());
  set_gpr(i.r0 / 8, selector, form.size);
  return std::nullopt;
}

/// VERR and VERW.
Done System::Ops::verify() {
  u16 selector = 0;
  if (Done fault = source16(i.r0, selector)) return fault;
  Descriptor d;
  const bool there = !is_null(selector) && !fetch(selector, d);
  const u8 lowest = d.dpl();
  const bool reachable = d.is_code() && d.conforming() ? true : lowest >= c.cpl && lowest >= (selector & 3);
  const bool ok = there && reachable && (form.variant ? d.writable_data() : d.readable());
  c.f.set_status((c.f.status() & ~rflags::kZF) | (ok ? rflags::kZF : 0));
  return std::nullopt;
}

namespace {
/// Segment descriptors and those system descriptors that LAR (and LSL, without gates) tells about.
bool told_of(const Descriptor& d, bool limit) {
  if (!d.is_system()) return true;
  switch (d.type()) {
    case system_type::kLdt:
    case system_type::kTssAvailable:
    case system_type::kTssBusy:
      return true;
    default:
      return d.type() == system_type::kCallGate && !limit;
  }
}
bool within_reach(const Descriptor& d, u16 selector, u8 cpl) {
  return (d.is_code() && d.conforming()) || (d.dpl() >= cpl && d.dpl() >= (selector & 3));
}
}  // namespace

Done System::Ops::lar() {
  u16 selector = 0;
  if (Done fault = source16(i.r1, selector)) return fault;
  Descriptor d;
  const bool ok =
      !is_null(selector) && !fetch(selector, d) && told_of(d, false) && within_reach(d, selector, c.cpl);
  if (ok) set_gpr(i.r0 / 8, d.low >> 32 & 0x00ffff00, form.size);
  c.f.set_status((c.f.status() & ~rflags::kZF) | (ok ? rflags::kZF : 0));
  return std::nullopt;
}

Done System::Ops::lsl() {
  u16 selector = 0;
  if (Done fault = source16(i.r1, selector)) return fault;
  Descriptor d;
  const bool ok =
      !is_null(selector) && !fetch(selector, d) && told_of(d, true) && within_reach(d, selector, c.cpl);
  if (ok) set_gpr(i.r0 / 8, d.limit(), form.size);
  c.f.set_status((c.f.status() & ~rflags::kZF) | (ok ? rflags::kZF : 0));
  return std::nullopt;
}

}  // namespace lastbranch::cpu
