#include "models/vmx/checks.h"

#include "models/vmx/sources.h"

namespace lastbranch::vmx {
namespace {

using V = const EntryView&;

bool known_type(V e) {
  const u32 type = e.event >> 8 & 7;
  return type != 1 && type != 7;
}
/// Exceptions with an error code.
bool has_error_code(u8 vector) {
  constexpr u32 kVectors = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;
  return vector < 32 && (kVectors >> vector & 1) != 0;
}
bool delivers_error(V e) {
  return (e.event >> 11 & 1) != 0;
}

constexpr Check kControlChecks[] = {
    {"pin-based controls are among those the capability MSR allows", sdm::kCheckExecution,
     [](V e) { return !allowed(Word::kPin, e.limits.features).accepts(e.pin); }},
    {"processor-based controls are among those the capability MSR allows", sdm::kCheckExecution,
     [](V e) { return !allowed(Word::kProc, e.limits.features).accepts(e.proc); }},
    {"there are at most four CR3-target values", sdm::kCheckExecution,
     [](V e) { return e[Field::kCr3TargetCount] > 4; }},
    {"I/O bitmaps that are used are pages of physical memory", sdm::kCheckExecution,
     [](V e) {
       return (e.proc & proc::kIoBitmaps) != 0 &&
              !(e.placed(Field::kIoBitmapA, 4096, 4096) && e.placed(Field::kIoBitmapB, 4096, 4096));
     }},
    {"MSR bitmaps that are used are a page of physical memory", sdm::kCheckExecution,
     [](V e) { return (e.proc & proc::kMsrBitmaps) != 0 && !e.placed(Field::kMsrBitmap, 4096, 4096); }},
    {"virtual NMIs need NMI exiting", sdm::kCheckExecution,
     [](V e) { return (e.pin & pin::kNmi) == 0 && (e.pin & pin::kVirtualNmis) != 0; }},
    {"NMI-window exiting needs virtual NMIs", sdm::kCheckExecution,
     [](V e) { return (e.pin & pin::kVirtualNmis) == 0 && (e.proc & proc::kNmiWindow) != 0; }},
    {"VM-exit controls are among those the capability MSR allows", sdm::kCheckExit,
     [](V e) { return !allowed(Word::kExit, e.limits.features).accepts(e.exit); }},
    {"a VM-exit MSR-store list is aligned and in physical memory", sdm::kCheckExit,
     [](V e) { return !e.list_placed(Field::kExitMsrStore, Field::kExitMsrStoreCount); }},
    {"a VM-exit MSR-load list is aligned and in physical memory", sdm::kCheckExit,
     [](V e) { return !e.list_placed(Field::kExitMsrLoad, Field::kExitMsrLoadCount); }},
    {"VM-entry controls are among those the capability MSR allows", sdm::kCheckEntry,
     [](V e) { return !allowed(Word::kEntry, e.limits.features).accepts(e.entry); }},
    {"an injected event is of a type that exists", sdm::kCheckEntry,
     [](V e) { return e.injects() && !known_type(e); }},
    {"an injected NMI has vector 2", sdm::kCheckEntry,
     [](V e) { return e.injects(VmxEventType::kNmi) && e.event_vector() != 2; }},
    {"an injected hardware exception has a vector below 32", sdm::kCheckEntry,
     [](V e) { return e.injects(VmxEventType::kException) && e.event_vector() > 31; }},
    {"an error code is delivered exactly with hardware exceptions that have one", sdm::kCheckEntry,
     [](V e) {
       const bool expected = e.injects(VmxEventType::kException) && has_error_code(e.event_vector());
       return e.injects() && delivers_error(e) != expected;
     }},
    {"reserved bits of the interruption information are 0", sdm::kCheckEntry,
     [](V e) { return e.injects() && (e.event & 0x7ffff000) != 0; }},
    {"an error code to deliver has no bits above 15", sdm::kCheckEntry,
     [](V e) { return e.injects() && delivers_error(e) && (e[Field::kEntryError] >> 16) != 0; }},
    {"an injected software event has an instruction of 1 to 15 bytes", sdm::kCheckEntry,
     [](V e) {
       const u64 length = e[Field::kEntryLength];
       return e.injects_software() && (length < 1 || length > 15);
     }},
    {"a VM-entry MSR-load list is aligned and in physical memory", sdm::kCheckEntry,
     [](V e) { return !e.list_placed(Field::kEntryMsrLoad, Field::kEntryMsrLoadCount); }},
};

constexpr Check kHostChecks[] = {
    {"host CR0 has the bits that VMX operation fixes", sdm::kCheckHostRegisters,
     [](V e) { return (e.limits.cr0_ones & ~e[Field::kHostCr0]) != 0 || e[Field::kHostCr0] >> 32 != 0; }},
    {"host CR4 has the bits that VMX operation fixes", sdm::kCheckHostRegisters,
     [](V e) {
       const u64 cr4 = e[Field::kHostCr4];
       return (e.limits.cr4_ones & ~cr4) != 0 || (cr4 & ~e.limits.cr4_may) != 0;
     }},
    {"host CR3 is a physical address", sdm::kCheckHostRegisters,
     [](V e) { return !e.fits(e[Field::kHostCr3]); }},
    {"host IA32_SYSENTER_ESP and EIP are canonical", sdm::kCheckHostRegisters,
     [](V e) {
       return !is_canonical(e[Field::kHostSysenterEsp]) || !is_canonical(e[Field::kHostSysenterEip]);
     }},
    {"host IA32_PERF_GLOBAL_CTRL to load has no reserved bits", sdm::kCheckHostRegisters,
     [](V e) {
       return (e.exit & exit_ctl::kLoadPerfGlobalCtrl) != 0 &&
              (e[Field::kHostPerfGlobalCtrl] & ~e.limits.perf_global_ctrl) != 0;
     }},
    {"host IA32_PAT to load has memory types that exist", sdm::kCheckHostRegisters,
     [](V e) { return (e.exit & exit_ctl::kLoadPat) != 0 && !valid_pat(e[Field::kHostPat]); }},
    {"host IA32_EFER to load has no reserved bits, and LMA and LME", sdm::kCheckHostRegisters,
     [](V e) {
       constexpr u64 kLong = 0x500;
       const u64 efer = e[Field::kHostEfer];
       return (e.exit & exit_ctl::kLoadEfer) != 0 &&
              ((efer & ~e.limits.efer) != 0 || (efer & kLong) != kLong);
     }},
    {"host selectors have RPL 0 and are of the GDT", sdm::kCheckHostSegments,
     [](V e) {
       for (unsigned n = 0; n < 7; ++n) {
         if ((e[nth(Field::kHostEsSelector, n)] & 7) != 0) return true;
       }
       return false;
     }},
    {"host CS and TR are not null", sdm::kCheckHostSegments,
     [](V e) { return e[nth(Field::kHostEsSelector, kVmxCs)] == 0 || e[Field::kHostTrSelector] == 0; }},
    {"host FS, GS, TR, GDTR and IDTR bases are canonical", sdm::kCheckHostSegments,
     [](V e) {
       for (unsigned n = 0; n < 5; ++n) {
         if (!is_canonical(e[nth(Field::kHostFsBase, n)])) return true;
       }
       return false;
     }},
    {"the host has CR4.PAE", sdm::kCheckHostSize, [](V e) { return (e[Field::kHostCr4] >> 5 & 1) == 0; }},
    {"host RIP is canonical", sdm::kCheckHostSize, [](V e) { return !is_canonical(e[Field::kHostRip]); }},
};

std::string_view table_of(std::span<const Check> checks) {
  if (checks.data() == control_checks().data()) return table::kControls;
  return checks.data() == host_checks().data() ? table::kHost : table::kGuest;
}

}  // namespace

std::span<const Check> control_checks() {
  return kControlChecks;
}
std::span<const Check> host_checks() {
  return kHostChecks;
}

const Check* first_broken(std::span<const Check> checks, const EntryView& view) {
  const std::string_view name = table_of(checks);
  for (const Check& check : checks) {
    if (looked_at(name, check.rule, check.broken(view))) return &check;
  }
  return nullptr;
}

}  // namespace lastbranch::vmx
