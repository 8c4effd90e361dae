#include "models/vmx/controls.h"

#include "models/vmx/sources.h"

namespace lastbranch::vmx {
namespace {

using enum Setting;

constexpr ControlDef kControls[] = {
    {Word::kPin, 0, kEither, "external-interrupt exiting", sdm::kPinControls},
    {Word::kPin, 1, kAlways1, "reserved", sdm::kReserved},
    {Word::kPin, 2, kAlways1, "reserved", sdm::kReserved},
    {Word::kPin, 3, kEither, "NMI exiting", sdm::kPinControls},
    {Word::kPin, 4, kAlways1, "reserved", sdm::kReserved},
    {Word::kPin, 5, kEither, "virtual NMIs", sdm::kPinControls},

    {Word::kProc, 1, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 2, kEither, "interrupt-window exiting", sdm::kProcControls},
    {Word::kProc, 4, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 5, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 6, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 7, kEither, "HLT exiting", sdm::kProcControls},
    {Word::kProc, 8, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 9, kEither, "INVLPG exiting", sdm::kProcControls},
    {Word::kProc, 11, kEither, "RDPMC exiting", sdm::kProcControls},
    {Word::kProc, 12, kEither, "RDTSC exiting", sdm::kProcControls},
    {Word::kProc, 13, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 14, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 15, kDefault1, "CR3-load exiting", sdm::kProcControls},
    {Word::kProc, 16, kDefault1, "CR3-store exiting", sdm::kProcControls},
    {Word::kProc, 19, kEither, "CR8-load exiting", sdm::kProcControls},
    {Word::kProc, 20, kEither, "CR8-store exiting", sdm::kProcControls},
    {Word::kProc, 22, kEither, "NMI-window exiting", sdm::kProcControls},
    {Word::kProc, 23, kEither, "MOV-DR exiting", sdm::kProcControls},
    {Word::kProc, 24, kEither, "unconditional I/O exiting", sdm::kProcControls},
    {Word::kProc, 25, kEither, "use I/O bitmaps", sdm::kProcControls},
    {Word::kProc, 26, kAlways1, "reserved", sdm::kReserved},
    {Word::kProc, 28, kEither, "use MSR bitmaps", sdm::kProcControls},

    {Word::kExit, 0, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 1, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 2, kDefault1, "save debug controls", sdm::kExitControls},
    {Word::kExit, 3, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 4, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 5, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 6, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 7, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 8, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 9, kAlways1, "host address-space size", sdm::kExitControls},
    {Word::kExit, 10, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 11, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 12, kEither, "load IA32_PERF_GLOBAL_CTRL", sdm::kExitControls, &Features::perf_global_ctrl},
    {Word::kExit, 13, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 14, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 15, kEither, "acknowledge interrupt on exit", sdm::kExitControls},
    {Word::kExit, 16, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 17, kAlways1, "reserved", sdm::kReserved},
    {Word::kExit, 18, kEither, "save IA32_PAT", sdm::kExitControls},
    {Word::kExit, 19, kEither, "load IA32_PAT", sdm::kExitControls},
    {Word::kExit, 20, kEither, "save IA32_EFER", sdm::kExitControls},
    {Word::kExit, 21, kEither, "load IA32_EFER", sdm::kExitControls},
    {Word::kExit, 26, kEither, "clear IA32_LBR_CTL", sdm::kExitControls, &Features::arch_lbr},

    {Word::kEntry, 0, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 1, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 2, kDefault1, "load debug controls", sdm::kEntryControls},
    {Word::kEntry, 3, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 4, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 5, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 6, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 7, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 8, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 9, kAlways1, "IA-32e mode guest", sdm::kEntryControls},
    {Word::kEntry, 12, kAlways1, "reserved", sdm::kReserved},
    {Word::kEntry, 13, kEither, "load IA32_PERF_GLOBAL_CTRL", sdm::kEntryControls,
     &Features::perf_global_ctrl},
    {Word::kEntry, 14, kEither, "load IA32_PAT", sdm::kEntryControls},
    {Word::kEntry, 15, kEither, "load IA32_EFER", sdm::kEntryControls},
    {Word::kEntry, 21, kEither, "load guest IA32_LBR_CTL", sdm::kEntryControls, &Features::arch_lbr},
};

}  // namespace

std::span<const ControlDef> controls() {
  return kControls;
}

Allowed allowed(Word word, const Features& features, bool old) {
  Allowed a;
  for (const ControlDef& d : kControls) {
    if (d.word != word || (d.needs != nullptr && !(features.*d.needs))) continue;
    const u32 bit = u32{1} << d.bit;
    a.may |= bit;
    if (d.setting == kAlways1 || (old && d.setting == kDefault1)) a.ones |= bit;
  }
  return a;
}

}  // namespace lastbranch::vmx
