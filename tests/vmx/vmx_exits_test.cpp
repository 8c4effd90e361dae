// Every rule of VM exits: a case that leaves the guest by it, and one that comes near and does not.
#include <set>

#include <gtest/gtest.h>

#include "tests/vmx/vmx_cases.h"
#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using F = Field;
using S = VmxSensitive;

struct InsnCase {
  std::string_view rule;
  VmxInsn leaves;
  std::vector<Change> by;
  u64 bit = 0;                    ///< address of a byte of the bitmaps to set, 0: none
  VmxInsn stays{};                ///< with the same changes
  std::vector<Change> without{};  ///< ... and these; with a control cleared the same instruction stays
};

constexpr u64 kProc = 0x4006172;
constexpr Change kBitmaps{F::kProcControls, kProc | proc::kMsrBitmaps};
constexpr Change kNothing{F::kProcControls, kProc};
constexpr Change control(u32 bit) {
  return {F::kProcControls, kProc | bit};
}
constexpr VmxInsn plain(S what) {
  return {.what = what, .length = 2};
}
constexpr VmxInsn msr(S what, u64 index) {
  return {.what = what, .length = 2, .value = index};
}
constexpr VmxInsn cr(S what, u8 number, u64 value = 0) {
  return {.what = what, .length = 3, .number = number, .value = value};
}
constexpr VmxInsn port(u16 number, u8 size) {
  return {.what = S::kIo, .length = 2, .port = number, .size = size, .in = true};
}

/// These cannot stay: no control is about them.
const std::set<std::string_view> kAlways = {"CPUID always exits", "INVD always exits",
                                            "VMX instructions always exit"};

