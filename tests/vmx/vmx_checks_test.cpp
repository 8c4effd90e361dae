// Every rule of VM entry: a VMCS that breaks it and nothing before it, and one that comes near and does not.
#include <set>

#include <gtest/gtest.h>

#include "tests/vmx/vmx_cases.h"
#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using F = Field;

constexpr u64 kHigh = u64{1} << 39, kNotCanonical = u64{1} << 47;
constexpr u64 kPin = 0x16, kProc = 0x4006172, kExit = 0x36ffb | 4, kEntry = 0x13fb | 4;
constexpr Field rights(unsigned n) {
  return nth(F::kGuestEsRights, n);
}
constexpr Field selector(unsigned n) {
  return nth(F::kGuestEsSelector, n);
}
constexpr Field base(unsigned n) {
  return nth(F::kGuestEsBase, n);
}
constexpr Field limit(unsigned n) {
  return nth(F::kGuestEsLimit, n);
}

struct Case {
  std::string_view rule;
  std::vector<Change> breaks, holds;
};

const std::vector<Case> kControlCases = {
    {"pin-based controls are among those the capability MSR allows",
     {{F::kPinControls, kPin | 1 << 6}},
     {{F::kPinControls, kPin | 1}}},
    {"processor-based controls are among those the capability MSR allows",
     {{F::kProcControls, 0}},
     {{F::kProcControls, kProc | 1 << 7}}},
    {"there are at most four CR3-target values", {{F::kCr3TargetCount, 5}}, {{F::kCr3TargetCount, 4}}},
    {"I/O bitmaps that are used are pages of physical memory",
     {{F::kProcControls, kProc | proc::kIoBitmaps}, {F::kIoBitmapB, 0x5008}},
     {{F::kIoBitmapB, 0x5008}}},
    {"MSR bitmaps that are used are a page of physical memory",
     {{F::kProcControls, kProc | proc::kMsrBitmaps}, {F::kMsrBitmap, kHigh}},
     {{F::kMsrBitmap, kHigh}}},
    {"virtual NMIs need NMI exiting",
     {{F::kPinControls, kPin | pin::kVirtualNmis}},
     {{F::kPinControls, kPin | pin::kVirtualNmis | pin::kNmi}}},
    {"NMI-window exiting needs virtual NMIs",
     {{F::kProcControls, kProc | proc::kNmiWindow}},
     {{F::kProcControls, kProc | proc::kNmiWindow}, {F::kPinControls, kPin | pin::kVirtualNmis | pin::kNmi}}},
    {"VM-exit controls are among those the capability MSR allows",
     {{F::kExitControls, kExit & ~u64{exit_ctl::kHost64}}},
     {{F::kExitControls, kExit & ~u64{exit_ctl::kSaveDebug}}}},
    {"a VM-exit MSR-store list is aligned and in physical memory",
     {{F::kExitMsrStore, 8}, {F::kExitMsrStoreCount, 1}},
     {{F::kExitMsrStore, 8}}},
    {"a VM-exit MSR-load list is aligned and in physical memory",
     {{F::kExitMsrLoad, kHigh - 16}, {F::kExitMsrLoadCount, 2}},
     {{F::kExitMsrLoad, kHigh - 16}, {F::kExitMsrLoadCount, 1}}},
    {"VM-entry controls are among those the capability MSR allows",
     {{F::kEntryControls, kEntry & ~u64{entry_ctl::kGuest64}}},
     {{F::kEntryControls, kEntry & ~u64{entry_ctl::kLoadDebug}}}},
    {"an injected event is of a type that exists", {{F::kEntryEvent, 0x80000120}}, {{F::kEntryEvent, 0x120}}},
    {"an injected NMI has vector 2", {{F::kEntryEvent, 0x80000203}}, {{F::kEntryEvent, 0x80000202}}},
    {"an injected hardware exception has a vector below 32",
     {{F::kEntryEvent, 0x80000320}},
     {{F::kEntryEvent, 0x80000306}}},
    {"an error code is delivered exactly with hardware exceptions that have one",
     {{F::kEntryEvent, 0x8000030d}},
     {{F::kEntryEvent, 0x80000b0d}}},
    {"reserved bits of the interruption information are 0",
     {{F::kEntryEvent, 0x80001306}},
     {{F::kEntryEvent, 0x1306}}},
    {"an error code to deliver has no bits above 15",
     {{F::kEntryEvent, 0x80000b0d}, {F::kEntryError, 0x10000}},
     {{F::kEntryEvent, 0x80000b0d}, {F::kEntryError, 0xffff}}},
    {"an injected software event has an instruction of 1 to 15 bytes",
     {{F::kEntryEvent, 0x80000420}},
     {{F::kEntryEvent, 0x80000420}, {F::kEntryLength, 15}}},
    {"a VM-entry MSR-load list is aligned and in physical memory",
     {{F::kEntryMsrLoad, 4}, {F::kEntryMsrLoadCount, 1}},
     {{F::kEntryMsrLoad, 16}, {F::kEntryMsrLoadCount, 1}}},
};

