#include "models/vmx/fields.h"

#include <algorithm>
#include <array>

namespace lastbranch::vmx {
namespace {

constexpr FieldDef kFields[] = {
    {0x0800, "guest ES selector"},
    {0x0802, "guest CS selector"},
    {0x0804, "guest SS selector"},
    {0x0806, "guest DS selector"},
    {0x0808, "guest FS selector"},
    {0x080a, "guest GS selector"},
    {0x080c, "guest LDTR selector"},
    {0x080e, "guest TR selector"},
    {0x0c00, "host ES selector"},
    {0x0c02, "host CS selector"},
    {0x0c04, "host SS selector"},
    {0x0c06, "host DS selector"},
    {0x0c08, "host FS selector"},
    {0x0c0a, "host GS selector"},
    {0x0c0c, "host TR selector"},
    {0x2000, "address of I/O bitmap A"},
    {0x2002, "address of I/O bitmap B"},
    {0x2004, "address of MSR bitmaps"},
    {0x2006, "VM-exit MSR-store address"},
    {0x2008, "VM-exit MSR-load address"},
    {0x200a, "VM-entry MSR-load address"},
    {0x2800, "VMCS link pointer"},
    {0x2802, "guest IA32_DEBUGCTL"},
    {0x2804, "guest IA32_PAT"},
    {0x2806, "guest IA32_EFER"},
    {0x2808, "guest IA32_PERF_GLOBAL_CTRL"},
    {0x2816, "guest IA32_LBR_CTL", true},
    {0x2c00, "host IA32_PAT"},
    {0x2c02, "host IA32_EFER"},
    {0x2c04, "host IA32_PERF_GLOBAL_CTRL"},
    {0x4000, "pin-based VM-execution controls"},
    {0x4002, "primary processor-based VM-execution controls"},
    {0x4004, "exception bitmap"},
    {0x4006, "page-fault error-code mask"},
    {0x4008, "page-fault error-code match"},
    {0x400a, "CR3-target count"},
    {0x400c, "VM-exit controls"},
    {0x400e, "VM-exit MSR-store count"},
    {0x4010, "VM-exit MSR-load count"},
    {0x4012, "VM-entry controls"},
    {0x4014, "VM-entry MSR-load count"},
    {0x4016, "VM-entry interruption-information field"},
    {0x4018, "VM-entry exception error code"},
    {0x401a, "VM-entry instruction length"},
    {0x4400, "VM-instruction error"},
    {0x4402, "exit reason"},
    {0x4404, "VM-exit interruption information"},
    {0x4406, "VM-exit interruption error code"},
    {0x4408, "IDT-vectoring information field"},
    {0x440a, "IDT-vectoring error code"},
    {0x440c, "VM-exit instruction length"},
    {0x440e, "VM-exit instruction information"},
    {0x4800, "guest ES limit"},
    {0x4802, "guest CS limit"},
    {0x4804, "guest SS limit"},
    {0x4806, "guest DS limit"},
    {0x4808, "guest FS limit"},
    {0x480a, "guest GS limit"},
    {0x480c, "guest LDTR limit"},
    {0x480e, "guest TR limit"},
    {0x4810, "guest GDTR limit"},
    {0x4812, "guest IDTR limit"},
    {0x4814, "guest ES access rights"},
    {0x4816, "guest CS access rights"},
    {0x4818, "guest SS access rights"},
    {0x481a, "guest DS access rights"},
    {0x481c, "guest FS access rights"},
    {0x481e, "guest GS access rights"},
    {0x4820, "guest LDTR access rights"},
    {0x4822, "guest TR access rights"},
    {0x4824, "guest interruptibility state"},
    {0x4826, "guest activity state"},
    {0x4828, "guest SMBASE"},
    {0x482a, "guest IA32_SYSENTER_CS"},
    {0x4c00, "host IA32_SYSENTER_CS"},
    {0x6000, "CR0 guest/host mask"},
    {0x6002, "CR4 guest/host mask"},
    {0x6004, "CR0 read shadow"},
    {0x6006, "CR4 read shadow"},
    {0x6008, "CR3-target value 0"},
    {0x600a, "CR3-target value 1"},
    {0x600c, "CR3-target value 2"},
    {0x600e, "CR3-target value 3"},
    {0x6400, "exit qualification"},
    {0x640a, "guest-linear address"},
    {0x6800, "guest CR0"},
    {0x6802, "guest CR3"},
    {0x6804, "guest CR4"},
    {0x6806, "guest ES base"},
    {0x6808, "guest CS base"},
    {0x680a, "guest SS base"},
    {0x680c, "guest DS base"},
    {0x680e, "guest FS base"},
    {0x6810, "guest GS base"},
    {0x6812, "guest LDTR base"},
    {0x6814, "guest TR base"},
    {0x6816, "guest GDTR base"},
    {0x6818, "guest IDTR base"},
    {0x681a, "guest DR7"},
    {0x681c, "guest RSP"},
    {0x681e, "guest RIP"},
    {0x6820, "guest RFLAGS"},
    {0x6822, "guest pending debug exceptions"},
    {0x6824, "guest IA32_SYSENTER_ESP"},
    {0x6826, "guest IA32_SYSENTER_EIP"},
    {0x6c00, "host CR0"},
    {0x6c02, "host CR3"},
    {0x6c04, "host CR4"},
    {0x6c06, "host FS base"},
    {0x6c08, "host GS base"},
    {0x6c0a, "host TR base"},
    {0x6c0c, "host GDTR base"},
    {0x6c0e, "host IDTR base"},
    {0x6c10, "host IA32_SYSENTER_ESP"},
    {0x6c12, "host IA32_SYSENTER_EIP"},
    {0x6c14, "host RSP"},
    {0x6c16, "host RIP"},
};
static_assert(std::is_sorted(std::begin(kFields), std::end(kFields),
                             [](const FieldDef& a, const FieldDef& b) { return a.encoding < b.encoding; }));

}  // namespace

std::span<const FieldDef> fields() {
  return kFields;
}

int find_field(u32 encoding) {
  const u32 whole = encoding & ~1u;
  const auto* const at = std::lower_bound(std::begin(kFields), std::end(kFields), whole,
                                          [](const FieldDef& f, u32 e) { return f.encoding < e; });
  if (at == std::end(kFields) || at->encoding != whole) return -1;
  if ((encoding & 1) != 0 && !at->has_high()) return -1;
  return static_cast<int>(at - std::begin(kFields));
}

unsigned largest_index() {
  unsigned most = 0;
  for (const FieldDef& f : kFields) most = std::max(most, f.encoding >> 1 & 0x1ff);
  return most;
}

}  // namespace lastbranch::vmx
