// Descriptors and the loading of data segment registers. In 64-bit mode only FS and GS have bases; limits are
// not checked. Source: SDM vol. 2, "MOV", "POP", "LDS/LES/LFS/LGS/LSS"; vol. 3A, "Segment Loading
// Instructions in IA-32e Mode". Not modelled: the accessed bit.
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {

/// Reads the descriptor of a selector that is not null; the upper half too if it is a system descriptor.
Done System::Ops::fetch(u16 selector, Descriptor& d, bool external) {
  const bool local = (selector & 4) != 0;
  const u64 base = local ? c.ldtr.base : c.gdtr.base;
  const u64 limit = local ? c.ldtr.limit : c.gdtr.limit;
  const u64 at = selector & 0xfff8u;
  d = {};
  if (at + 7 > limit) return general_protection(selector_error(selector, external));
  if (Done fault = s.memory_.get(base + at, d.low)) return fault;
  if (!d.is_system()) return std::nullopt;
  if (at + 15 > limit) return general_protection(selector_error(selector, external));
  return s.memory_.get(base + at + 8, d.high);
}

void System::Ops::set_null(unsigned which, u16 selector) {
  c.selector[which] = selector;
  c.segment_dpl[which] = 0;
  if (which == kFs) c.fs_base() = 0;
  if (which == kGs) c.gs_base() = 0;
}

Done System::Ops::load_segment(unsigned which, u16 selector) {
  const u8 rpl = selector & 3;
  if (is_null(selector)) {
    // A supervisor may run without a stack segment.
    if (which == kSs && (c.cpl == 3 || rpl != c.cpl)) return general_protection();
    set_null(which, selector);
    return std::nullopt;
  }
  const u32 error = selector_error(selector);
  Descriptor d;
  if (Done fault = fetch(selector, d)) return fault;
  if (which == kSs) {
    if (rpl != c.cpl || !d.writable_data() || d.dpl() != c.cpl) return general_protection(error);
    if (!d.present()) return Fault{Vector::kSS, true, error};
  } else {
    if (!d.readable()) return general_protection(error);
    if (!(d.is_code() && d.conforming()) && (rpl > d.dpl() || c.cpl > d.dpl()))
      return general_protection(error);
    if (!d.present()) return Fault{Vector::kNP, true, error};
  }
  c.selector[which] = selector;
  c.segment_dpl[which] = d.dpl();
  if (which == kFs) c.fs_base() = d.base32();
  if (which == kGs) c.gs_base() = d.base32();
  return std::nullopt;
}

Done System::Ops::mov_to_segment() {
  u16 selector = 0;
  if (Done fault = source16(i.r1, selector)) return fault;
  if (Done fault = load_segment(i.r0, selector)) return fault;
  if (i.r0 == kSs) {
    s.retire(c.next_rip);
    s.shadow_at_ = c.retired();
    s.shadow_all_ = true;
  }
  return std::nullopt;
}

Done System::Ops::pop_segment() {
  u16 selector = 0;
  if (Done fault = s.memory_.get(c.r[kRsp], selector, user())) return fault;
  if (Done fault = load_segment(i.r0, selector)) return fault;
  c.r[kRsp] += form.size;
  return std::nullopt;
}

Done System::Ops::far_operand(u64& offset, u16& selector) {
  u8 bytes[10];
  offset = 0;
  if (Done fault = s.memory_.load(address(), {bytes, form.size + 2u}, user())) return fault;
  std::memcpy(&offset, bytes, form.size);
  std::memcpy(&selector, bytes + form.size, 2);
  return std::nullopt;
}

/// LSS, LFS, LGS: the binder leaves which one in `imm`.
Done System::Ops::load_far_pointer() {
  u64 offset = 0;
  u16 selector = 0;
  if (Done fault = far_operand(offset, selector)) return fault;
  if (Done fault = load_segment(static_cast<unsigned>(i.imm), selector)) return fault;
  set_gpr(i.r0 / 8, offset, form.size);
  return std::nullopt;
}

}  // namespace lastbranch::cpu