const std::vector<Case> kHostCases = {
    {"host CR0 has the bits that VMX operation fixes",
     {{F::kHostCr0, 0x80000013}},
     {{F::kHostCr0, 0x80000021}}},
    {"host CR4 has the bits that VMX operation fixes", {{F::kHostCr4, 0x6b0}}, {{F::kHostCr4, 0x2020}}},
    {"host CR3 is a physical address", {{F::kHostCr3, kHigh}}, {{F::kHostCr3, kHigh - 4096}}},
    {"host IA32_SYSENTER_ESP and EIP are canonical",
     {{F::kHostSysenterEip, kNotCanonical}},
     {{F::kHostSysenterEip, kNotCanonical - 1}}},
    {"host IA32_PERF_GLOBAL_CTRL to load has no reserved bits",
     {{F::kExitControls, kExit | exit_ctl::kLoadPerfGlobalCtrl}, {F::kHostPerfGlobalCtrl, 0x10}},
     {{F::kHostPerfGlobalCtrl, 0x10}}},
    {"host IA32_PAT to load has memory types that exist",
     {{F::kExitControls, kExit | exit_ctl::kLoadPat}, {F::kHostPat, 2}},
     {{F::kHostPat, 2}}},
    {"host IA32_EFER to load has no reserved bits, and LMA and LME",
     {{F::kExitControls, kExit | exit_ctl::kLoadEfer}, {F::kHostEfer, 0x100}},
     {{F::kExitControls, kExit | exit_ctl::kLoadEfer}, {F::kHostEfer, 0xd01}}},
    {"host selectors have RPL 0 and are of the GDT",
     {{nth(F::kHostEsSelector, kVmxDs), 3}},
     {{nth(F::kHostEsSelector, kVmxDs), 0}}},
    {"host CS and TR are not null", {{F::kHostTrSelector, 0}}, {{nth(F::kHostEsSelector, kVmxSs), 0}}},
    {"host FS, GS, TR, GDTR and IDTR bases are canonical",
     {{F::kHostGdtrBase, kNotCanonical}},
     {{F::kHostGdtrBase, ~u64{0}}}},
    {"the host has CR4.PAE", {{F::kHostCr4, 0x2000}}, {{F::kHostCr4, 0x2020}}},
    {"host RIP is canonical", {{F::kHostRip, kNotCanonical}}, {{F::kHostRip, kNotCanonical - 1}}},
};

