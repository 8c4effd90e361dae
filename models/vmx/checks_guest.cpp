#include "models/vmx/checks.h"
#include "models/vmx/sources.h"

namespace lastbranch::vmx {
namespace {

using V = const EntryView&;

constexpr u64 kPg = u64{1} << 31, kPae = 1u << 5;
constexpr u64 kTf = 1u << 8, kIf = 1u << 9;
constexpr u64 kActive = 0, kHlt = 1;
constexpr u32 kShadow = vmx_block::kSti | vmx_block::kMovSs;
constexpr u64 kPendingBs = 1u << 14;

unsigned type(V e, unsigned n) {
  return e.rights(n) & 0xf;
}
unsigned dpl(V e, unsigned n) {
  return e.rights(n) >> 5 & 3;
}
bool is_segment(V e, unsigned n) {
  return (e.rights(n) >> 4 & 1) != 0;
}
bool present(V e, unsigned n) {
  return (e.rights(n) >> 7 & 1) != 0;
}
/// Bits 11:8 and 31:17.
bool reserved_rights(V e, unsigned n) {
  return (e.rights(n) & 0xfffe0f00) != 0;
}
/// G is 0 if any of limit bits 11:0 is 0, 1 if any of 31:20 is 1.
bool granular(V e, unsigned n) {
  const bool g = (e.rights(n) >> 15 & 1) != 0;
  if ((e.limit(n) & 0xfff) != 0xfff && g) return false;
  return (e.limit(n) >> 20) == 0 || g;
}
/// Any of ES, SS, DS, FS and GS that is usable.
bool any_data(V e, bool (*bad)(V, unsigned)) {
  for (const unsigned n : {kVmxEs, kVmxSs, kVmxDs, kVmxFs, kVmxGs}) {
    if (e.usable(n) && bad(e, n)) return true;
  }
  return false;
}

constexpr Check kGuestChecks[] = {
    {"CR0 has the bits that VMX operation fixes", sdm::kCheckRegisters,
     [](V e) { return (e.limits.cr0_ones & ~e[Field::kGuestCr0]) != 0 || e[Field::kGuestCr0] >> 32 != 0; }},
    {"CR4 has the bits that VMX operation fixes", sdm::kCheckRegisters,
     [](V e) {
       const u64 cr4 = e[Field::kGuestCr4];
       return (e.limits.cr4_ones & ~cr4) != 0 || (cr4 & ~e.limits.cr4_may) != 0;
     }},
    {"IA32_DEBUGCTL to load has no reserved bits", sdm::kCheckRegisters,
     [](V e) {
       return (e.entry & entry_ctl::kLoadDebug) != 0 && (e[Field::kGuestDebugctl] & ~e.limits.debugctl) != 0;
     }},
    {"a 64-bit guest has paging and CR4.PAE", sdm::kCheckRegisters,
     [](V e) { return (e[Field::kGuestCr0] & kPg) == 0 || (e[Field::kGuestCr4] & kPae) == 0; }},
    {"CR3 is a physical address", sdm::kCheckRegisters, [](V e) { return !e.fits(e[Field::kGuestCr3]); }},
    {"DR7 to load has no upper half", sdm::kCheckRegisters,
     [](V e) { return (e.entry & entry_ctl::kLoadDebug) != 0 && e[Field::kGuestDr7] >> 32 != 0; }},
    {"IA32_SYSENTER_ESP and EIP are canonical", sdm::kCheckRegisters,
     [](V e) {
       return !is_canonical(e[Field::kGuestSysenterEsp]) || !is_canonical(e[Field::kGuestSysenterEip]);
     }},
    {"IA32_PERF_GLOBAL_CTRL to load has no reserved bits", sdm::kCheckRegisters,
     [](V e) {
       return (e.entry & entry_ctl::kLoadPerfGlobalCtrl) != 0 &&
              (e[Field::kGuestPerfGlobalCtrl] & ~e.limits.perf_global_ctrl) != 0;
     }},
    {"IA32_PAT to load has memory types that exist", sdm::kCheckRegisters,
     [](V e) { return (e.entry & entry_ctl::kLoadPat) != 0 && !valid_pat(e[Field::kGuestPat]); }},
    {"IA32_EFER to load has no reserved bits, and LMA and LME", sdm::kCheckRegisters,
     [](V e) {
       constexpr u64 kLong = 0x500;
       const u64 efer = e[Field::kGuestEfer];
       return (e.entry & entry_ctl::kLoadEfer) != 0 &&
              ((efer & ~e.limits.efer) != 0 || (efer & kLong) != kLong);
     }},
    {"IA32_LBR_CTL to load has no reserved bits", sdm::kCheckRegisters,
     [](V e) {
       return (e.entry & entry_ctl::kLoadLbrCtl) != 0 && (e[Field::kGuestLbrCtl] & ~e.limits.lbr_ctl) != 0;
     }},

    {"TR is of the GDT", sdm::kCheckSegments, [](V e) { return (e.selector(kVmxTr) & 4) != 0; }},
    {"a usable LDTR is of the GDT", sdm::kCheckSegments,
     [](V e) { return e.usable(kVmxLdtr) && (e.selector(kVmxLdtr) & 4) != 0; }},
    {"SS has the RPL of CS", sdm::kCheckSegments,
     [](V e) { return ((e.selector(kVmxSs) ^ e.selector(kVmxCs)) & 3) != 0; }},
    {"TR, FS and GS bases are canonical, and a usable LDTR's", sdm::kCheckSegments,
     [](V e) {
       return !is_canonical(e.base(kVmxTr)) || !is_canonical(e.base(kVmxFs)) ||
              !is_canonical(e.base(kVmxGs)) || (e.usable(kVmxLdtr) && !is_canonical(e.base(kVmxLdtr)));
     }},
    {"CS base has no upper half, nor that of a usable SS, DS or ES", sdm::kCheckSegments,
     [](V e) {
       if (e.base(kVmxCs) >> 32 != 0) return true;
       for (const unsigned n : {kVmxSs, kVmxDs, kVmxEs}) {
         if (e.usable(n) && e.base(n) >> 32 != 0) return true;
       }
       return false;
     }},
    {"CS is an accessed code segment", sdm::kCheckSegments,
     [](V e) { return (type(e, kVmxCs) & 9) != 9 || !is_segment(e, kVmxCs) || !e.usable(kVmxCs); }},
    {"a usable SS is writable, accessed data", sdm::kCheckSegments,
     [](V e) { return e.usable(kVmxSs) && (type(e, kVmxSs) & 0xb) != 3; }},
    {"other usable data segments are accessed, and readable if code", sdm::kCheckSegments,
     [](V e) {
       return any_data(e, [](V x, unsigned n) {
         const unsigned t = type(x, n);
         return (t & 1) == 0 || (t & 0xa) == 8;
       });
     }},
    {"usable data segments are no system segments", sdm::kCheckSegments,
     [](V e) { return any_data(e, [](V x, unsigned n) { return !is_segment(x, n); }); }},
    {"CS has the DPL of SS, if conforming no greater one", sdm::kCheckSegments,
     [](V e) {
       const bool conforming = (type(e, kVmxCs) & 4) != 0;
       return conforming ? dpl(e, kVmxCs) > dpl(e, kVmxSs) : dpl(e, kVmxCs) != dpl(e, kVmxSs);
     }},
    {"SS has its RPL as DPL", sdm::kCheckSegments,
     [](V e) { return dpl(e, kVmxSs) != (e.selector(kVmxSs) & 3); }},
    {"CS and usable data segments are present", sdm::kCheckSegments,
     [](V e) { return !present(e, kVmxCs) || any_data(e, [](V x, unsigned n) { return !present(x, n); }); }},
    {"reserved access rights of CS and usable data segments are 0", sdm::kCheckSegments,
     [](V e) { return reserved_rights(e, kVmxCs) || any_data(e, reserved_rights); }},
    // With L = 0 the guest would be in compatibility mode, which this model does not have.
    {"CS is a 64-bit code segment", sdm::kCheckSegments,
     [](V e) { return (e.rights(kVmxCs) >> 13 & 1) == 0 || (e.rights(kVmxCs) >> 14 & 1) != 0; }},
    {"CS and usable data segments have limits that fit their granularity", sdm::kCheckSegments,
     [](V e) {
       return !granular(e, kVmxCs) || any_data(e, [](V x, unsigned n) { return !granular(x, n); });
     }},
    {"TR is a present, usable, busy 64-bit TSS", sdm::kCheckSegments,
     [](V e) {
       return type(e, kVmxTr) != 11 || is_segment(e, kVmxTr) || !present(e, kVmxTr) || !e.usable(kVmxTr) ||
              reserved_rights(e, kVmxTr) || !granular(e, kVmxTr);
     }},
    {"a usable LDTR is a present LDT", sdm::kCheckSegments,
     [](V e) {
       return e.usable(kVmxLdtr) &&
              (type(e, kVmxLdtr) != 2 || is_segment(e, kVmxLdtr) || !present(e, kVmxLdtr) ||
               reserved_rights(e, kVmxLdtr) || !granular(e, kVmxLdtr));
     }},

    {"GDTR and IDTR bases are canonical", sdm::kCheckTables,
     [](V e) { return !is_canonical(e[Field::kGuestGdtrBase]) || !is_canonical(e[Field::kGuestIdtrBase]); }},
    {"GDTR and IDTR limits have 16 bits", sdm::kCheckTables,
     [](V e) { return e[Field::kGuestGdtrLimit] >> 16 != 0 || e[Field::kGuestIdtrLimit] >> 16 != 0; }},

    {"RIP is canonical", sdm::kCheckFlow, [](V e) { return !is_canonical(e[Field::kGuestRip]); }},
    {"reserved bits of RFLAGS are as they have to be, VM is 0", sdm::kCheckFlow,
     [](V e) {
       constexpr u64 kZero = ~u64{0x3fffff} | 0x8028, kVm = 1u << 17;
       const u64 flags = e[Field::kGuestRflags];
       return (flags & (kZero | kVm)) != 0 || (flags & 2) == 0;
     }},
    {"an injected external interrupt finds RFLAGS.IF", sdm::kCheckFlow,
     [](V e) { return e.injects(VmxEventType::kInterrupt) && (e[Field::kGuestRflags] & kIf) == 0; }},

    {"the activity state is active or HLT", sdm::kCheckOther,
     [](V e) { return e[Field::kGuestActivity] > kHlt; }},
    {"only privilege 0 is halted", sdm::kCheckOther,
     [](V e) { return e[Field::kGuestActivity] == kHlt && dpl(e, kVmxSs) != 0; }},
    {"a guest with blocking by STI or MOV SS is active", sdm::kCheckOther,
     [](V e) { return (e.blocking & kShadow) != 0 && e[Field::kGuestActivity] != kActive; }},
    {"a halted guest is given only interrupts, NMIs, #DB and #MC", sdm::kCheckOther,
     [](V e) {
       if (!e.injects() || e[Field::kGuestActivity] != kHlt) return false;
       const VmxEventType type_of = e.event_type();
       const bool wakes =
           type_of == VmxEventType::kInterrupt || type_of == VmxEventType::kNmi ||
           (type_of == VmxEventType::kException && (e.event_vector() == 1 || e.event_vector() == 18));
       return !wakes;
     }},
    {"reserved bits of the interruptibility state are 0, SMIs are not blocked", sdm::kCheckOther,
     [](V e) { return (e.blocking & ~(kShadow | vmx_block::kNmi)) != 0; }},
    {"STI and MOV SS do not both block", sdm::kCheckOther,
     [](V e) { return (e.blocking & kShadow) == kShadow; }},
    {"blocking by STI needs RFLAGS.IF", sdm::kCheckOther,
     [](V e) { return (e.blocking & vmx_block::kSti) != 0 && (e[Field::kGuestRflags] & kIf) == 0; }},
    {"an injected external interrupt is not blocked by STI or MOV SS", sdm::kCheckOther,
     [](V e) { return e.injects(VmxEventType::kInterrupt) && (e.blocking & kShadow) != 0; }},
    {"an injected NMI is not blocked by MOV SS", sdm::kCheckOther,
     [](V e) { return e.injects(VmxEventType::kNmi) && (e.blocking & vmx_block::kMovSs) != 0; }, 3},
    {"an injected virtual NMI is not blocked by NMI", sdm::kCheckOther,
     [](V e) {
       return e.injects(VmxEventType::kNmi) && (e.pin & pin::kVirtualNmis) != 0 &&
              (e.blocking & vmx_block::kNmi) != 0;
     }},
    {"reserved bits of the pending debug exceptions are 0", sdm::kCheckOther,
     [](V e) { return (e[Field::kGuestPendingDebug] & ~u64{0x500f}) != 0; }},
    {"a single step is pending behind STI, MOV SS or HLT exactly if RFLAGS.TF asks and BTF does not",
     sdm::kCheckOther,
     [](V e) {
       if ((e.blocking & kShadow) == 0 && e[Field::kGuestActivity] != kHlt) return false;
       const bool steps = (e[Field::kGuestRflags] & kTf) != 0 && (e[Field::kGuestDebugctl] & 2) == 0;
       return steps != ((e[Field::kGuestPendingDebug] & kPendingBs) != 0);
     }},
    {"the VMCS link pointer names no shadow VMCS", sdm::kCheckOther,
     [](V e) { return e[Field::kLinkPointer] != ~u64{0}; }, 4},
};

}  // namespace

std::span<const Check> guest_checks() {
  return kGuestChecks;
}

}  // namespace lastbranch::vmx
