#include "models/vmx/fields.h"

#include <algorithm>
#include <array>

#include "models/vmx/sources.h"

namespace lastbranch::vmx {
namespace {

constexpr FieldDef kFields[] = {
    {0x0800, "guest ES selector", sdm::kGuestRegisters},
    {0x0802, "guest CS selector", sdm::kGuestRegisters},
    {0x0804, "guest SS selector", sdm::kGuestRegisters},
    {0x0806, "guest DS selector", sdm::kGuestRegisters},
    {0x0808, "guest FS selector", sdm::kGuestRegisters},
    {0x080a, "guest GS selector", sdm::kGuestRegisters},
    {0x080c, "guest LDTR selector", sdm::kGuestRegisters},
    {0x080e, "guest TR selector", sdm::kGuestRegisters},
    {0x0c00, "host ES selector", sdm::kHostArea},
    {0x0c02, "host CS selector", sdm::kHostArea},
    {0x0c04, "host SS selector", sdm::kHostArea},
    {0x0c06, "host DS selector", sdm::kHostArea},
    {0x0c08, "host FS selector", sdm::kHostArea},
    {0x0c0a, "host GS selector", sdm::kHostArea},
    {0x0c0c, "host TR selector", sdm::kHostArea},
    {0x2000, "address of I/O bitmap A", sdm::kIoBitmaps},
    {0x2002, "address of I/O bitmap B", sdm::kIoBitmaps},
    {0x2004, "address of MSR bitmaps", sdm::kMsrBitmaps},
    {0x2006, "VM-exit MSR-store address", sdm::kExitMsrControls},
    {0x2008, "VM-exit MSR-load address", sdm::kExitMsrControls},
    {0x200a, "VM-entry MSR-load address", sdm::kEntryMsrControls},
    {0x2800, "VMCS link pointer", sdm::kGuestNonRegister},
    {0x2802, "guest IA32_DEBUGCTL", sdm::kGuestRegisters},
    {0x2804, "guest IA32_PAT", sdm::kGuestRegisters},
    {0x2806, "guest IA32_EFER", sdm::kGuestRegisters},
    {0x2808, "guest IA32_PERF_GLOBAL_CTRL", sdm::kGuestRegisters},
    {0x2816, "guest IA32_LBR_CTL", sdm::kGuestRegisters, true},
    {0x2c00, "host IA32_PAT", sdm::kHostArea},
    {0x2c02, "host IA32_EFER", sdm::kHostArea},
    {0x2c04, "host IA32_PERF_GLOBAL_CTRL", sdm::kHostArea},
    {0x4000, "pin-based VM-execution controls", sdm::kPinControls},
    {0x4002, "primary processor-based VM-execution controls", sdm::kProcControls},
    {0x4004, "exception bitmap", sdm::kExceptionBitmap},
    {0x4006, "page-fault error-code mask", sdm::kExceptionBitmap},
    {0x4008, "page-fault error-code match", sdm::kExceptionBitmap},
    {0x400a, "CR3-target count", sdm::kCr3Targets},
    {0x400c, "VM-exit controls", sdm::kExitControls},
    {0x400e, "VM-exit MSR-store count", sdm::kExitMsrControls},
    {0x4010, "VM-exit MSR-load count", sdm::kExitMsrControls},
    {0x4012, "VM-entry controls", sdm::kEntryControls},
    {0x4014, "VM-entry MSR-load count", sdm::kEntryMsrControls},
    {0x4016, "VM-entry interruption-information field", sdm::kEntryEventControls},
    {0x4018, "VM-entry exception error code", sdm::kEntryEventControls},
    {0x401a, "VM-entry instruction length", sdm::kEntryEventControls},
    {0x4400, "VM-instruction error", sdm::kErrorInformation},
    {0x4402, "exit reason", sdm::kBasicInformation},
    {0x4404, "VM-exit interruption information", sdm::kEventInformation},
    {0x4406, "VM-exit interruption error code", sdm::kEventInformation},
    {0x4408, "IDT-vectoring information field", sdm::kDeliveryInformation},
    {0x440a, "IDT-vectoring error code", sdm::kDeliveryInformation},
    {0x440c, "VM-exit instruction length", sdm::kInsnInformation},
    {0x440e, "VM-exit instruction information", sdm::kInsnInformation},
    {0x4800, "guest ES limit", sdm::kGuestRegisters},
    {0x4802, "guest CS limit", sdm::kGuestRegisters},
    {0x4804, "guest SS limit", sdm::kGuestRegisters},
    {0x4806, "guest DS limit", sdm::kGuestRegisters},
    {0x4808, "guest FS limit", sdm::kGuestRegisters},
    {0x480a, "guest GS limit", sdm::kGuestRegisters},
    {0x480c, "guest LDTR limit", sdm::kGuestRegisters},
    {0x480e, "guest TR limit", sdm::kGuestRegisters},
    {0x4810, "guest GDTR limit", sdm::kGuestRegisters},
    {0x4812, "guest IDTR limit", sdm::kGuestRegisters},
    {0x4814, "guest ES access rights", sdm::kGuestRegisters},
    {0x4816, "guest CS access rights", sdm::kGuestRegisters},
    {0x4818, "guest SS access rights", sdm::kGuestRegisters},
    {0x481a, "guest DS access rights", sdm::kGuestRegisters},
    {0x481c, "guest FS access rights", sdm::kGuestRegisters},
    {0x481e, "guest GS access rights", sdm::kGuestRegisters},
    {0x4820, "guest LDTR access rights", sdm::kGuestRegisters},
    {0x4822, "guest TR access rights", sdm::kGuestRegisters},
    {0x4824, "guest interruptibility state", sdm::kGuestNonRegister},
    {0x4826, "guest activity state", sdm::kGuestNonRegister},
    {0x4828, "guest SMBASE", sdm::kGuestRegisters},
    {0x482a, "guest IA32_SYSENTER_CS", sdm::kGuestRegisters},
    {0x4c00, "host IA32_SYSENTER_CS", sdm::kHostArea},
    {0x6000, "CR0 guest/host mask", sdm::kMasks},
    {0x6002, "CR4 guest/host mask", sdm::kMasks},
    {0x6004, "CR0 read shadow", sdm::kMasks},
    {0x6006, "CR4 read shadow", sdm::kMasks},
    {0x6008, "CR3-target value 0", sdm::kCr3Targets},
    {0x600a, "CR3-target value 1", sdm::kCr3Targets},
    {0x600c, "CR3-target value 2", sdm::kCr3Targets},
    {0x600e, "CR3-target value 3", sdm::kCr3Targets},
    {0x6400, "exit qualification", sdm::kBasicInformation},
    {0x640a, "guest-linear address", sdm::kBasicInformation},
    {0x6800, "guest CR0", sdm::kGuestRegisters},
    {0x6802, "guest CR3", sdm::kGuestRegisters},
    {0x6804, "guest CR4", sdm::kGuestRegisters},
    {0x6806, "guest ES base", sdm::kGuestRegisters},
    {0x6808, "guest CS base", sdm::kGuestRegisters},
    {0x680a, "guest SS base", sdm::kGuestRegisters},
    {0x680c, "guest DS base", sdm::kGuestRegisters},
    {0x680e, "guest FS base", sdm::kGuestRegisters},
    {0x6810, "guest GS base", sdm::kGuestRegisters},
    {0x6812, "guest LDTR base", sdm::kGuestRegisters},
    {0x6814, "guest TR base", sdm::kGuestRegisters},
    {0x6816, "guest GDTR base", sdm::kGuestRegisters},
    {0x6818, "guest IDTR base", sdm::kGuestRegisters},
    {0x681a, "guest DR7", sdm::kGuestRegisters},
    {0x681c, "guest RSP", sdm::kGuestRegisters},
    {0x681e, "guest RIP", sdm::kGuestRegisters},
    {0x6820, "guest RFLAGS", sdm::kGuestRegisters},
    {0x6822, "guest pending debug exceptions", sdm::kGuestNonRegister},
    {0x6824, "guest IA32_SYSENTER_ESP", sdm::kGuestRegisters},
    {0x6826, "guest IA32_SYSENTER_EIP", sdm::kGuestRegisters},
    {0x6c00, "host CR0", sdm::kHostArea},
    {0x6c02, "host CR3", sdm::kHostArea},
    {0x6c04, "host CR4", sdm::kHostArea},
    {0x6c06, "host FS base", sdm::kHostArea},
    {0x6c08, "host GS base", sdm::kHostArea},
    {0x6c0a, "host TR base", sdm::kHostArea},
    {0x6c0c, "host GDTR base", sdm::kHostArea},
    {0x6c0e, "host IDTR base", sdm::kHostArea},
    {0x6c10, "host IA32_SYSENTER_ESP", sdm::kHostArea},
    {0x6c12, "host IA32_SYSENTER_EIP", sdm::kHostArea},
    {0x6c14, "host RSP", sdm::kHostArea},
    {0x6c16, "host RIP", sdm::kHostArea},
};
static_assert(std::is_sorted(std::begin(kFields), std::end(kFields),
                             [](const FieldDef& a, const FieldDef& b) { return a.encoding < b.encoding; }));

}  // namespace

std::span<const FieldDef> fields() {
  return kFields;
}

namespace {

/// Row by width, kind and index; every VM entry and exit looks up some hundred fields.
constexpr unsigned kGroups = 32, kIndexes = 64;
constexpr unsigned group(u32 encoding) {
  return encoding >> 10 & (kGroups - 1);
}
constexpr std::array<std::array<i16, kIndexes>, kGroups> make_rows() {
  std::array<std::array<i16, kIndexes>, kGroups> rows{};
  for (auto& row : rows) row.fill(-1);
  for (std::size_t i = 0; i < std::size(kFields); ++i) {
    const u32 encoding = kFields[i].encoding;
    rows.at(group(encoding)).at(encoding >> 1 & 0x1ff) = static_cast<i16>(i);
  }
  return rows;
}
constexpr auto kRows = make_rows();

}  // namespace

int find_field(u32 encoding) {
  const u32 index = encoding >> 1 & 0x1ff;
  if (encoding >> 15 != 0 || index >= kIndexes) return -1;
  const int row = kRows[group(encoding)][index];
  if (row < 0 || ((encoding & 1) != 0 && !kFields[static_cast<std::size_t>(row)].has_high())) return -1;
  return row;
}

unsigned largest_index() {
  unsigned most = 0;
  for (const FieldDef& f : kFields) most = std::max(most, f.encoding >> 1 & 0x1ff);
  return most;
}

}  // namespace lastbranch::vmx