const std::vector<Case> kGuestCases = {
    {"CR0 has the bits that VMX operation fixes", {{F::kGuestCr0, 0x80000001}}, {{F::kGuestCr0, 0x80000021}}},
    {"CR4 has the bits that VMX operation fixes", {{F::kGuestCr4, 0x202020}}, {{F::kGuestCr4, 0x2020}}},
    {"IA32_DEBUGCTL to load has no reserved bits",
     {{F::kGuestDebugctl, 0x10000}},
     {{F::kGuestDebugctl, 0x10000}, {F::kEntryControls, kEntry & ~u64{entry_ctl::kLoadDebug}}}},
    {"a 64-bit guest has paging and CR4.PAE", {{F::kGuestCr4, 0x2000}}, {{F::kGuestCr4, 0x2020}}},
    {"CR3 is a physical address", {{F::kGuestCr3, kHigh}}, {{F::kGuestCr3, kHigh - 4096}}},
    {"DR7 to load has no upper half",
     {{F::kGuestDr7, u64{1} << 32}},
     {{F::kGuestDr7, u64{1} << 32}, {F::kEntryControls, kEntry & ~u64{entry_ctl::kLoadDebug}}}},
    {"IA32_SYSENTER_ESP and EIP are canonical",
     {{F::kGuestSysenterEsp, kNotCanonical}},
     {{F::kGuestSysenterEsp, kNotCanonical - 1}}},
    {"IA32_PERF_GLOBAL_CTRL to load has no reserved bits",
     {{F::kEntryControls, kEntry | entry_ctl::kLoadPerfGlobalCtrl}, {F::kGuestPerfGlobalCtrl, 0x10}},
     {{F::kGuestPerfGlobalCtrl, 0x10}}},
    {"IA32_PAT to load has memory types that exist",
     {{F::kEntryControls, kEntry | entry_ctl::kLoadPat}, {F::kGuestPat, 3}},
     {{F::kGuestPat, 3}}},
    {"IA32_EFER to load has no reserved bits, and LMA and LME",
     {{F::kEntryControls, kEntry | entry_ctl::kLoadEfer}, {F::kGuestEfer, 0x502}},
     {{F::kGuestEfer, 0x502}}},
    {"IA32_LBR_CTL to load has no reserved bits",
     {{F::kEntryControls, kEntry | entry_ctl::kLoadLbrCtl}, {F::kGuestLbrCtl, 0x10}},
     {{F::kEntryControls, kEntry | entry_ctl::kLoadLbrCtl}, {F::kGuestLbrCtl, 0x7f000f}}},
    {"TR is of the GDT", {{selector(kVmxTr), 0xc}}, {{selector(kVmxTr), 0}}},
    {"a usable LDTR is of the GDT",
     {{selector(kVmxLdtr), 0xc}},
     {{selector(kVmxLdtr), 0xc}, {rights(kVmxLdtr), 0x10000}}},
    {"SS has the RPL of CS",
     {{selector(kVmxCs), 0xb}},
     {{selector(kVmxCs), 0xb}, {selector(kVmxSs), 0x13}, {rights(kVmxCs), 0xa0fb}, {rights(kVmxSs), 0xc0f3}}},
    {"TR, FS and GS bases are canonical, and a usable LDTR's",
     {{base(kVmxFs), kNotCanonical}},
     {{base(kVmxLdtr), kNotCanonical}, {rights(kVmxLdtr), 0x10000}}},
    {"CS base has no upper half, nor that of a usable SS, DS or ES",
     {{base(kVmxDs), u64{1} << 32}},
     {{base(kVmxDs), u64{1} << 32}, {rights(kVmxDs), 0x10000}}},
    {"CS is an accessed code segment", {{rights(kVmxCs), 0xa09a}}, {{rights(kVmxCs), 0xa099}}},
    {"a usable SS is writable, accessed data", {{rights(kVmxSs), 0xc091}}, {{rights(kVmxSs), 0xc097}}},
    {"other usable data segments are accessed, and readable if code",
     {{rights(kVmxEs), 0xc092}},
     {{rights(kVmxEs), 0x10092}}},
    {"usable data segments are no system segments", {{rights(kVmxGs), 0xc083}}, {{rights(kVmxGs), 0x10083}}},
    {"CS has the DPL of SS, if conforming no greater one",
     {{rights(kVmxCs), 0xa0bb}},
     {{rights(kVmxCs), 0xa09f}}},
    {"SS has its RPL as DPL",
     {{rights(kVmxSs), 0xc0f3}, {rights(kVmxCs), 0xa0fb}},
     {{rights(kVmxSs), 0xc0f3}, {rights(kVmxCs), 0xa0fb}, {selector(kVmxCs), 0xb}, {selector(kVmxSs), 0x13}}},
    {"CS and usable data segments are present", {{rights(kVmxDs), 0xc013}}, {{rights(kVmxDs), 0x10013}}},
    {"reserved access rights of CS and usable data segments are 0",
     {{rights(kVmxCs), 0xa19b}},
     {{rights(kVmxDs), 0x10193}}},
    {"CS is a 64-bit code segment", {{rights(kVmxCs), 0xc09b}}, {{rights(kVmxCs), 0xa09b}}},
    {"CS and usable data segments have limits that fit their granularity",
     {{limit(kVmxDs), 0xfffff000}},
     {{limit(kVmxDs), 0xfffff000}, {rights(kVmxDs), 0x10000}}},
    {"TR is a present, usable, busy 64-bit TSS", {{rights(kVmxTr), 0x89}}, {{limit(kVmxTr), 0xff}}},
    {"a usable LDTR is a present LDT", {{rights(kVmxLdtr), 0x83}}, {{rights(kVmxLdtr), 0x10083}}},
    {"GDTR and IDTR bases are canonical",
     {{F::kGuestIdtrBase, kNotCanonical}},
     {{F::kGuestIdtrBase, ~u64{0}}}},
    {"GDTR and IDTR limits have 16 bits", {{F::kGuestGdtrLimit, 0x10000}}, {{F::kGuestGdtrLimit, 0xffff}}},
    {"RIP is canonical", {{F::kGuestRip, kNotCanonical}}, {{F::kGuestRip, ~u64{0}}}},
    {"reserved bits of RFLAGS are as they have to be, VM is 0",
     {{F::kGuestRflags, 0}},
     {{F::kGuestRflags, 0x3d7fd7 & ~u64{1 << 17}}}},
    {"an injected external interrupt finds RFLAGS.IF",
     {{F::kEntryEvent, 0x80000040}},
     {{F::kEntryEvent, 0x80000040}, {F::kGuestRflags, 0x202}}},
    {"the activity state is active or HLT", {{F::kGuestActivity, 2}}, {{F::kGuestActivity, 1}}},
    {"only privilege 0 is halted",
     {{F::kGuestActivity, 1},
      {selector(kVmxCs), 0xb},
      {selector(kVmxSs), 0x13},
      {rights(kVmxCs), 0xa0fb},
      {rights(kVmxSs), 0xc0f3}},
     {{selector(kVmxCs), 0xb}, {selector(kVmxSs), 0x13}, {rights(kVmxCs), 0xa0fb}, {rights(kVmxSs), 0xc0f3}}},
    {"a guest with blocking by STI or MOV SS is active",
     {{F::kGuestActivity, 1}, {F::kGuestBlocking, 2}},
     {{F::kGuestBlocking, 2}}},
    {"a halted guest is given only interrupts, NMIs, #DB and #MC",
     {{F::kGuestActivity, 1}, {F::kEntryEvent, 0x80000306}},
     {{F::kGuestActivity, 1}, {F::kEntryEvent, 0x80000301}}},
    {"reserved bits of the interruptibility state are 0, SMIs are not blocked",
     {{F::kGuestBlocking, 4}},
     {{F::kGuestBlocking, 8}}},
    {"STI and MOV SS do not both block",
     {{F::kGuestBlocking, 3}, {F::kGuestRflags, 0x202}},
     {{F::kGuestBlocking, 1}, {F::kGuestRflags, 0x202}}},
    {"blocking by STI needs RFLAGS.IF", {{F::kGuestBlocking, 1}}, {{F::kGuestBlocking, 2}}},
    {"an injected external interrupt is not blocked by STI or MOV SS",
     {{F::kGuestBlocking, 1}, {F::kGuestRflags, 0x202}, {F::kEntryEvent, 0x80000040}},
     {{F::kGuestBlocking, 1}, {F::kGuestRflags, 0x202}, {F::kEntryEvent, 0x80000306}}},
    {"an injected NMI is not blocked by MOV SS",
     {{F::kGuestBlocking, 2}, {F::kEntryEvent, 0x80000202}},
     {{F::kGuestBlocking, 1}, {F::kGuestRflags, 0x202}, {F::kEntryEvent, 0x80000202}}},
    {"an injected virtual NMI is not blocked by NMI",
     {{F::kGuestBlocking, 8},
      {F::kPinControls, kPin | pin::kVirtualNmis | pin::kNmi},
      {F::kEntryEvent, 0x80000202}},
     {{F::kGuestBlocking, 8}, {F::kEntryEvent, 0x80000202}}},
    {"reserved bits of the pending debug exceptions are 0",
     {{F::kGuestPendingDebug, 0x10}},
     {{F::kGuestPendingDebug, 0x400f}}},
    {"a single step is pending behind STI, MOV SS or HLT exactly if RFLAGS.TF asks and BTF does not",
     {{F::kGuestBlocking, 2}, {F::kGuestRflags, 0x102}},
     {{F::kGuestBlocking, 2}, {F::kGuestRflags, 0x102}, {F::kGuestDebugctl, 2}}},
    {"the VMCS link pointer names no shadow VMCS", {{F::kLinkPointer, 0}}, {{F::kLinkPointer, ~u64{0}}}},
};