const std::vector<InsnCase> kInsnCases = {
    {"CPUID always exits", plain(S::kCpuid), {}},
    {"INVD always exits", plain(S::kInvd), {}},
    {"VMX instructions always exit", {.what = S::kVmx, .op = VmxOp::kVmcall, .length = 3}, {}},
    {"RDMSR exits without MSR bitmaps", msr(S::kRdmsr, 0x10), {}, 0, msr(S::kRdmsr, 0x10), {kBitmaps}},
    {"RDMSR exits for registers that no bitmap covers",
     msr(S::kRdmsr, 0x2000),
     {kBitmaps},
     0,
     msr(S::kRdmsr, 0x1fff)},
    {"RDMSR exits by its bit",
     msr(S::kRdmsr, 0xc0000009),
     {kBitmaps},
     kMsrBitmapAt + 1024 + 1,
     msr(S::kRdmsr, 9)},
    {"WRMSR exits without MSR bitmaps", msr(S::kWrmsr, 0x10), {}, 0, msr(S::kWrmsr, 0x10), {kBitmaps}},
    {"WRMSR exits for registers that no bitmap covers",
     msr(S::kWrmsr, 0xc0002000),
     {kBitmaps},
     0,
     msr(S::kWrmsr, 0xc0001fff)},
    {"WRMSR exits by its bit",
     msr(S::kWrmsr, 9),
     {kBitmaps},
     kMsrBitmapAt + 2048 + 1,
     msr(S::kWrmsr, 0xc0000009)},
    {"RDPMC exits by RDPMC exiting",
     plain(S::kRdpmc),
     {control(proc::kRdpmc)},
     0,
     plain(S::kRdpmc),
     {kNothing}},
    {"RDTSC exits by RDTSC exiting",
     plain(S::kRdtsc),
     {control(proc::kRdtsc)},
     0,
     plain(S::kRdtsc),
     {kNothing}},
    {"HLT exits by HLT exiting", plain(S::kHlt), {control(proc::kHlt)}, 0, plain(S::kHlt), {kNothing}},
    {"INVLPG exits by INVLPG exiting",
     plain(S::kInvlpg),
     {control(proc::kInvlpg)},
     0,
     plain(S::kInvlpg),
     {kNothing}},
    {"MOV from CR3 exits by CR3-store exiting",
     cr(S::kReadCr, 3),
     {control(proc::kCr3Store)},
     0,
     cr(S::kReadCr, 8)},
    {"MOV from CR8 exits by CR8-store exiting",
     cr(S::kReadCr, 8),
     {control(proc::kCr8Store)},
     0,
     cr(S::kReadCr, 3)},
    {"MOV to CR0 exits when an owned bit is not that of the read shadow",
     cr(S::kWriteCr, 0, 0x21),
     {{F::kCr0Mask, 0x31}, {F::kCr0Shadow, 0x31}},
     0,
     cr(S::kWriteCr, 0, 0x80000031)},
    {"MOV to CR3 exits by CR3-load exiting, unless the value is a target",
     cr(S::kWriteCr, 3, 0x2000),
     {control(proc::kCr3Load), {F::kCr3TargetCount, 1}, {F::kCr3Target0, 0x1000}},
     0,
     cr(S::kWriteCr, 3, 0x1000)},
    {"MOV to CR4 exits when an owned bit is not that of the read shadow",
     cr(S::kWriteCr, 4, 0x80),
     {{F::kCr4Mask, 0x80}},
     0,
     cr(S::kWriteCr, 4, 0x2020)},
    {"MOV to CR8 exits by CR8-load exiting",
     cr(S::kWriteCr, 8, 1),
     {control(proc::kCr8Load)},
     0,
     cr(S::kWriteCr, 8, 1),
     {kNothing}},
    {"CLTS exits when TS is owned and set in the read shadow",
     plain(S::kClts),
     {{F::kCr0Mask, 8}, {F::kCr0Shadow, 8}},
     0,
     plain(S::kClts),
     {{F::kCr0Shadow, 0}}},
    {"LMSW exits when it would set an owned PE that the read shadow has not",
     cr(S::kLmsw, 0, 1),
     {{F::kCr0Mask, 1}},
     0,
     cr(S::kLmsw, 0, 0)},
    {"LMSW exits when an owned MP, EM or TS is not that of the read shadow",
     cr(S::kLmsw, 0, 8),
     {{F::kCr0Mask, 8}},
     0,
     cr(S::kLmsw, 0, 6)},
    {"MOV from DR exits by MOV-DR exiting",
     cr(S::kReadDr, 7),
     {control(proc::kMovDr)},
     0,
     cr(S::kReadDr, 7),
     {kNothing}},
    {"MOV to DR exits by MOV-DR exiting",
     cr(S::kWriteDr, 7),
     {control(proc::kMovDr)},
     0,
     cr(S::kWriteDr, 7),
     {kNothing}},
    {"I/O exits by a bit of the bitmaps, or by wrapping around",
     port(0x8007, 2),
     {control(proc::kIoBitmaps | proc::kUnconditionalIo)},
     kIoBitmapAt + 0x1000 + 1,
     port(0x8007, 1)},
    {"I/O without bitmaps exits by unconditional I/O exiting",
     port(0x80, 1),
     {control(proc::kUnconditionalIo)},
     0,
     port(0x80, 1),
     {kNothing}},
};

const InsnRule* decide(World& world, const VmxInsn& insn) {
  return instruction_rule({world.vmcs(), world.memory, insn});
}

TEST(VmxExits, decide_by_the_rule_of_the_instruction) {
  for (const InsnCase& c : kInsnCases) {
    World world;
    apply(world, c.by);
    if (c.bit != 0) *world.memory.host(c.bit) = c.leaves.what == S::kIo ? 1 : 2;
    const InsnRule* const rule = decide(world, c.leaves);
    ASSERT_NE(rule, nullptr) << c.rule;
    EXPECT_EQ(rule->rule, c.rule);
  }
}

TEST(VmxExits, let_an_instruction_execute_that_comes_near) {
  for (const InsnCase& c : kInsnCases) {
    if (kAlways.contains(c.rule)) continue;
    World world;
    apply(world, c.by);
    apply(world, c.without);
    if (c.bit != 0) *world.memory.host(c.bit) = c.leaves.what == S::kIo ? 1 : 2;
    const InsnRule* const rule = decide(world, c.stays);
    EXPECT_EQ(rule, nullptr) << c.rule << ": " << (rule != nullptr ? rule->rule : "");
  }
}

