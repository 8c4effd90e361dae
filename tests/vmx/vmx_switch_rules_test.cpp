// Every rule of what VM entries load and VM exits save, load and clear: a crossing in which it acts, and one
// in which it does not, for the want of its control or because the entry fails first.
#include <gtest/gtest.h>

#include "models/vmx/switch_rules.h"
#include "tests/vmx/vmx_cases.h"
#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using F = Field;
constexpr u32 kDebugctl = 0x1d9, kPerfGlobalCtrl = 0x38f, kPat = 0x277, kLbrCtl = 0x14ce,
              kSysenterEip = 0x176;
constexpr u64 kNotCanonical = u64{1} << 47;
constexpr u64 kExit = 0x36ffb, kEntry = 0x13fb;  // the controls that are always 1

/// Entries that fail: by a check of the guest state (an exit), of the host state (VMfail).
const std::vector<Change> kGuestFails = {{F::kGuestRip, kNotCanonical}};
const std::vector<Change> kHostFails = {{F::kHostRip, kNotCanonical}};

using Action = void (*)(World&);
using Look = u64 (*)(World&);

void nothing(World&) {}
void by_cpuid(World& w) {
  w.vmx.instruction({.what = VmxSensitive::kCpuid, .length = 2});
}
void by_nmi(World& w) {
  w.vmx.event({.type = VmxEventType::kNmi, .vector = 2}, nullptr);
}

struct SwitchCase {
  std::string_view rule;
  std::vector<Change> set;      ///< of the VMCS before the entry
  Look look = nullptr;          ///< at what the row is about
  u64 acts = 0;                 ///< there when the row acts
  std::vector<Change> without;  ///< changed so that it does not
  u64 stays = 0;
  Action before = nothing;  ///< on the host
  Action guest = nothing;   ///< what the guest does
  Action leave = by_cpuid;
  VmxOptions options{};  ///< when it acts; the standard ones when not
};

constexpr Change entry_with(u32 bit) {
  return {F::kEntryControls, kEntry | bit};
}
constexpr Change exit_with(u32 bit) {
  return {F::kExitControls, kExit | bit};
}
constexpr Change kPlainEntry{F::kEntryControls, kEntry};
constexpr Change kPlainExit{F::kExitControls, kExit};
template <F field>
u64 in_vmcs(World& w) {
  return w.get(field);
}
template <u32 msr>
u64 in_msr(World& w) {
  return w.msrs.read(msr).value;
}
template <u64 VmxState::*member>
u64 in_state(World& w) {
  return w.processor.now.*member;
}