struct Table {
  const char* name;
  std::span<const Check> (*checks)();
  const std::vector<Case>& cases;
};
const Table kTables[] = {{"controls", control_checks, kControlCases},
                         {"host", host_checks, kHostCases},
                         {"guest", guest_checks, kGuestCases}};

const Check* broken(World& world) {
  for (const Table& table : kTables) {
    if (const Check* const check = first_broken(table.checks(), world.view())) return check;
  }
  return nullptr;
}
std::string_view rule_of(const Check* check) {
  return check != nullptr ? check->rule : "none";
}

TEST(VmxChecks, accept_the_vmcs_that_the_cases_change) {
  World world;
  EXPECT_EQ(rule_of(broken(world)), "none");
}

TEST(VmxChecks, decide_by_the_rule_that_is_broken) {
  for (const Table& table : kTables) {
    for (const Case& c : table.cases) {
      World world;
      apply(world, c.breaks);
      EXPECT_EQ(rule_of(broken(world)), c.rule) << table.name;
    }
  }
}

TEST(VmxChecks, let_pass_what_comes_near) {
  for (const Table& table : kTables) {
    for (const Case& c : table.cases) {
      World world;
      apply(world, c.holds);
      EXPECT_EQ(rule_of(broken(world)), "none") << table.name << ": " << c.rule;
    }
  }
}

