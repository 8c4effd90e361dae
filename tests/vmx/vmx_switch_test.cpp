// What VM entries load and VM exits save, load and clear; the instructions around them.
#include <gtest/gtest.h>

#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using F = Field;
using How = VmxOutcome::How;
constexpr u32 kDebugctl = 0x1d9, kPerfGlobalCtrl = 0x38f, kPat = 0x277, kLbrCtl = 0x14ce, kLstar = 0xc0000082;

constexpr VmxInsn kCpuid{.what = VmxSensitive::kCpuid, .length = 2};

/// A row of what a control does: the field is loaded into the register only with the control.
struct Load {
  const char* name;
  F word;
  u32 control;
  F field;
  u32 msr;
  u64 value;
};

TEST(VmxEntry, loads_registers_by_their_control) {
  const Load rows[] = {
      {"load debug controls", F::kEntryControls, entry_ctl::kLoadDebug, F::kGuestDebugctl, kDebugctl, 0x801},
      {"load IA32_PERF_GLOBAL_CTRL", F::kEntryControls, entry_ctl::kLoadPerfGlobalCtrl,
       F::kGuestPerfGlobalCtrl, kPerfGlobalCtrl, 3},
      {"load IA32_PAT", F::kEntryControls, entry_ctl::kLoadPat, F::kGuestPat, kPat, 6},
      {"load guest IA32_LBR_CTL", F::kEntryControls, entry_ctl::kLoadLbrCtl, F::kGuestLbrCtl, kLbrCtl,
       0x10003},
  };
  for (const Load& row : rows) {
    for (const bool on : {false, true}) {
      World world;
      world.set(row.field, row.value);
      world.set(row.word, on ? world.get(row.word) | row.control : world.get(row.word) & ~u64{row.control});
      ASSERT_EQ(world.launch().how, How::kMoved) << row.name << world.vmx.decided_by();
      EXPECT_TRUE(world.processor.guest) << row.name;
      EXPECT_EQ(world.msrs.read(row.msr).value, on ? row.value : 0) << row.name;
    }
  }
}

TEST(VmxEntry, loads_dr7_with_the_debug_controls) {
  for (const bool on : {false, true}) {
    World world;
    world.set(F::kGuestDr7, 0x2aa);
    world.processor.now.dr7 = 0x401;
    if (!on) world.set(F::kEntryControls, world.get(F::kEntryControls) & ~u64{entry_ctl::kLoadDebug});
    world.launch();
    EXPECT_EQ(world.processor.now.dr7, on ? 0x6aau : 0x401u);
  }
}

TEST(VmxEntry, loads_the_guest_state_area) {
  World world;
  apply(world, {{F::kGuestRsp, 0x7000},
                {F::kGuestRflags, 0x246},
                {F::kGuestCr3, 0x5000},
                {F::kGuestGdtrBase, 0x1234},
                {F::kGuestIdtrLimit, 0xfff},
                {nth(F::kGuestEsBase, kVmxFs), 0xffff800000000000},
                {F::kGuestActivity, 1},
                {F::kGuestSysenterEip, 0x77}});
  ASSERT_EQ(world.launch().how, How::kMoved);
  const VmxState& s = world.processor.now;
  EXPECT_EQ(s.rip, kGuestRipValue);
  EXPECT_EQ(s.rsp, 0x7000u);
  EXPECT_EQ(s.rflags, 0x246u);
  EXPECT_EQ(s.cr3, 0x5000u);
  EXPECT_EQ(s.gdtr_base, 0x1234u);
  EXPECT_EQ(s.idtr_limit, 0xfffu);
  EXPECT_EQ(s.segment[kVmxFs].base, 0xffff800000000000);
  EXPECT_EQ(s.segment[kVmxCs].rights, 0xa09bu);
  EXPECT_TRUE(s.halted);
  EXPECT_EQ(world.msrs.read(0x176).value, 0x77u);
  EXPECT_EQ(world.processor.retired, 1u);
  EXPECT_TRUE(world.vmcs().launched());
}

TEST(VmxEntry, injects_what_the_vmcs_holds) {
  World world;
  apply(world, {{F::kEntryEvent, 0x80000b0e}, {F::kEntryError, 6}});
  world.launch();
  ASSERT_EQ(world.processor.injected.size(), 1u);
  const VmxEvent& e = world.processor.injected[0];
  EXPECT_EQ(e.type, VmxEventType::kException);
  EXPECT_EQ(e.vector, 14);
  EXPECT_TRUE(e.has_error);
  EXPECT_EQ(e.error, 6u);
}

