#include "models/vmx/switch_rules.h"

#include "models/vmx/sources.h"

namespace lastbranch::vmx {
namespace {

using F = Field;
using C = Crossing;
using enum Stage;

constexpr u32 kSysenterCs = 0x174, kSysenterEsp = 0x175, kSysenterEip = 0x176, kDebugctl = 0x1d9,
              kPat = 0x277, kPerfGlobalCtrl = 0x38f, kLbrCtl = 0x14ce;
constexpr u64 kDr7Zero = 0xd000, kDr7One = 0x400;
constexpr u64 kLong = 0x500;  // EFER.LME and LMA
constexpr u64 kDr6 = 0x400f;  // of the pending debug exceptions, what DR6 has too
constexpr u32 kValid = 1u << 31, kHasError = 1u << 11;
/// CR0: what neither an entry nor an exit changes: reserved bits, ET, CD, NW.
constexpr u64 kCr0Kept = 0xffff'ffff'7ffa'ffd0;

bool always(const C&) {
  return true;
}
template <u32 bit>
bool entry_has(const C& c) {
  return (c.entry & bit) != 0;
}
template <u32 bit>
bool exit_has(const C& c) {
  return (c.exit & bit) != 0;
}

u64 cr0(const C& c, F field) {
  return (c.state.cr0 & kCr0Kept) | (c.v.read(field) & ~kCr0Kept);
}
template <u32 msr, F field>
void load(C& c) {
  c.msrs.write(msr, c.v.read(field));
}
template <u32 msr, F field>
void save(C& c) {
  c.v.write(field, c.msrs.read(msr).value);
}

bool records_entry(const C& c) {
  return c.options.record_entry && c.branches != nullptr;
}
bool records_exit(const C& c) {
  return c.options.record_exit && c.branches != nullptr;
}
bool injects(const C& c) {
  return (c.v.read32(F::kEntryEvent) & kValid) != 0;
}
void inject(C& c) {
  const u32 event = c.v.read32(F::kEntryEvent);
  c.processor.inject({.type = static_cast<VmxEventType>(event >> 8 & 7),
                      .vector = static_cast<u8>(event),
                      .has_error = (event & kHasError) != 0,
                      .error = c.v.read32(F::kEntryError),
                      .length = c.v.read32(F::kEntryLength)});
}

void load_segments(C& c) {
  for (unsigned n = 0; n < c.state.segment.size(); ++n) {
    c.state.segment[n] = {static_cast<u16>(c.v.read(nth(F::kGuestEsSelector, n))),
                          c.v.read(nth(F::kGuestEsBase, n)), c.v.read32(nth(F::kGuestEsLimit, n)),
                          c.v.read32(nth(F::kGuestEsRights, n))};
  }
}
void load_tables(C& c) {
  c.state.gdtr_base = c.v.read(F::kGuestGdtrBase);
  c.state.gdtr_limit = c.v.read32(F::kGuestGdtrLimit);
  c.state.idtr_base = c.v.read(F::kGuestIdtrBase);
  c.state.idtr_limit = c.v.read32(F::kGuestIdtrLimit);
}
void load_flow(C& c) {
  c.state.rsp = c.v.read(F::kGuestRsp);
  c.state.rip = c.v.read(F::kGuestRip);
  c.state.rflags = c.v.read(F::kGuestRflags);
}
void load_sysenter(C& c) {
  load<kSysenterCs, F::kGuestSysenterCs>(c);
  load<kSysenterEsp, F::kGuestSysenterEsp>(c);
  load<kSysenterEip, F::kGuestSysenterEip>(c);
}

constexpr SwitchRule kEntryRules[] = {
    {"CR0 is loaded, but for ET, CD, NW and what is reserved", sdm::kLoadRegisters, kState, always,
     [](C& c) { c.state.cr0 = cr0(c, F::kGuestCr0); }},
    {"CR3 is loaded", sdm::kLoadRegisters, kState, always,
     [](C& c) { c.state.cr3 = c.v.read(F::kGuestCr3); }},
    {"CR4 is loaded", sdm::kLoadRegisters, kState, always,
     [](C& c) { c.state.cr4 = c.v.read(F::kGuestCr4); }},
    {"DR7 is loaded by \"load debug controls\", its fixed bits as they have to be", sdm::kLoadRegisters,
     kState, entry_has<entry_ctl::kLoadDebug>,
     [](C& c) { c.state.dr7 = (c.v.read(F::kGuestDr7) & ~kDr7Zero) | kDr7One; }},
    {"IA32_EFER is loaded by \"load IA32_EFER\"", sdm::kLoadRegisters, kState,
     entry_has<entry_ctl::kLoadEfer>, [](C& c) { c.state.efer = c.v.read(F::kGuestEfer); }},
    {"IA32_EFER.LMA and LME are set for a 64-bit guest if IA32_EFER is not loaded", sdm::kLoadRegisters,
     kState, [](const C& c) { return !entry_has<entry_ctl::kLoadEfer>(c); },
     [](C& c) { c.state.efer |= kLong; }},
    {"segment registers are loaded, hidden parts included", sdm::kLoadSegments, kState, always,
     load_segments},
    {"GDTR and IDTR are loaded", sdm::kLoadSegments, kState, always, load_tables},
    {"RSP, RIP and RFLAGS are loaded", sdm::kLoadFlow, kState, always, load_flow},
    {"the guest is halted if its activity state is HLT", sdm::kEntryActivity, kState, always,
     [](C& c) { c.state.halted = c.v.read(F::kGuestActivity) == 1; }},
    {"blocking by STI, MOV SS and NMI is loaded", sdm::kEntryBlocking, kState, always,
     [](C& c) { c.state.blocking = c.v.read32(F::kGuestBlocking); }},
    {"IA32_SYSENTER_CS, ESP and EIP are loaded", sdm::kLoadRegisters, kRegisters, always, load_sysenter},
    {"IA32_PERF_GLOBAL_CTRL is loaded by its control", sdm::kLoadRegisters, kRegisters,
     entry_has<entry_ctl::kLoadPerfGlobalCtrl>, load<kPerfGlobalCtrl, F::kGuestPerfGlobalCtrl>},
    {"IA32_PAT is loaded by \"load IA32_PAT\"", sdm::kLoadRegisters, kRegisters,
     entry_has<entry_ctl::kLoadPat>, load<kPat, F::kGuestPat>},
    {"IA32_LBR_CTL is loaded by \"load guest IA32_LBR_CTL\"", sdm::kLoadRegisters, kRegisters,
     entry_has<entry_ctl::kLoadLbrCtl>, load<kLbrCtl, F::kGuestLbrCtl>},
    {"IA32_DEBUGCTL is loaded by \"load debug controls\"", sdm::kLoadRegisters, kRegisters,
     entry_has<entry_ctl::kLoadDebug>, load<kDebugctl, F::kGuestDebugctl>},
    {"the entry itself is a last-branch record, by option", sdm::kRecords, kEnd, records_entry,
     [](C& c) { c.branches->far_branch(BranchKind::kFar, c.from, c.v.read(F::kGuestRip), 0, 0); }},
    {"an event is injected if the interruption information is valid: its delivery is one record",
     sdm::kInjection, kEnd, injects, inject},
    {"a pending debug exception is raised if no event is injected", sdm::kPendingDebug, kEnd,
     [](const C& c) { return !injects(c) && c.v.read(F::kGuestPendingDebug) != 0; },
     [](C& c) { c.processor.raise_debug(c.v.read(F::kGuestPendingDebug) & kDr6); }},
};

void save_control_registers(C& c) {
  c.v.write(F::kGuestCr0, c.state.cr0);
  c.v.write(F::kGuestCr3, c.state.cr3);
  c.v.write(F::kGuestCr4, c.state.cr4);
}
void save_flow(C& c) {
  c.v.write(F::kGuestRsp, c.state.rsp);
  c.v.write(F::kGuestRip, c.state.rip);
  c.v.write(F::kGuestRflags, c.state.rflags);
}
void save_sysenter(C& c) {
  save<kSysenterCs, F::kGuestSysenterCs>(c);
  save<kSysenterEsp, F::kGuestSysenterEsp>(c);
  save<kSysenterEip, F::kGuestSysenterEip>(c);
}
void save_segments(C& c) {
  for (unsigned n = 0; n < c.state.segment.size(); ++n) {
    c.v.write(nth(F::kGuestEsSelector, n), c.state.segment[n].selector);
    c.v.write(nth(F::kGuestEsBase, n), c.state.segment[n].base);
    c.v.write(nth(F::kGuestEsLimit, n), c.state.segment[n].limit);
    c.v.write(nth(F::kGuestEsRights, n), c.state.segment[n].rights);
  }
}
void save_tables(C& c) {
  c.v.write(F::kGuestGdtrBase, c.state.gdtr_base);
  c.v.write(F::kGuestGdtrLimit, c.state.gdtr_limit);
  c.v.write(F::kGuestIdtrBase, c.state.idtr_base);
  c.v.write(F::kGuestIdtrLimit, c.state.idtr_limit);
}

constexpr SwitchRule kSaveRules[] = {
    {"CR0, CR3 and CR4 are saved", sdm::kSaveRegisters, kState, always, save_control_registers},
    {"DR7 is saved by \"save debug controls\"", sdm::kSaveRegisters, kState, exit_has<exit_ctl::kSaveDebug>,
     [](C& c) { c.v.write(F::kGuestDr7, c.state.dr7); }},
    {"IA32_DEBUGCTL is saved by \"save debug controls\"", sdm::kSaveRegisters, kState,
     exit_has<exit_ctl::kSaveDebug>, save<kDebugctl, F::kGuestDebugctl>},
    {"IA32_SYSENTER_CS, ESP and EIP are saved", sdm::kSaveRegisters, kState, always, save_sysenter},
    {"IA32_PAT is saved by \"save IA32_PAT\"", sdm::kSaveRegisters, kState, exit_has<exit_ctl::kSavePat>,
     save<kPat, F::kGuestPat>},
    {"IA32_EFER is saved by \"save IA32_EFER\"", sdm::kSaveRegisters, kState, exit_has<exit_ctl::kSaveEfer>,
     [](C& c) { c.v.write(F::kGuestEfer, c.state.efer); }},
    {"IA32_LBR_CTL is saved if the exit clears it or the entry loaded it", sdm::kSaveRegisters, kState,
     [](const C& c) { return exit_has<exit_ctl::kClearLbrCtl>(c) || entry_has<entry_ctl::kLoadLbrCtl>(c); },
     save<kLbrCtl, F::kGuestLbrCtl>},
    {"segment registers are saved, hidden parts included", sdm::kSaveSegments, kState, always, save_segments},
    {"GDTR and IDTR are saved", sdm::kSaveSegments, kState, always, save_tables},
    {"RSP, RIP and RFLAGS are saved", sdm::kSaveFlow, kState, always, save_flow},
    {"the activity state is saved", sdm::kSaveOther, kState, always,
     [](C& c) { c.v.write(F::kGuestActivity, c.state.halted ? 1 : 0); }},
    {"blocking by STI, MOV SS and NMI is saved", sdm::kSaveOther, kState, always,
     [](C& c) { c.v.write(F::kGuestBlocking, c.state.blocking); }},
    {"no debug exception is left pending", sdm::kSaveOther, kState, always,
     [](C& c) { c.v.write(F::kGuestPendingDebug, 0); }},
    {"the exit itself is a last-branch record, by option", sdm::kRecords, kEnd, records_exit,
     [](C& c) { c.branches->far_branch(BranchKind::kFar, c.from, c.v.read(F::kHostRip), 0, 0); }},
};

void host_segments(C& c) {
  constexpr u32 kCodeRights = 0xa09b, kDataRights = 0xc093, kTssRights = 0x8b, kUnusable = 1u << 16;
  for (unsigned n = 0; n <= kVmxGs; ++n) {
    const u16 selector = static_cast<u16>(c.v.read(nth(F::kHostEsSelector, n)));
    const u32 data = selector == 0 ? kUnusable : kDataRights;
    c.state.segment[n] = {selector, 0, 0xffffffff, n == kVmxCs ? kCodeRights : data};
  }
  c.state.segment[kVmxFs].base = c.v.read(F::kHostFsBase);
  c.state.segment[kVmxGs].base = c.v.read(F::kHostGsBase);
  c.state.segment[kVmxLdtr] = {0, 0, 0, kUnusable};
  c.state.segment[kVmxTr] = {static_cast<u16>(c.v.read(F::kHostTrSelector)), c.v.read(F::kHostTrBase), 0x67,
                             kTssRights};
}
void host_tables(C& c) {
  c.state.gdtr_base = c.v.read(F::kHostGdtrBase);
  c.state.idtr_base = c.v.read(F::kHostIdtrBase);
  c.state.gdtr_limit = c.state.idtr_limit = 0xffff;
}
void host_flow(C& c) {
  c.state.rsp = c.v.read(F::kHostRsp);
  c.state.rip = c.v.read(F::kHostRip);
  c.state.rflags = 2;
}
void host_sysenter(C& c) {
  load<kSysenterCs, F::kHostSysenterCs>(c);
  load<kSysenterEsp, F::kHostSysenterEsp>(c);
  load<kSysenterEip, F::kHostSysenterEip>(c);
}
bool by_nmi(const C& c) {
  const u32 event = c.v.read32(F::kExitEvent);
  return c.v.read32(F::kExitReason) == static_cast<u32>(Reason::kException) && (event & kValid) != 0 &&
         static_cast<VmxEventType>(event >> 8 & 7) == VmxEventType::kNmi;
}

constexpr SwitchRule kHostRules[] = {
    {"CR0 is loaded, but for ET, CD, NW and what is reserved", sdm::kHostRegisters, kState, always,
     [](C& c) { c.state.cr0 = cr0(c, F::kHostCr0); }},
    {"CR3 is loaded", sdm::kHostRegisters, kState, always, [](C& c) { c.state.cr3 = c.v.read(F::kHostCr3); }},
    {"CR4 is loaded", sdm::kHostRegisters, kState, always, [](C& c) { c.state.cr4 = c.v.read(F::kHostCr4); }},
    {"DR7 is set to 400H", sdm::kHostRegisters, kState, always, [](C& c) { c.state.dr7 = kDr7One; }},
    {"IA32_DEBUGCTL is cleared: no more records", sdm::kHostRegisters, kState, always,
     [](C& c) { c.msrs.write(kDebugctl, 0); }},
    {"IA32_LBR_CTL is cleared by \"clear IA32_LBR_CTL\"", sdm::kHostRegisters, kState,
     exit_has<exit_ctl::kClearLbrCtl>, [](C& c) { c.msrs.write(kLbrCtl, 0); }},
    {"IA32_EFER is loaded by \"load IA32_EFER\"", sdm::kHostRegisters, kState, exit_has<exit_ctl::kLoadEfer>,
     [](C& c) { c.state.efer = c.v.read(F::kHostEfer); }},
    {"IA32_EFER.LMA and LME are set for a 64-bit host if IA32_EFER is not loaded", sdm::kHostRegisters,
     kState, [](const C& c) { return !exit_has<exit_ctl::kLoadEfer>(c); },
     [](C& c) { c.state.efer |= kLong; }},
    {"segment registers get the host's selectors and FS, GS and TR bases, else fixed hidden parts",
     sdm::kHostSegments, kState, always, host_segments},
    {"GDTR and IDTR get the host's bases and limit FFFFH", sdm::kHostSegments, kState, always, host_tables},
    {"RSP and RIP are loaded, RFLAGS is 2", sdm::kHostFlow, kState, always, host_flow},
    {"the processor is active", sdm::kHostOther, kState, always, [](C& c) { c.state.halted = false; }},
    {"nothing is blocked by STI or MOV SS", sdm::kHostOther, kState, always,
     [](C& c) { c.state.blocking = 0; }},
    {"NMIs are blocked behind an exit by one", sdm::kHostOther, kState, by_nmi,
     [](C& c) { c.state.blocking = vmx_block::kNmi; }},
    {"NMIs that were blocked stay so", sdm::kHostOther, kState, [](const C& c) { return c.nmi_blocked; },
     [](C& c) { c.state.blocking = vmx_block::kNmi; }},
    {"IA32_SYSENTER_CS, ESP and EIP are loaded", sdm::kHostRegisters, kRegisters, always, host_sysenter},
    {"IA32_PERF_GLOBAL_CTRL is loaded by its control", sdm::kHostRegisters, kRegisters,
     exit_has<exit_ctl::kLoadPerfGlobalCtrl>, load<kPerfGlobalCtrl, F::kHostPerfGlobalCtrl>},
    {"IA32_PAT is loaded by \"load IA32_PAT\"", sdm::kHostRegisters, kRegisters, exit_has<exit_ctl::kLoadPat>,
     load<kPat, F::kHostPat>},
};

}  // namespace

std::span<const SwitchRule> entry_rules() {
  return kEntryRules;
}
std::span<const SwitchRule> save_rules() {
  return kSaveRules;
}
std::span<const SwitchRule> host_rules() {
  return kHostRules;
}

void cross(std::string_view table, std::span<const SwitchRule> rules, Stage stage, Crossing& crossing) {
  for (const SwitchRule& row : rules) {
    if (row.stage == stage && looked_at(table, row.rule, row.when(crossing))) row.act(crossing);
  }
}

}  // namespace lastbranch::vmx
