#pragma once
// The fields of a VMCS as a table.
//
// Modelled: the fields that this processor has, by the controls it offers. Not: EPT, VPID, APIC
// virtualization, VMCS shadowing, the preemption timer, SMM. An encoding that is not here is an unsupported
// component. Source: SDM vol. 3D, appendix "Field Encoding in VMCS"; vol. 3C, "Virtual Machine Control
// Structures".
#include <span>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::vmx {

/// Encodings: bits 14:13 width, 11:10 kind, 9:1 index, 0 the upper half of a 64-bit field.
enum class Field : u32 {
  kGuestEsSelector = 0x800,
  kGuestTrSelector = 0x80e,
  kHostEsSelector = 0xc00,
  kHostTrSelector = 0xc0c,
  kIoBitmapA = 0x2000,
  kIoBitmapB = 0x2002,
  kMsrBitmap = 0x2004,
  kExitMsrStore = 0x2006,
  kExitMsrLoad = 0x2008,
  kEntryMsrLoad = 0x200a,
  kLinkPointer = 0x2800,
  kGuestDebugctl = 0x2802,
  kGuestPat = 0x2804,
  kGuestEfer = 0x2806,
  kGuestPerfGlobalCtrl = 0x2808,
  kGuestLbrCtl = 0x2816,
  kHostPat = 0x2c00,
  kHostEfer = 0x2c02,
  kHostPerfGlobalCtrl = 0x2c04,
  kPinControls = 0x4000,
  kProcControls = 0x4002,
  kExceptionBitmap = 0x4004,
  kPfMask = 0x4006,
  kPfMatch = 0x4008,
  kCr3TargetCount = 0x400a,
  kExitControls = 0x400c,
  kExitMsrStoreCount = 0x400e,
  kExitMsrLoadCount = 0x4010,
  kEntryControls = 0x4012,
  kEntryMsrLoadCount = 0x4014,
  kEntryEvent = 0x4016,
  kEntryError = 0x4018,
  kEntryLength = 0x401a,
  kInstructionError = 0x4400,
  kExitReason = 0x4402,
  kExitEvent = 0x4404,
  kExitError = 0x4406,
  kVectoringEvent = 0x4408,
  kVectoringError = 0x440a,
  kExitLength = 0x440c,
  kExitInstruction = 0x440e,
  kGuestEsLimit = 0x4800,
  kGuestGdtrLimit = 0x4810,
  kGuestIdtrLimit = 0x4812,
  kGuestEsRights = 0x4814,
  kGuestBlocking = 0x4824,
  kGuestActivity = 0x4826,
  kGuestSmbase = 0x4828,
  kGuestSysenterCs = 0x482a,
  kHostSysenterCs = 0x4c00,
  kCr0Mask = 0x6000,
  kCr4Mask = 0x6002,
  kCr0Shadow = 0x6004,
  kCr4Shadow = 0x6006,
  kCr3Target0 = 0x6008,
  kExitQualification = 0x6400,
  kGuestLinearAddress = 0x640a,
  kGuestCr0 = 0x6800,
  kGuestCr3 = 0x6802,
  kGuestCr4 = 0x6804,
  kGuestEsBase = 0x6806,
  kGuestGdtrBase = 0x6816,
  kGuestIdtrBase = 0x6818,
  kGuestDr7 = 0x681a,
  kGuestRsp = 0x681c,
  kGuestRip = 0x681e,
  kGuestRflags = 0x6820,
  kGuestPendingDebug = 0x6822,
  kGuestSysenterEsp = 0x6824,
  kGuestSysenterEip = 0x6826,
  kHostCr0 = 0x6c00,
  kHostCr3 = 0x6c02,
  kHostCr4 = 0x6c04,
  kHostFsBase = 0x6c06,
  kHostGsBase = 0x6c08,
  kHostTrBase = 0x6c0a,
  kHostGdtrBase = 0x6c0c,
  kHostIdtrBase = 0x6c0e,
  kHostSysenterEsp = 0x6c10,
  kHostSysenterEip = 0x6c12,
  kHostRsp = 0x6c14,
  kHostRip = 0x6c16,
};

/// The n-th of several fields in a row: of segment registers, of CR3 targets.
[[nodiscard]] constexpr Field nth(Field first, unsigned n) {
  return static_cast<Field>(static_cast<u32>(first) + 2 * n);
}

enum class FieldKind : u8 { kControl, kReadOnly, kGuest, kHost };

struct FieldDef {
  u32 encoding;
  std::string_view name;
  std::string_view source;  ///< of the manual: volume, chapter and section
  bool arch_lbr = false;    ///< only on parts with architectural last-branch records

  /// In bits.
  [[nodiscard]] constexpr unsigned width() const {
    constexpr unsigned kWidths[] = {16, 64, 32, 64};
    return kWidths[encoding >> 13 & 3];
  }
  [[nodiscard]] constexpr u64 mask() const { return width() == 64 ? ~u64{0} : (u64{1} << width()) - 1; }
  [[nodiscard]] constexpr FieldKind kind() const { return static_cast<FieldKind>(encoding >> 10 & 3); }
  /// May be accessed by halves: the upper one has encoding + 1. Natural-width fields cannot.
  [[nodiscard]] constexpr bool has_high() const { return (encoding >> 13 & 3) == 1; }
};

/// By ascending encoding.
[[nodiscard]] std::span<const FieldDef> fields();
/// Number of the field's row; -1 for an encoding that does not exist. An odd encoding names the whole field.
[[nodiscard]] int find_field(u32 encoding);
/// The largest index of the table, for IA32_VMX_VMCS_ENUM[9:1].
[[nodiscard]] unsigned largest_index();

}  // namespace lastbranch::vmx