TEST(VmxEntry, raises_a_pending_debug_exception_unless_it_injects) {
  for (const bool injects : {false, true}) {
    World world;
    apply(world, {{F::kGuestPendingDebug, 0x4001}, {F::kEntryEvent, injects ? 0x80000306u : 0u}});
    world.launch();
    EXPECT_EQ(world.processor.debug, injects ? 0u : 0x4001u);
  }
}

TEST(VmxEntry, asks_for_the_groups_that_controls_are_about) {
  const auto groups = [](u32 control) {
    World world;
    world.add(F::kProcControls, control);
    world.launch();
    return world.processor.groups;
  };
  const auto bit = [](VmxSensitive s) { return u32{1} << static_cast<unsigned>(s); };
  const u32 always = groups(0);
  EXPECT_EQ(always, bit(VmxSensitive::kCpuid) | bit(VmxSensitive::kInvd) | bit(VmxSensitive::kVmx) |
                        bit(VmxSensitive::kRdmsr) | bit(VmxSensitive::kWrmsr));
  EXPECT_EQ(groups(proc::kHlt) & ~always, bit(VmxSensitive::kHlt));
  EXPECT_EQ(groups(proc::kIoBitmaps) & ~always, bit(VmxSensitive::kIo));
  EXPECT_EQ(groups(proc::kRdpmc) & ~always, bit(VmxSensitive::kRdpmc));
}

/// Enters, lets the guest change what it likes, and exits by CPUID.
void round_trip(World& world, const std::function<void(World&)>& guest) {
  ASSERT_EQ(world.launch().how, How::kMoved) << world.vmx.decided_by();
  guest(world);
  world.processor.now.rip = 0x8100;
  EXPECT_TRUE(world.vmx.instruction(kCpuid).exited);
}

TEST(VmxExit, records_why_and_where) {
  World world;
  round_trip(world, [](World&) {});
  EXPECT_EQ(world.get(F::kExitReason), 10u);
  EXPECT_EQ(world.get(F::kExitLength), 2u);
  EXPECT_EQ(world.get(F::kGuestRip), 0x8100u);
  EXPECT_EQ(world.processor.now.rip, kHostRipValue);
  EXPECT_EQ(world.processor.now.rflags, 2u);
  EXPECT_FALSE(world.processor.guest);
  EXPECT_EQ(world.processor.retired, 1u) << "VMLAUNCH did, CPUID did not";
}

TEST(VmxExit, clears_debugctl_and_dr7_and_saves_them_by_control) {
  for (const bool saves : {false, true}) {
    World world;
    apply(world, {{F::kGuestDebugctl, 0x40}, {F::kGuestDr7, 0x400}});
    if (!saves) world.set(F::kExitControls, world.get(F::kExitControls) & ~u64{exit_ctl::kSaveDebug});
    round_trip(world, [](World& w) {
      w.msrs.write(kDebugctl, 0xffc3);
      w.processor.now.dr7 = 0x4aa;
    });
    EXPECT_EQ(world.msrs.read(kDebugctl).value, 0u);
    EXPECT_EQ(world.processor.now.dr7, 0x400u);
    EXPECT_EQ(world.get(F::kGuestDebugctl), saves ? 0xffc3u : 0x40u);
    EXPECT_EQ(world.get(F::kGuestDr7), saves ? 0x4aau : 0x400u);
  }
}

TEST(VmxExit, loads_registers_by_their_control) {
  const Load rows[] = {
      {"load IA32_PERF_GLOBAL_CTRL", F::kExitControls, exit_ctl::kLoadPerfGlobalCtrl, F::kHostPerfGlobalCtrl,
       kPerfGlobalCtrl, 3},
      {"load IA32_PAT", F::kExitControls, exit_ctl::kLoadPat, F::kHostPat, kPat, 6},
  };
  for (const Load& row : rows) {
    for (const bool on : {false, true}) {
      World world;
      world.set(row.field, row.value);
      if (on) world.add(row.word, row.control);
      round_trip(world, [&](World& w) { w.msrs.write(row.msr, 1); });
      EXPECT_EQ(world.msrs.read(row.msr).value, on ? row.value : 1) << row.name;
    }
  }
}