const std::vector<SwitchCase> kEntryCases = {
    {"CR0 is loaded, but for ET, CD, NW and what is reserved",
     {{F::kGuestCr0, 0xe0000021}, {F::kHostCr0, 0x80050033}},
     in_state<&VmxState::cr0>,
     0x80000031,
     kGuestFails,
     0x80050033},
    {"CR3 is loaded",
     {{F::kGuestCr3, 0x5000}, {F::kHostCr3, 0x6000}},
     in_state<&VmxState::cr3>,
     0x5000,
     kGuestFails,
     0x6000},
    {"CR4 is loaded", {{F::kGuestCr4, 0x2620}}, in_state<&VmxState::cr4>, 0x2620, kGuestFails, 0x26b0},
    {"DR7 is loaded by \"load debug controls\", its fixed bits as they have to be",
     {{F::kGuestDr7, 0xd2aa}},
     in_state<&VmxState::dr7>,
     0x6aa,
     {kPlainEntry},
     0x400},
    {"IA32_EFER is loaded by \"load IA32_EFER\"",
     {entry_with(entry_ctl::kLoadEfer), {F::kGuestEfer, 0xd01}},
     in_state<&VmxState::efer>,
     0xd01,
     {kPlainEntry},
     0x500},
    {"IA32_EFER.LMA and LME are set for a 64-bit guest if IA32_EFER is not loaded",
     {},
     in_state<&VmxState::efer>,
     0x501,
     {entry_with(entry_ctl::kLoadEfer)},
     0x500,
     [](World& w) { w.processor.now.efer = 1; }},
    {"segment registers are loaded, hidden parts included",
     {{nth(F::kGuestEsBase, kVmxFs), 0x1234}},
     [](World& w) { return w.processor.now.segment[kVmxFs].base; },
     0x1234,
     kGuestFails,
     0},
    {"GDTR and IDTR are loaded",
     {{F::kGuestGdtrBase, 0x1000}, {F::kGuestIdtrLimit, 0xfff}},
     [](World& w) { return w.processor.now.gdtr_base + w.processor.now.idtr_limit; },
     0x1fff,
     kGuestFails,
     0xffff},
    {"RSP, RIP and RFLAGS are loaded",
     {{F::kGuestRsp, 0x70000}, {F::kGuestRflags, 0x46}},
     [](World& w) { return w.processor.now.rsp + w.processor.now.rip + w.processor.now.rflags; },
     0x70000 + kGuestRipValue + 0x46,
     {{F::kGuestRflags, 0}},
     kHostRipValue + 2},
    {"the guest is halted if its activity state is HLT",
     {{F::kGuestActivity, 1}},
     [](World& w) { return u64{w.processor.now.halted}; },
     1,
     kGuestFails,
     0},
    {"blocking by STI, MOV SS and NMI is loaded",
     {{F::kGuestBlocking, 8}},
     [](World& w) { return u64{w.processor.now.blocking}; },
     8,
     kGuestFails,
     0},
    {"IA32_SYSENTER_CS, ESP and EIP are loaded",
     {{F::kGuestSysenterEip, 0x77}, {F::kHostSysenterEip, 0x66}},
     in_msr<kSysenterEip>,
     0x77,
     kGuestFails,
     0x66},
    {"IA32_PERF_GLOBAL_CTRL is loaded by its control",
     {entry_with(entry_ctl::kLoadPerfGlobalCtrl), {F::kGuestPerfGlobalCtrl, 3}},
     in_msr<kPerfGlobalCtrl>,
     3,
     {kPlainEntry},
     0},
    {"IA32_PAT is loaded by \"load IA32_PAT\"",
     {entry_with(entry_ctl::kLoadPat), {F::kGuestPat, 6}},
     in_msr<kPat>,
     6,
     {kPlainEntry},
     0},
    {"IA32_LBR_CTL is loaded by \"load guest IA32_LBR_CTL\"",
     {entry_with(entry_ctl::kLoadLbrCtl), {F::kGuestLbrCtl, 3}},
     in_msr<kLbrCtl>,
     3,
     {kPlainEntry},
     0},
    {"IA32_DEBUGCTL is loaded by \"load debug controls\"",
     {{F::kGuestDebugctl, 0x801}},
     in_msr<kDebugctl>,
     0x801,
     {kPlainEntry},
     0x41,
     [](World& w) { w.msrs.write(kDebugctl, 0x41); }},
    {.rule = "the entry itself is a last-branch record, by option",
     .set = {},
     .look = [](World& w) { return w.branches.seen.size(); },
     .acts = 1,
     .without = {},
     .options = {.record_entry = true}},
    {"an event is injected if the interruption information is valid: its delivery is one record",
     {{F::kEntryEvent, 0x80000306}},
     [](World& w) { return u64{w.processor.injected.size()}; },
     1,
     {{F::kEntryEvent, 0x306}},
     0},
    {"a pending debug exception is raised if no event is injected",
     {{F::kGuestPendingDebug, 0x5001}},
     [](World& w) { return w.processor.debug; },
     0x4001,
     {{F::kEntryEvent, 0x80000306}},
     0},
};

/// What the guest leaves behind, other than what the VMCS had.
void change_all(World& w) {
  VmxState& s = w.processor.now;
  s.cr3 = 0x7000;
  s.dr7 = 0x4aa;
  s.efer = 0xd01;
  s.rsp = 0x7f00;
  s.gdtr_base = 0x1230;
  s.segment[kVmxGs].base = 0x4560;
  s.halted = true;
  s.blocking = vmx_block::kNmi;
  w.msrs.write(kDebugctl, 0xffc3);
  w.msrs.write(kLbrCtl, 0x10003);
  w.msrs.write(kPat, 1);
  w.msrs.write(kSysenterEip, 0x55);
}