TEST(VmxExits, have_a_case_for_every_rule_of_an_instruction) {
  std::set<std::string_view> covered;
  for (const InsnCase& c : kInsnCases) EXPECT_TRUE(covered.insert(c.rule).second) << c.rule;
  for (const InsnRule& rule : instruction_rules()) EXPECT_TRUE(covered.contains(rule.rule)) << rule.rule;
  EXPECT_EQ(covered.size(), instruction_rules().size());
}

TEST(VmxExits, wrap_around_the_ports) {
  World world;
  apply(world, {control(proc::kIoBitmaps)});
  EXPECT_NE(decide(world, port(0xffff, 2)), nullptr);
  EXPECT_EQ(decide(world, port(0xfffe, 2)), nullptr);
}

TEST(VmxExits, take_bitmaps_outside_memory_as_ones) {
  constexpr u64 kHigh = u64{1} << 39;
  for (const u64 at : {kMemory, kHigh - 4096, ~u64{0xfff}}) {
    World world;
    apply(world, {control(proc::kMsrBitmaps | proc::kIoBitmaps), {F::kMsrBitmap, at}, {F::kIoBitmapA, at}});
    for (const S what : {S::kRdmsr, S::kWrmsr})
      for (const u64 index : {0x10, 0x1fff})
        EXPECT_NE(decide(world, msr(what, index)), nullptr) << std::hex << at << ' ' << index;
    EXPECT_NE(decide(world, port(0x80, 1)), nullptr) << std::hex << at;
    EXPECT_NE(decide(world, port(0x7fff, 1)), nullptr) << std::hex << at;
    EXPECT_EQ(decide(world, port(0x8000, 1)), nullptr) << "the other bitmap is there";
  }
}

TEST(VmxExits, describe_the_instruction_in_the_qualification) {
  const struct {
    VmxInsn insn;
    u64 expected;
  } rows[] = {
      {{.what = S::kWriteCr, .number = 4, .gpr = 3}, 0x304},
      {{.what = S::kReadCr, .number = 3, .gpr = 15}, 0xf13},
      {{.what = S::kClts}, 0x20},
      {{.what = S::kLmsw, .value = 0xfff1, .memory = true}, 0xfff10070},
      {{.what = S::kWriteDr, .number = 7, .gpr = 1}, 0x107},
      {{.what = S::kReadDr, .number = 6}, 0x16},
      {{.what = S::kIo, .port = 0x3f8, .size = 1, .in = true}, 0x03f80008},
      {{.what = S::kIo, .port = 0x60, .size = 4, .string = true, .rep = true}, 0x00600033},
      {{.what = S::kIo, .port = 0x71, .size = 2, .immediate = true}, 0x00710041},
      {{.what = S::kInvlpg, .value = 0x123456789000}, 0x123456789000},
      {{.what = S::kRdmsr, .value = 0x1d9}, 0},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(qualification(row.insn), row.expected) << static_cast<int>(row.insn.what);
  }
}

TEST(VmxExits, keep_the_bits_of_control_registers_that_the_hypervisor_owns) {
  World world;
  apply(world, {{F::kCr0Mask, 8}, {F::kCr0Shadow, 8}, {F::kCr4Mask, 0x80}, {F::kCr4Shadow, 0}});
  const auto value = [&](const VmxInsn& insn) {
    return owned_bits({world.vmcs(), world.memory, insn}, 0x80000031, 0x2080);
  };
  EXPECT_EQ(value(cr(S::kReadCr, 0)), 0x80000039);
  EXPECT_EQ(value(cr(S::kReadCr, 4)), 0x2000);
  EXPECT_EQ(value(cr(S::kReadCr, 3)), std::nullopt);
  EXPECT_EQ(value(cr(S::kWriteCr, 0, 0x80000029)), 0x80000021);
  EXPECT_EQ(value(cr(S::kWriteCr, 4, 0x2020)), 0x20a0);
  EXPECT_EQ(value(cr(S::kLmsw, 0, 0xe)), 0x80000037);
  EXPECT_EQ(value(plain(S::kClts)), 0x80000031);
  EXPECT_EQ(value(plain(S::kHlt)), std::nullopt);
}

