#include "models/cpu/system_msrs.h"

#include "models/cpu/control_registers.h"

namespace lastbranch::cpu {
namespace {

const Cpu& cpu(const void* self) {
  return *static_cast<const Cpu*>(self);
}
Cpu& cpu(void* self) {
  return *static_cast<Cpu*>(self);
}

template <auto field>
u64 get(const void* self, u32) {
  return cpu(self).*field;
}
template <auto field>
MsrFault set(void* self, u32, u64 value) {
  using T = std::remove_reference_t<decltype(cpu(self).*field)>;
  cpu(self).*field = static_cast<T>(value);
  return MsrFault::kNone;
}
template <auto field>
MsrFault set_address(void* self, u32 i, u64 value) {
  return is_canonical(value) ? set<field>(self, i, value) : MsrFault::kNonCanonical;
}

/// FS and GS base: Cpu::r holds them.
template <std::size_t slot>
u64 get_base(const void* self, u32) {
  return cpu(self).r[slot];
}
template <std::size_t slot>
MsrFault set_base(void* self, u32, u64 value) {
  if (!is_canonical(value)) return MsrFault::kNonCanonical;
  cpu(self).r[slot] = value;
  return MsrFault::kNone;
}

u64 zero(const void*, u32) {
  return 0;
}
MsrFault ignore(void*, u32, u64) {
  return MsrFault::kNone;
}

u64 read_tsc(const void* self, u32) {
  const Cpu& c = cpu(self);
  return c.cycles(c) + c.tsc_offset;
}
MsrFault write_tsc(void* self, u32, u64 value) {
  Cpu& c = cpu(self);
  c.tsc_offset = value - c.cycles(c);
  return MsrFault::kNone;
}

/// LMA is the processor's; LME cannot change while paging is on, which it always is here.
MsrFault write_efer(void* self, u32, u64 value) {
  Cpu& c = cpu(self);
  if (((c.efer ^ value) & efer::kLme) != 0) return MsrFault::kValue;
  c.efer = (value & ~efer::kLma) | (c.efer & efer::kLma);
  return MsrFault::kNone;
}

/// Memory types 2 and 3 do not exist; 7 is UC-.
MsrFault write_pat(void* self, u32, u64 value) {
  for (unsigned n = 0; n < 8; ++n) {
    const u64 type = value >> (8 * n) & 0xff;
    if (type > 7 || type == 2 || type == 3) return MsrFault::kReserved;
  }
  cpu(self).pat = value;
  return MsrFault::kNone;
}

MsrFault write_default_type(void* self, u32, u64 value) {
  const u64 type = value & 0xff;
  if (type > 6 || type == 2 || type == 3) return MsrFault::kValue;
  cpu(self).mtrr_default_type = value;
  return MsrFault::kNone;
}

constexpr u64 kAll = ~u64{0};
constexpr u64 kWriteCombining = 1u << 10;

u64 mtrr_capabilities(const void*, u32) {
  return kWriteCombining;
}

constexpr MsrDef kRows[] = {
    {.index = 0x10,
     .name = "IA32_TIME_STAMP_COUNTER",
     .writable = kAll,
     .read = read_tsc,
     .write = write_tsc},
    {.index = 0x8b, .name = "IA32_BIOS_SIGN_ID", .writable = kAll, .read = zero, .write = ignore},
    {.index = 0xfe, .name = "IA32_MTRRCAP", .reset = kWriteCombining, .read = mtrr_capabilities},
    {.index = 0x174,
     .name = "IA32_SYSENTER_CS",
     .writable = 0xffffffff,
     .ignore_others = true,
     .read = get<&Cpu::sysenter_cs>,
     .write = set<&Cpu::sysenter_cs>},
    {.index = 0x175,
     .name = "IA32_SYSENTER_ESP",
     .writable = kAll,
     .read = get<&Cpu::sysenter_esp>,
     .write = set_address<&Cpu::sysenter_esp>},
    {.index = 0x176,
     .name = "IA32_SYSENTER_EIP",
     .writable = kAll,
     .read = get<&Cpu::sysenter_eip>,
     .write = set_address<&Cpu::sysenter_eip>},
    {.index = 0x179, .name = "IA32_MCG_CAP", .read = zero},
    {.index = 0x277,
     .name = "IA32_PAT",
     .writable = kAll,
     .reset = 0x0007040600070406,
     .read = get<&Cpu::pat>,
     .write = write_pat},
    {.index = 0x2ff,
     .name = "IA32_MTRR_DEF_TYPE",
     .writable = 0xcff,
     .reset = 0xc06,
     .read = get<&Cpu::mtrr_default_type>,
     .write = write_default_type},
    {.index = 0xc0000080,
     .name = "IA32_EFER",
     .writable = efer::kSce | efer::kLme | efer::kLma | efer::kNxe,
     .reset = efer::kLme | efer::kLma,
     .read = get<&Cpu::efer>,
     .write = write_efer},
    {.index = 0xc0000081,
     .name = "IA32_STAR",
     .writable = kAll,
     .read = get<&Cpu::star>,
     .write = set<&Cpu::star>},
    {.index = 0xc0000082,
     .name = "IA32_LSTAR",
     .writable = kAll,
     .read = get<&Cpu::lstar>,
     .write = set_address<&Cpu::lstar>},
    {.index = 0xc0000083,
     .name = "IA32_CSTAR",
     .writable = kAll,
     .read = get<&Cpu::cstar>,
     .write = set_address<&Cpu::cstar>},
    {.index = 0xc0000084,
     .name = "IA32_FMASK",
     .writable = 0xffffffff,
     .read = get<&Cpu::fmask>,
     .write = set<&Cpu::fmask>},
    {.index = 0xc0000100,
     .name = "IA32_FS_BASE",
     .writable = kAll,
     .read = get_base<17>,
     .write = set_base<17>},
    {.index = 0xc0000101,
     .name = "IA32_GS_BASE",
     .writable = kAll,
     .read = get_base<18>,
     .write = set_base<18>},
    {.index = 0xc0000102,
     .name = "IA32_KERNEL_GS_BASE",
     .writable = kAll,
     .read = get<&Cpu::kernel_gs_base>,
     .write = set_address<&Cpu::kernel_gs_base>},
    {.index = 0xc0000103,
     .name = "IA32_TSC_AUX",
     .writable = 0xffffffff,
     .read = get<&Cpu::tsc_aux>,
     .write = set<&Cpu::tsc_aux>},
};

}  // namespace

std::span<const MsrDef> system_msrs() {
  return kRows;
}

}  // namespace lastbranch::cpu