TEST(VmxExit, clears_lbr_ctl_by_its_control_and_saves_it) {
  for (const bool clears : {false, true}) {
    World world;
    if (clears) world.add(F::kExitControls, exit_ctl::kClearLbrCtl);
    round_trip(world, [](World& w) { w.msrs.write(kLbrCtl, 0x10003); });
    EXPECT_EQ(world.msrs.read(kLbrCtl).value, clears ? 0 : 0x10003);
    EXPECT_EQ(world.get(F::kGuestLbrCtl), clears ? 0x10003 : 0);
  }
}

TEST(VmxExit, saves_pat_and_efer_by_their_controls) {
  for (const bool saves : {false, true}) {
    World world;
    if (saves) world.add(F::kExitControls, exit_ctl::kSavePat | exit_ctl::kSaveEfer);
    const u64 pat = world.get(F::kGuestPat);
    round_trip(world, [](World& w) {
      w.msrs.write(kPat, 1);
      w.processor.now.efer = 0xd01;
    });
    EXPECT_EQ(world.get(F::kGuestPat), saves ? 1 : pat);
    EXPECT_EQ(world.get(F::kGuestEfer), saves ? 0xd01 : 0x500);
  }
}

struct ListEntry {
  u64 index, value;
};
void put_list(World& world, Field address, Field count, const std::vector<ListEntry>& list) {
  std::memcpy(world.memory.host(kListAt), list.data(), list.size() * sizeof(ListEntry));
  world.set(address, kListAt);
  world.set(count, list.size());
}

TEST(VmxLists, load_on_entry_until_one_is_refused) {
  World world;
  put_list(world, F::kEntryMsrLoad, F::kEntryMsrLoadCount,
           {{kLstar, 5}, {kDebugctl, u64{1} << 40}, {kLstar, 6}});
  world.launch();
  EXPECT_EQ(world.get(F::kExitReason), 0x80000022u);
  EXPECT_EQ(world.get(F::kExitQualification), 2u);
  EXPECT_EQ(world.vmx.decided_by(), "reserved bit set");
  EXPECT_EQ(world.msrs.read(kLstar).value, 5u);
  EXPECT_FALSE(world.processor.guest);
  EXPECT_EQ(world.processor.now.rip, kHostRipValue);
}

TEST(VmxLists, store_on_exit) {
  World world;
  put_list(world, F::kExitMsrStore, F::kExitMsrStoreCount, {{kLstar, 0}, {kDebugctl, 0}});
  round_trip(world, [](World& w) {
    w.msrs.write(kLstar, 0x1234);
    w.msrs.write(kDebugctl, 1);
  });
  ListEntry stored[2];
  std::memcpy(stored, world.memory.host(kListAt), sizeof stored);
  EXPECT_EQ(stored[0].value, 0x1234u);
  EXPECT_EQ(stored[1].value, 1u);
}

TEST(VmxLists, that_fail_on_exit_abort) {
  const struct {
    F address, count;
    u32 indicator;
  } rows[] = {{F::kExitMsrStore, F::kExitMsrStoreCount, 1}, {F::kExitMsrLoad, F::kExitMsrLoadCount, 4}};
  for (const auto& row : rows) {
    World world;
    put_list(world, row.address, row.count, {{0x800, 0}});
    round_trip(world, [](World&) {});
    EXPECT_TRUE(world.processor.shut);
    EXPECT_EQ(world.vmcs().abort(), row.indicator);
  }
}

TEST(VmxEvents, say_what_they_are_and_what_was_being_delivered) {
  World world;
  world.set(F::kExceptionBitmap, 1u << 14);
  world.launch();
  const VmxEvent first{.type = VmxEventType::kSoftwareInterrupt, .vector = 0x80, .length = 2};
  EXPECT_FALSE(world.vmx.event({.vector = 13, .has_error = true}, &first));
  EXPECT_TRUE(world.vmx.event({.vector = 14, .has_error = true, .error = 6, .detail = 0x4567}, &first));
  EXPECT_EQ(world.get(F::kExitEvent), 0x80000b0eu);
  EXPECT_EQ(world.get(F::kExitError), 6u);
  EXPECT_EQ(world.get(F::kExitQualification), 0x4567u);
  EXPECT_EQ(world.get(F::kVectoringEvent), 0x80000480u);
  EXPECT_EQ(world.get(F::kExitLength), 2u);
  EXPECT_EQ(world.get(F::kGuestRflags) >> 16 & 1, 1u) << "RF, as the fault would have pushed it";
}