struct EventCase {
  std::string_view rule;
  VmxEvent event;
  std::vector<Change> leaves, stays;
};
using T = VmxEventType;
constexpr VmxEvent kPageFault{.vector = 14, .has_error = true, .error = 2, .detail = 0x123000};
const std::vector<EventCase> kEventCases = {
    {"an NMI exits by NMI exiting",
     {.type = T::kNmi, .vector = 2},
     {{F::kPinControls, 0x1e}},
     {{F::kExceptionBitmap, 4}}},
    {"an external interrupt exits by external-interrupt exiting",
     {.type = T::kInterrupt, .vector = 14},
     {{F::kPinControls, 0x17}},
     {{F::kExceptionBitmap, 1 << 14}}},
    {"a page fault exits by its bit if its error code matches, by the bit's absence if not",
     kPageFault,
     {{F::kPfMask, 2}, {F::kPfMatch, 0}},
     {{F::kPfMask, 2}, {F::kPfMatch, 2}}},
    {"another exception exits by its bit",
     {.vector = 6},
     {{F::kExceptionBitmap, 1 << 6}},
     {{F::kExceptionBitmap, 1 << 7}}},
    {"INT n does not exit",
     {.type = T::kSoftwareInterrupt, .vector = 6},
     {},
     {{F::kExceptionBitmap, 0xffffffff}}},
};

TEST(VmxExits, decide_by_the_rule_of_the_event) {
  std::set<std::string_view> covered;
  for (const EventCase& c : kEventCases) {
    covered.insert(c.rule);
    const EventRule& rule = event_rule(c.event);
    EXPECT_EQ(rule.rule, c.rule);
    World stays;
    apply(stays, c.stays);
    EXPECT_FALSE(exits(rule, {stays.vmcs(), c.event})) << c.rule;
    if (c.rule == "INT n does not exit") continue;
    World leaves;
    apply(leaves, c.leaves);
    EXPECT_TRUE(exits(rule, {leaves.vmcs(), c.event})) << c.rule;
  }
  EXPECT_EQ(covered.size(), event_rules().size());
}

TEST(VmxExits, match_the_error_code_of_a_page_fault) {
  const struct {
    bool bit;
    u32 mask, match;
    bool exits;
  } rows[] = {{true, 0, 0, true},   {true, 2, 2, true},  {true, 2, 0, false},  {true, 0, 1, false},
              {false, 0, 0, false}, {false, 2, 0, true}, {false, 2, 2, false}, {false, 0, 1, true}};
  for (const auto& row : rows) {
    World world;
    apply(world,
          {{F::kExceptionBitmap, row.bit ? 1u << 14 : 0u}, {F::kPfMask, row.mask}, {F::kPfMatch, row.match}});
    EXPECT_EQ(exits(event_rule(kPageFault), {world.vmcs(), kPageFault}), row.exits)
        << row.bit << ' ' << row.mask << ' ' << row.match;
  }
}

struct ListCase {
  std::string_view rule;
  bool load;
  u32 index, reserved;
  bool near_load;
  u32 near_index;
};
const ListCase kListCases[] = {
    {"IA32_FS_BASE and IA32_GS_BASE are not loaded from a list", true, 0xc0000100, 0, false, 0xc0000100},
    {"registers of the x2APIC are not in a list", false, 0x8ff, 0, false, 0x900},
    {"IA32_SMM_MONITOR_CTL is not loaded outside SMM", true, 0x9b, 0, false, 0x9b},
    {"IA32_SMBASE is not stored outside SMM", false, 0x9e, 0, true, 0x9e},
    {"reserved bits of an entry are 0", true, 0x10, 1, true, 0x10},
};

