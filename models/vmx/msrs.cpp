// IA32_FEATURE_CONTROL and the capability MSRs, computed from the tables of fields and controls.
#include "models/vmx/sources.h"
#include "models/vmx/vmx.h"

namespace lastbranch::vmx {

struct Vmx::Access {
  static const Vmx& of(const void* self) { return *static_cast<const Vmx*>(self); }
  template <Word word, bool kOld>
  static u64 controls(const void* self, u32) {
    return allowed(word, of(self).limits_.features, kOld).msr();
  }
  static u64 basic(const void*, u32) {
    constexpr u64 kWriteBack = u64{6} << 50, kIoInformation = u64{1} << 54, kTrueControls = u64{1} << 55;
    return kRevision | kRegionSize << 32 | kWriteBack | kIoInformation | kTrueControls;
  }
  static u64 misc(const void*, u32) {
    constexpr u64 kHltActivity = u64{1} << 6, kCr3Targets = u64{4} << 16;
    return kHltActivity | kCr3Targets;
  }
  static u64 cr0_ones(const void* self, u32) { return of(self).limits_.cr0_ones; }
  static u64 cr0_may(const void*, u32) { return 0xffffffff; }
  static u64 cr4_ones(const void* self, u32) { return of(self).limits_.cr4_ones; }
  static u64 cr4_may(const void* self, u32) { return of(self).limits_.cr4_may; }
  static u64 enumeration(const void*, u32) { return u64{largest_index()} << 1; }
  static u64 feature_control(const void* self, u32) { return of(self).feature_control_; }
  static MsrFault write_feature_control(void* self, u32, u64 value) {
    Vmx& v = *static_cast<Vmx*>(self);
    constexpr u64 kLock = 1;
    if ((v.feature_control_ & kLock) != 0) return MsrFault::kValue;
    v.feature_control_ = value;
    return MsrFault::kNone;
  }
};

std::span<const CapabilityMsr> Vmx::capabilities() {
  // 48BH, 48CH and 491H belong to secondary controls, EPT and VM functions: absent with them.
  static constexpr CapabilityMsr kRows[] = {
      {0x3a, "IA32_FEATURE_CONTROL", sdm::kFeatureControl, Access::feature_control, 5,
       Access::write_feature_control},  // lock, VMX outside SMX
      {0x480, "IA32_VMX_BASIC", sdm::kBasic, Access::basic},
      {0x481, "IA32_VMX_PINBASED_CTLS", sdm::kExecutionCapability, Access::controls<Word::kPin, true>},
      {0x482, "IA32_VMX_PROCBASED_CTLS", sdm::kExecutionCapability, Access::controls<Word::kProc, true>},
      {0x483, "IA32_VMX_EXIT_CTLS", sdm::kExitCapability, Access::controls<Word::kExit, true>},
      {0x484, "IA32_VMX_ENTRY_CTLS", sdm::kEntryCapability, Access::controls<Word::kEntry, true>},
      {0x485, "IA32_VMX_MISC", sdm::kMisc, Access::misc},
      {0x486, "IA32_VMX_CR0_FIXED0", sdm::kFixedCr0, Access::cr0_ones},
      {0x487, "IA32_VMX_CR0_FIXED1", sdm::kFixedCr0, Access::cr0_may},
      {0x488, "IA32_VMX_CR4_FIXED0", sdm::kFixedCr4, Access::cr4_ones},
      {0x489, "IA32_VMX_CR4_FIXED1", sdm::kFixedCr4, Access::cr4_may},
      {0x48a, "IA32_VMX_VMCS_ENUM", sdm::kEnumeration, Access::enumeration},
      {0x48d, "IA32_VMX_TRUE_PINBASED_CTLS", sdm::kExecutionCapability, Access::controls<Word::kPin, false>},
      {0x48e, "IA32_VMX_TRUE_PROCBASED_CTLS", sdm::kExecutionCapability,
       Access::controls<Word::kProc, false>},
      {0x48f, "IA32_VMX_TRUE_EXIT_CTLS", sdm::kExitCapability, Access::controls<Word::kExit, false>},
      {0x490, "IA32_VMX_TRUE_ENTRY_CTLS", sdm::kEntryCapability, Access::controls<Word::kEntry, false>},
  };
  return kRows;
}

std::span<const MsrDef> Vmx::rows() {
  static const std::vector<MsrDef> kRows = [] {
    std::vector<MsrDef> made;
    for (const CapabilityMsr& row : capabilities())
      made.push_back({.index = row.index,
                      .name = row.name,
                      .writable = row.writable,
                      .read = row.read,
                      .write = row.write});
    return made;
  }();
  return kRows;
}

}  // namespace lastbranch::vmx
