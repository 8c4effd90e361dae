// IA32_FEATURE_CONTROL and the capability MSRs, computed from the tables of fields and controls.
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

std::span<const MsrDef> Vmx::rows() {
  static constexpr MsrDef kRows[] = {
      // Lock, VMX outside SMX.
      {.index = 0x3a,
       .name = "IA32_FEATURE_CONTROL",
       .writable = 5,
       .read = Access::feature_control,
       .write = Access::write_feature_control},
      {.index = 0x480, .name = "IA32_VMX_BASIC", .read = Access::basic},
      {.index = 0x481, .name = "IA32_VMX_PINBASED_CTLS", .read = Access::controls<Word::kPin, true>},
      {.index = 0x482, .name = "IA32_VMX_PROCBASED_CTLS", .read = Access::controls<Word::kProc, true>},
      {.index = 0x483, .name = "IA32_VMX_EXIT_CTLS", .read = Access::controls<Word::kExit, true>},
      {.index = 0x484, .name = "IA32_VMX_ENTRY_CTLS", .read = Access::controls<Word::kEntry, true>},
      {.index = 0x485, .name = "IA32_VMX_MISC", .read = Access::misc},
      {.index = 0x486, .name = "IA32_VMX_CR0_FIXED0", .read = Access::cr0_ones},
      {.index = 0x487, .name = "IA32_VMX_CR0_FIXED1", .read = Access::cr0_may},
      {.index = 0x488, .name = "IA32_VMX_CR4_FIXED0", .read = Access::cr4_ones},
      {.index = 0x489, .name = "IA32_VMX_CR4_FIXED1", .read = Access::cr4_may},
      {.index = 0x48a, .name = "IA32_VMX_VMCS_ENUM", .read = Access::enumeration},
      // 48BH, 48CH and 491H belong to secondary controls, EPT and VM functions: absent with them.
      {.index = 0x48d, .name = "IA32_VMX_TRUE_PINBASED_CTLS", .read = Access::controls<Word::kPin, false>},
      {.index = 0x48e, .name = "IA32_VMX_TRUE_PROCBASED_CTLS", .read = Access::controls<Word::kProc, false>},
      {.index = 0x48f, .name = "IA32_VMX_TRUE_EXIT_CTLS", .read = Access::controls<Word::kExit, false>},
      {.index = 0x490, .name = "IA32_VMX_TRUE_ENTRY_CTLS", .read = Access::controls<Word::kEntry, false>},
  };
  return kRows;
}

}  // namespace lastbranch::vmx