TEST(VmxExits, refuse_registers_in_lists) {
  std::set<std::string_view> covered;
  for (const ListCase& c : kListCases) {
    covered.insert(c.rule);
    const ListRule* const rule = list_rule(c.load, c.index, c.reserved);
    ASSERT_NE(rule, nullptr) << c.rule;
    EXPECT_EQ(rule->rule, c.rule);
    EXPECT_EQ(list_rule(c.near_load, c.near_index, 0), nullptr) << c.rule;
  }
  EXPECT_EQ(covered.size(), list_rules().size());
}

/// An exit that nothing in the guest asks for, and the controls that it needs.
struct WindowCase {
  std::string_view rule;
  Window what;
  std::vector<Change> leaves, stays;
};
const WindowCase kWindowCases[] = {
    {"a triple fault exits", Window::kTripleFault, {}, {}},
    {"an external interrupt that is not acknowledged exits by external-interrupt exiting, and stays pending",
     Window::kInterruptWaiting,
     {{F::kPinControls, 0x17}},
     {{F::kPinControls, 0x17}, {F::kExitControls, 0x36ffb | exit_ctl::kAcknowledge}}},
    {"an interrupt window exits by interrupt-window exiting",
     Window::kInterruptWindow,
     {control(proc::kInterruptWindow)},
     {control(proc::kNmiWindow)}},
    {"an NMI window exits by NMI-window exiting",
     Window::kNmiWindow,
     {control(proc::kNmiWindow)},
     {control(proc::kInterruptWindow)}},
};

void leave_by(const InsnCase& c) {
  World world;
  apply(world, c.by);
  if (c.bit != 0) *world.memory.host(c.bit) = c.leaves.what == S::kIo ? 1 : 2;
  EXPECT_NE(decide(world, c.leaves), nullptr);
}
void stay_near(const InsnCase& c) {
  World world;
  apply(world, c.by);
  apply(world, c.without);
  if (c.bit != 0) *world.memory.host(c.bit) = c.leaves.what == S::kIo ? 1 : 2;
  // What always exits in a guest has no near case of its own: another instruction stays.
  const VmxInsn insn = kAlways.contains(c.rule) ? plain(S::kRdtsc) : c.stays;
  EXPECT_EQ(decide(world, insn), nullptr);
}

}  // namespace

std::vector<RuleCase> exit_cases() {
  std::vector<RuleCase> all;
  for (const InsnCase& c : kInsnCases)
    all.push_back({table::kInstructions, c.rule, [&c] { leave_by(c); }, [&c] { stay_near(c); }});
  for (const EventCase& c : kEventCases) {
    const auto outcome = [](const std::vector<Change>& changes, const VmxEvent& event) {
      World world;
      apply(world, changes);
      return exits(event_rule(event), {world.vmcs(), event});
    };
    const bool never = c.rule == "INT n does not exit";
    all.push_back({table::kEvents, c.rule,
                   [&c, outcome, never] { EXPECT_EQ(outcome(c.leaves, c.event), !never); },
                   [&c, outcome, never] {
                     const VmxEvent near = never ? VmxEvent{.vector = c.event.vector} : c.event;
                     EXPECT_EQ(outcome(c.stays, near), never);
                   }});
  }
  for (const WindowCase& c : kWindowCases) {
    const auto leaves = [&c](const std::vector<Change>& changes, Window what) {
      World world;
      apply(world, changes);
      return window_rule(what, world.vmcs()) != nullptr;
    };
    // A triple fault always exits; an NMI that nobody waits for does not.
    const Window near = c.what == Window::kTripleFault ? Window::kNmiWindow : c.what;
    all.push_back({table::kWindows, c.rule, [&c, leaves] { EXPECT_TRUE(leaves(c.leaves, c.what)); },
                   [&c, leaves, near] { EXPECT_FALSE(leaves(c.stays, near)); }});
  }
  for (const ListCase& c : kListCases)
    all.push_back({table::kLists, c.rule,
                   [&c] { EXPECT_NE(list_rule(c.load, c.index, c.reserved), nullptr); },
                   [&c] { EXPECT_EQ(list_rule(c.near_load, c.near_index, 0), nullptr); }});
  return all;
}

}  // namespace lastbranch::vmx::test
