#pragma once
// The VMX controls that this processor offers, as a table, and what follows from it: the capability MSRs.
//
// Modelled: every control below. Not offered: secondary controls (EPT, VPID, unrestricted guest, RDTSCP in
// the guest, ...), the preemption timer, posted interrupts, the TPR shadow, TSC offsetting, MONITOR, MWAIT
// and PAUSE exiting, 32-bit guests and hosts (their controls must be 1). Source: SDM vol. 3D, appendix "VMX
// Capability Reporting Facility"; vol. 3C, "VM-Execution Control Fields" and the sections behind it.
#include <span>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::vmx {

namespace pin {
inline constexpr u32 kExternalInterrupt = 1u << 0, kNmi = 1u << 3, kVirtualNmis = 1u << 5;
}  // namespace pin
namespace proc {
inline constexpr u32 kInterruptWindow = 1u << 2, kHlt = 1u << 7, kInvlpg = 1u << 9, kRdpmc = 1u << 11,
                     kRdtsc = 1u << 12, kCr3Load = 1u << 15, kCr3Store = 1u << 16, kCr8Load = 1u << 19,
                     kCr8Store = 1u << 20, kNmiWindow = 1u << 22, kMovDr = 1u << 23,
                     kUnconditionalIo = 1u << 24, kIoBitmaps = 1u << 25, kMsrBitmaps = 1u << 28;
}  // namespace proc
namespace exit_ctl {
inline constexpr u32 kSaveDebug = 1u << 2, kHost64 = 1u << 9, kLoadPerfGlobalCtrl = 1u << 12,
                     kAcknowledge = 1u << 15, kSavePat = 1u << 18, kLoadPat = 1u << 19, kSaveEfer = 1u << 20,
                     kLoadEfer = 1u << 21, kClearLbrCtl = 1u << 26;
}  // namespace exit_ctl
namespace entry_ctl {
inline constexpr u32 kLoadDebug = 1u << 2, kGuest64 = 1u << 9, kLoadPerfGlobalCtrl = 1u << 13,
                     kLoadPat = 1u << 14, kLoadEfer = 1u << 15, kLoadLbrCtl = 1u << 21;
}  // namespace entry_ctl

enum class Word : u8 { kPin, kProc, kExit, kEntry, kCount };

/// What a part has beside VMX.
struct Features {
  bool perf_global_ctrl = true;
  bool arch_lbr = false;
};

/// May the control be 0, may it be 1.
enum class Setting : u8 {
  kEither,
  kDefault1,  ///< either by the TRUE capability MSR, 1 by the old one
  kAlways1,   ///< 1: reserved, or what this model does not do otherwise
};

struct ControlDef {
  Word word;
  u8 bit;
  Setting setting;
  std::string_view name;
  std::string_view source;          ///< of the manual: volume, chapter and section
  bool Features::*needs = nullptr;  ///< only on parts with this
};

[[nodiscard]] std::span<const ControlDef> controls();

/// Bits that must be 1 and bits that may be 1.
struct Allowed {
  u32 ones = 0, may = 0;
  [[nodiscard]] constexpr bool accepts(u32 value) const {
    return (ones & ~value) == 0 && (value & ~may) == 0;
  }
  /// As the capability MSR shows it.
  [[nodiscard]] constexpr u64 msr() const { return u64{may} << 32 | ones; }
};
/// `old`: by the capability MSR without TRUE.
[[nodiscard]] Allowed allowed(Word word, const Features& features, bool old = false);

}  // namespace lastbranch::vmx