TEST(VmxEvents, leave_an_interrupt_pending_that_is_not_acknowledged) {
  for (const bool acknowledges : {false, true}) {
    World world;
    world.add(F::kPinControls, pin::kExternalInterrupt);
    if (acknowledges) world.add(F::kExitControls, exit_ctl::kAcknowledge);
    world.launch();
    EXPECT_TRUE(world.vmx.takes_interrupts());
    EXPECT_EQ(world.vmx.interrupt_waiting(), !acknowledges);
    if (!acknowledges) {
      EXPECT_EQ(world.get(F::kExitEvent), 0u);
      continue;
    }
    EXPECT_TRUE(world.vmx.event({.type = VmxEventType::kInterrupt, .vector = 0x40}, nullptr));
    EXPECT_EQ(world.get(F::kExitReason), 1u);
    EXPECT_EQ(world.get(F::kExitEvent), 0x80000040u);
  }
}

TEST(VmxEvents, open_windows_by_their_controls) {
  World closed;
  closed.launch();
  EXPECT_FALSE(closed.vmx.interrupt_window());
  EXPECT_FALSE(closed.vmx.nmi_window());
  World interrupts;
  interrupts.add(F::kProcControls, proc::kInterruptWindow);
  interrupts.launch();
  EXPECT_TRUE(interrupts.vmx.interrupt_window());
  EXPECT_EQ(interrupts.get(F::kExitReason), 7u);
  World nmis;
  nmis.add(F::kPinControls, pin::kNmi | pin::kVirtualNmis);
  nmis.add(F::kProcControls, proc::kNmiWindow);
  nmis.launch();
  EXPECT_TRUE(nmis.vmx.nmi_window());
  EXPECT_EQ(nmis.get(F::kExitReason), 8u);
}

TEST(VmxEvents, block_nmis_behind_an_exit_by_one) {
  World world;
  world.add(F::kPinControls, pin::kNmi);
  world.launch();
  EXPECT_TRUE(world.vmx.event({.type = VmxEventType::kNmi, .vector = 2}, nullptr));
  EXPECT_EQ(world.get(F::kExitEvent), 0x80000202u);
  EXPECT_EQ(world.processor.now.blocking, vmx_block::kNmi);
}

TEST(VmxInstructions, depend_on_the_launch_state) {
  World world;
  EXPECT_EQ(world.vmx.execute(VmxOp::kVmresume, 0, 0).how, How::kFailValid);
  EXPECT_EQ(world.get(F::kInstructionError), 5u);
  round_trip(world, [](World&) {});
  EXPECT_EQ(world.launch().how, How::kFailValid);
  EXPECT_EQ(world.get(F::kInstructionError), 4u);
  EXPECT_EQ(world.vmx.execute(VmxOp::kVmresume, 0, 0).how, How::kMoved);
}

TEST(VmxInstructions, give_every_vmx_instruction_its_exit_reason) {
  const struct {
    VmxOp op;
    u64 reason;
  } rows[] = {{VmxOp::kVmcall, 18},  {VmxOp::kVmclear, 19}, {VmxOp::kVmlaunch, 20}, {VmxOp::kVmptrld, 21},
              {VmxOp::kVmptrst, 22}, {VmxOp::kVmread, 23},  {VmxOp::kVmresume, 24}, {VmxOp::kVmwrite, 25},
              {VmxOp::kVmxoff, 26},  {VmxOp::kVmxon, 27}};
  for (const auto& row : rows) {
    World world;
    world.launch();
    world.vmx.instruction({.what = VmxSensitive::kVmx, .op = row.op, .length = 3});
    EXPECT_EQ(world.get(F::kExitReason), row.reason);
  }
}

TEST(VmxInstructions, fix_bits_of_cr0_and_cr4_while_vmx_is_on) {
  World world;
  EXPECT_FALSE(world.vmx.allows_cr(0, 0x80000001));
  EXPECT_TRUE(world.vmx.allows_cr(0, 0x80000021));
  EXPECT_FALSE(world.vmx.allows_cr(4, 0x20));
  EXPECT_TRUE(world.vmx.allows_cr(4, 0x2020));
  world.vmx.execute(VmxOp::kVmxoff, 0, 0);
  EXPECT_TRUE(world.vmx.allows_cr(4, 0x20));
}

}  // namespace
}  // namespace lastbranch::vmx::test