TEST(VmxChecks, have_a_case_for_every_rule) {
  for (const Table& table : kTables) {
    std::set<std::string_view> covered;
    for (const Case& c : table.cases) {
      EXPECT_TRUE(covered.insert(c.rule).second) << c.rule;
      EXPECT_FALSE(c.breaks.empty() || c.holds.empty()) << c.rule;
    }
    for (const Check& check : table.checks()) {
      EXPECT_TRUE(covered.contains(check.rule)) << table.name << ": " << check.rule;
      EXPECT_FALSE(check.source.empty()) << check.rule;
    }
    EXPECT_EQ(covered.size(), table.checks().size()) << table.name;
  }
}

/// Each kind of failure as software sees it.
TEST(VmxChecks, fail_the_entry_as_their_kind_does) {
  for (const Table& table : kTables) {
    for (const Case& c : table.cases) {
      World world;
      apply(world, c.breaks);
      const VmxOutcome outcome = world.launch();
      EXPECT_EQ(world.vmx.decided_by(), c.rule);
      EXPECT_FALSE(world.processor.guest);
      if (table.checks == guest_checks) {
        EXPECT_EQ(outcome.how, VmxOutcome::How::kMoved) << c.rule;
        EXPECT_EQ(world.get(F::kExitReason), 0x80000021) << c.rule;
        EXPECT_EQ(world.processor.now.rip, kHostRipValue) << c.rule;
        EXPECT_EQ(world.processor.retired, 1u) << c.rule;
      } else {
        EXPECT_EQ(outcome.how, VmxOutcome::How::kFailValid) << c.rule;
        EXPECT_EQ(world.get(F::kInstructionError), table.checks == control_checks ? 7 : 8) << c.rule;
        EXPECT_EQ(world.processor.retired, 0u) << c.rule;
      }
      EXPECT_FALSE(world.vmcs().launched());
    }
  }
}

}  // namespace

std::vector<RuleCase> check_cases() {
  std::vector<RuleCase> all;
  const auto add = [&all](std::string_view table, const std::vector<Case>& cases) {
    for (const Case& c : cases) {
      const auto refused = [](const std::vector<Change>& changes) {
        World world;
        apply(world, changes);
        return broken(world) != nullptr;
      };
      all.push_back({table, c.rule, [&c, refused] { EXPECT_TRUE(refused(c.breaks)); },
                     [&c, refused] { EXPECT_FALSE(refused(c.holds)); }});
    }
  };
  add(table::kControls, kControlCases);
  add(table::kHost, kHostCases);
  add(table::kGuest, kGuestCases);
  return all;
}

}  // namespace lastbranch::vmx::test