const std::vector<SwitchCase> kSaveCases = {
    {"CR0, CR3 and CR4 are saved", {}, in_vmcs<F::kGuestCr3>, 0x7000, kGuestFails, 0},
    {"DR7 is saved by \"save debug controls\"",
     {exit_with(exit_ctl::kSaveDebug)},
     in_vmcs<F::kGuestDr7>,
     0x4aa,
     {kPlainExit},
     0x400},
    {"IA32_DEBUGCTL is saved by \"save debug controls\"",
     {exit_with(exit_ctl::kSaveDebug)},
     in_vmcs<F::kGuestDebugctl>,
     0xffc3,
     {kPlainExit},
     0},
    {"IA32_SYSENTER_CS, ESP and EIP are saved", {}, in_vmcs<F::kGuestSysenterEip>, 0x55, kGuestFails, 0},
    {"IA32_PAT is saved by \"save IA32_PAT\"",
     {exit_with(exit_ctl::kSavePat), {F::kGuestPat, 6}},
     in_vmcs<F::kGuestPat>,
     1,
     {kPlainExit},
     6},
    {"IA32_EFER is saved by \"save IA32_EFER\"",
     {exit_with(exit_ctl::kSaveEfer)},
     in_vmcs<F::kGuestEfer>,
     0xd01,
     {kPlainExit},
     0x500},
    {"IA32_LBR_CTL is saved if the exit clears it or the entry loaded it",
     {exit_with(exit_ctl::kClearLbrCtl)},
     in_vmcs<F::kGuestLbrCtl>,
     0x10003,
     {kPlainExit},
     0},
    {"segment registers are saved, hidden parts included",
     {},
     in_vmcs<nth(F::kGuestEsBase, kVmxGs)>,
     0x4560,
     kGuestFails,
     0},
    {"GDTR and IDTR are saved", {}, in_vmcs<F::kGuestGdtrBase>, 0x1230, kGuestFails, 0},
    {"RSP, RIP and RFLAGS are saved",
     {{F::kGuestRsp, 0x7000}},
     in_vmcs<F::kGuestRsp>,
     0x7f00,
     kGuestFails,
     0x7000},
    {"the activity state is saved", {}, in_vmcs<F::kGuestActivity>, 1, kGuestFails, 0},
    {"blocking by STI, MOV SS and NMI is saved", {}, in_vmcs<F::kGuestBlocking>, 8, kGuestFails, 0},
    {"no debug exception is left pending",
     {{F::kGuestPendingDebug, 0x400f}},
     in_vmcs<F::kGuestPendingDebug>,
     0,
     kGuestFails,
     0x400f},
    {.rule = "the exit itself is a last-branch record, by option",
     .set = {},
     .look = [](World& w) { return w.branches.seen.size(); },
     .acts = 1,
     .without = {},
     .options = {.record_exit = true}},
};

const std::vector<SwitchCase> kHostCases = {
    {"CR0 is loaded, but for ET, CD, NW and what is reserved",
     {{F::kHostCr0, 0xe0000021}},
     in_state<&VmxState::cr0>,
     0x80000031,
     kHostFails,
     0x80050033},
    {"CR3 is loaded", {{F::kHostCr3, 0x6000}}, in_state<&VmxState::cr3>, 0x6000, kHostFails, 0},
    {"CR4 is loaded", {{F::kHostCr4, 0x2020}}, in_state<&VmxState::cr4>, 0x2020, kHostFails, 0x26b0},
    {"DR7 is set to 400H",
     {{F::kGuestDr7, 0x4aa}},
     in_state<&VmxState::dr7>,
     0x400,
     kHostFails,
     0x455,
     [](World& w) { w.processor.now.dr7 = 0x455; }},
    {"IA32_DEBUGCTL is cleared: no more records",
     {{F::kGuestDebugctl, 0x801}},
     in_msr<kDebugctl>,
     0,
     kHostFails,
     0x41,
     [](World& w) { w.msrs.write(kDebugctl, 0x41); }},
    {"IA32_LBR_CTL is cleared by \"clear IA32_LBR_CTL\"",
     {exit_with(exit_ctl::kClearLbrCtl)},
     in_msr<kLbrCtl>,
     0,
     {kPlainExit},
     3,
     [](World& w) { w.msrs.write(kLbrCtl, 3); }},
    {"IA32_EFER is loaded by \"load IA32_EFER\"",
     {exit_with(exit_ctl::kLoadEfer), {F::kHostEfer, 0xd01}},
     in_state<&VmxState::efer>,
     0xd01,
     {kPlainExit},
     0x500},
    {"IA32_EFER.LMA and LME are set for a 64-bit host if IA32_EFER is not loaded",
     {},
     in_state<&VmxState::efer>,
     0x501,
     {exit_with(exit_ctl::kLoadEfer)},
     0x500,
     nothing,
     [](World& w) { w.processor.now.efer = 1; }},
    {"segment registers get the host's selectors and FS, GS and TR bases, else fixed hidden parts",
     {{F::kHostGsBase, 0x1234}},
     [](World& w) { return w.processor.now.segment[kVmxGs].base; },
     0x1234,
     kHostFails,
     0},
    {"GDTR and IDTR get the host's bases and limit FFFFH",
     {{F::kHostGdtrBase, 0x1000}},
     [](World& w) { return w.processor.now.gdtr_base + w.processor.now.idtr_limit; },
     0x10fff,
     kHostFails,
     0},
    {"RSP and RIP are loaded, RFLAGS is 2",
     {{F::kHostRsp, 0x70000}},
     [](World& w) { return w.processor.now.rsp + w.processor.now.rip + w.processor.now.rflags; },
     0x70000 + kHostRipValue + 2,
     kHostFails,
     0x100 + 2},
    {"the processor is active",
     {},
     [](World& w) { return u64{w.processor.now.halted}; },
     0,
     kHostFails,
     1,
     [](World& w) { w.processor.now.halted = true; }},
    {"nothing is blocked by STI or MOV SS",
     {},
     [](World& w) { return u64{w.processor.now.blocking}; },
     0,
     kHostFails,
     vmx_block::kSti,
     [](World& w) { w.processor.now.blocking = vmx_block::kSti; }},
    {"NMIs are blocked behind an exit by one",
     {{F::kPinControls, 0x16 | pin::kNmi}},
     [](World& w) { return u64{w.processor.now.blocking}; },
     vmx_block::kNmi,
     {{F::kPinControls, 0x16}},
     0,
     nothing,
     nothing,
     // Without NMI exiting the NMI is the guest's; what leaves then is CPUID.
     [](World& w) {
       by_nmi(w);
       if (w.processor.guest) by_cpuid(w);
     }},
    {"NMIs that were blocked stay so",
     {{F::kGuestBlocking, vmx_block::kNmi}},
     [](World& w) { return u64{w.processor.now.blocking}; },
     vmx_block::kNmi,
     {{F::kPinControls, 0x16 | pin::kNmi | pin::kVirtualNmis}},
     0},
    {"IA32_SYSENTER_CS, ESP and EIP are loaded",
     {{F::kHostSysenterEip, 0x66}},
     in_msr<kSysenterEip>,
     0x66,
     kHostFails,
     0},
    {"IA32_PERF_GLOBAL_CTRL is loaded by its control",
     {exit_with(exit_ctl::kLoadPerfGlobalCtrl), {F::kHostPerfGlobalCtrl, 3}},
     in_msr<kPerfGlobalCtrl>,
     3,
     {kPlainExit},
     1,
     [](World& w) { w.msrs.write(kPerfGlobalCtrl, 1); }},
    {"IA32_PAT is loaded by \"load IA32_PAT\"",
     {exit_with(exit_ctl::kLoadPat), {F::kHostPat, 6}},
     in_msr<kPat>,
     6,
     {kPlainExit},
     1,
     [](World& w) { w.msrs.write(kPat, 1); }},
};

