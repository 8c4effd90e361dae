// Control and debug registers, INVLPG. Source: SDM vol. 2, "MOV—Move to/from Control Registers", "MOV—Move
// to/from Debug Registers"; vol. 3A, "Control Registers"; vol. 3B, "Debug Registers".
#include "models/cpu/control.h"
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {

u64 cr4_bits(const Cpu& c) {
  u64 bits = cr4::kAlways;
  if (c.cpuid == nullptr) return bits;
  const CpuidResult one = c.cpuid(c.cpuid_self, 1, 0);
  const CpuidResult seven =
      c.cpuid(c.cpuid_self, 0, 0).eax >= 7 ? c.cpuid(c.cpuid_self, 7, 0) : CpuidResult{};
  const struct {
    bool there;
    u64 bit;
  } rows[] = {
      {(one.ecx >> 5 & 1) != 0, cr4::kVmxe},   {(one.ecx >> 17 & 1) != 0, cr4::kPcide},
      {(seven.ebx >> 7 & 1) != 0, cr4::kSmep}, {(seven.ebx >> 20 & 1) != 0, cr4::kSmap},
      {(seven.ecx >> 2 & 1) != 0, cr4::kUmip},
  };
  for (const auto& row : rows) bits |= row.there ? row.bit : 0;
  return bits;
}

Done System::Ops::read_cr() {
  if (c.cpl != 0) return general_protection();
  const u64 values[] = {c.cr0, 0, c.cr2, c.cr3, c.cr4, 0, 0, 0, c.cr8};
  set_reg<u64>(c, i.r0, values[i.r1]);
  return std::nullopt;
}

Done System::Ops::write_cr() {
  if (c.cpl != 0) return general_protection();
  const u64 value = reg<u64>(c, i.r1);
  switch (i.r0) {
    case 0:
      return write_cr0(value);
    case 2:
      c.cr2 = value;
      return std::nullopt;
    case 3: {
      const bool keeps = (c.cr4 & cr4::kPcide) != 0 && (value >> 63) != 0;
      const u64 root = keeps ? value & ~(u64{1} << 63) : value;
      if (root >> 52 != 0) return general_protection();
      c.cr3 = root;
      if (!c.walker->fixed()) forget_all_translations(c);
      return std::nullopt;
    }
    case 4:
      return write_cr4(value);
    default:
      if (value > 15) return general_protection();
      c.cr8 = value;
      return std::nullopt;
  }
}

/// Paging cannot be switched off in 64-bit mode.
Done System::Ops::write_cr0(u64 value) {
  constexpr u64 kKnown = cr0::kPe | cr0::kMp | cr0::kEm | cr0::kTs | cr0::kEt | cr0::kNe | cr0::kWp |
                         cr0::kAm | cr0::kNw | cr0::kCd | cr0::kPg;
  if (value >> 32 != 0) return general_protection();
  if ((value & cr0::kPg) == 0 || (value & cr0::kPe) == 0) return general_protection();
  if ((value & cr0::kNw) != 0 && (value & cr0::kCd) == 0) return general_protection();
  if (s.virtualization_ != nullptr && !s.virtualization_->allows_cr(0, value)) return general_protection();
  const u64 changed = c.cr0 ^ value;
  c.cr0 = (value & kKnown) | cr0::kEt;
  update_gates(c);
  if ((changed & cr0::kWp) != 0 && !c.walker->fixed()) forget_all_translations(c);
  return std::nullopt;
}

Done System::Ops::write_cr4(u64 value) {
  if ((value & ~cr4_bits(c)) != 0 || (value & cr4::kPae) == 0) return general_protection();
  constexpr u64 kPaging = cr4::kPge | cr4::kPcide | cr4::kSmep | cr4::kSmap;
  const u64 changed = c.cr4 ^ value;
  if (s.virtualization_ != nullptr && !s.virtualization_->allows_cr(4, value)) return general_protection();
  if ((changed & value & cr4::kPcide) != 0 && (c.cr3 & 0xfff) != 0) return general_protection();
  c.cr4 = value;
  update_gates(c);
  if ((changed & kPaging) != 0 && !c.walker->fixed()) forget_all_translations(c);
  return std::nullopt;
}

Done System::Ops::lmsw() {
  if (c.cpl != 0) return general_protection();
  u16 value = 0;
  if (Done fault = source16(i.r0, value)) return fault;
  constexpr u64 kLoaded = cr0::kPe | cr0::kMp | cr0::kEm | cr0::kTs;
  return write_cr0((c.cr0 & ~kLoaded) | (value & kLoaded) | cr0::kPe);  // PE cannot be cleared
}

Done System::Ops::smsw() {
  if (c.cpl != 0 && (c.cr4 & cr4::kUmip) != 0) return general_protection();
  if (form.memory) return s.memory_.put(address(), static_cast<u16>(c.cr0), user());
  set_gpr(i.r0 / 8, c.cr0, form.size);
  return std::nullopt;
}

Done System::Ops::clts() {
  if (c.cpl != 0) return general_protection();
  c.cr0 &= ~cr0::kTs;
  update_gates(c);
  return std::nullopt;
}

Done System::Ops::invlpg() {
  if (c.cpl != 0) return general_protection();
  if (!c.walker->fixed()) forget_translations(c, page_of(address()), kPageSize);
  return std::nullopt;
}

namespace {
/// DR4 and DR5 are DR6 and DR7, unless CR4.DE makes them undefined.
bool undefined_dr(const Cpu& c, unsigned n) {
  return (n == 4 || n == 5) && (c.cr4 & cr4::kDe) != 0;
}
unsigned real_dr(unsigned n) {
  return n == 4 || n == 5 ? n + 2 : n;
}
/// General detect: an access to the debug registers is a #DB.
Done general_detect(const Cpu& c) {
  if ((c.dr[7] & dr7::kGd) == 0) return std::nullopt;
  return Fault{.vector = Vector::kDB, .address = dr6::kBd};
}
}  // namespace

Done System::Ops::read_dr() {
  if (undefined_dr(c, i.r1)) return kUndefined;
  if (c.cpl != 0) return general_protection();
  if (Done fault = general_detect(c)) return fault;
  set_reg<u64>(c, i.r0, c.dr[real_dr(i.r1)]);
  return std::nullopt;
}

Done System::Ops::write_dr() {
  if (undefined_dr(c, i.r0)) return kUndefined;
  if (c.cpl != 0) return general_protection();
  if (Done fault = general_detect(c)) return fault;
  const unsigned n = real_dr(i.r0);
  const u64 value = reg<u64>(c, i.r1);
  if (n >= 6 && value >> 32 != 0) return general_protection();
  c.dr[n] = n == 6   ? (value & dr6::kWritable) | dr6::kFixed
            : n == 7 ? (value & dr7::kWritable) | dr7::kFixed
                     : value;
  update_breakpoints(c);
  return std::nullopt;
}

}  // namespace lastbranch::cpu