/// Across into the guest and, for rows of exits, back.
u64 play(const SwitchCase& c, bool exits, Action guest, bool acts) {
  World world(acts ? c.options : VmxOptions{});
  apply(world, c.set);
  if (!acts) apply(world, c.without);
  c.before(world);
  world.launch();
  if (exits && world.processor.guest) {
    guest(world);
    c.leave(world);
    EXPECT_FALSE(world.processor.guest) << c.rule;
  }
  return c.look(world);
}

void add(std::vector<RuleCase>& all, std::string_view table, const std::vector<SwitchCase>& cases) {
  const bool exits = table != table::kEntry;
  for (const SwitchCase& c : cases) {
    const Action guest = table == table::kSave ? change_all : c.guest;
    all.push_back({table, c.rule, [&c, exits, guest] { EXPECT_EQ(play(c, exits, guest, true), c.acts); },
                   [&c, exits, guest] { EXPECT_EQ(play(c, exits, guest, false), c.stays); }});
  }
}

}  // namespace

std::vector<RuleCase> switch_cases() {
  std::vector<RuleCase> all;
  add(all, table::kEntry, kEntryCases);
  add(all, table::kSave, kSaveCases);
  add(all, table::kLoad, kHostCases);
  return all;
}

namespace {

TEST(VmxSwitchRules, act_where_they_should_and_nowhere_else) {
  for (const RuleCase& c : switch_cases()) {
    SCOPED_TRACE(std::string(c.table) + ": " + std::string(c.rule));
    c.decides();
    c.does_not();
  }
}

TEST(VmxSwitchRules, records_of_crossings_have_both_addresses) {
  World world({.record_entry = true, .record_exit = true});
  world.launch();
  world.processor.now.rip = 0x8100;
  by_cpuid(world);
  const std::vector<std::pair<u64, u64>> expected = {{0x100, kGuestRipValue}, {0x8100, kHostRipValue}};
  EXPECT_EQ(world.branches.seen, expected);
}

}  // namespace
}  // namespace lastbranch::vmx::test
