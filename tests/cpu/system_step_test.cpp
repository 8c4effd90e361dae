// Single-stepping, stepping on branches, instruction breakpoints.
#include <gtest/gtest.h>

#include "tests/cpu/system_machine.h"

namespace lastbranch::cpu {
namespace {

/// Steps under TF until a #DB arrives; how many instructions retired before it.
u64 until_debug(SupervisorMachine& m, u64 most = 20) {
  for (u64 n = 0; n < most && m.c.rip != handler(1); ++n) m.system.serve(m.core.run(100).why);
  return m.ledger.total(Ev::kInstructions);
}

TEST(SystemStep, tf_traps_after_each_instruction) {
  struct Case {
    const char* name;
    std::vector<u8> code;
    u64 behind;
  };
  const Case cases[] = {
      {"nop", {0x90, 0x90}, kCodeAt + 1},
      {"jmp", {0xeb, 0x10}, kCodeAt + 0x12},
      {"wbinvd, which System executes", {0x0f, 0x09, 0x90}, kCodeAt + 2},
      {"cmp and jcc, of which one", {0x39, 0xc0, 0x74, 0x10}, kCodeAt + 2},
      {"store", {0x89, 0x04, 0x25, 0, 0, 3, 0}, kCodeAt + 7},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.c.set_flags(rflags::kTF | rflags::kIF);
    m.load(t.code);
    EXPECT_EQ(until_debug(m), 1u) << t.name;
    EXPECT_EQ(m.c.rip, handler(1)) << t.name;
    EXPECT_EQ(m.frame(0), t.behind) << t.name;
    EXPECT_EQ(m.frame(2) & (rflags::kTF | rflags::kRF), rflags::kTF) << t.name;
    EXPECT_EQ(m.c.flags() & rflags::kTF, 0u) << t.name;
    EXPECT_EQ(m.c.dr[6], 0xffff4ff0u) << t.name;
    EXPECT_EQ(m.debug.exceptions, 1u) << t.name;
    for (const RetiredBranch& b : m.log.branches) EXPECT_EQ(b.kind, BranchKind::kRelJmp) << t.name;
  }
}

/// POPF sets TF: the trap comes after the instruction behind it.
TEST(SystemStep, the_instruction_that_sets_tf_is_not_trapped) {
  SupervisorMachine m;
  m.c.r[kRsp] = kKernelStack - 8;
  m.poke<u64>(kKernelStack - 8, rflags::kTF);
  m.load({0x9d, 0x90, 0x90});
  EXPECT_EQ(until_debug(m), 2u);
  EXPECT_EQ(m.frame(0), kCodeAt + 2);
}

// Rows: lbr-8-btf
TEST(SystemStep, btf_traps_only_after_taken_branches) {
  SupervisorMachine m;
  m.debug.value = debugctl::kBtf | debugctl::kLbr;
  m.c.set_flags(rflags::kTF);
  // nop; cmp eax, eax; jne +2 (not taken); wbinvd; je +4 (taken)
  m.load({0x90, 0x39, 0xc0, 0x75, 0x02, 0x0f, 0x09, 0x74, 0x04});
  EXPECT_EQ(until_debug(m), 5u);
  EXPECT_EQ(m.frame(0), kCodeAt + 13);
  EXPECT_EQ(m.debug.value, 0u);  // #DB clears both
}

TEST(SystemStep, btf_traps_after_far_transfers) {
  SupervisorMachine m;
  m.debug.value = debugctl::kBtf;
  m.c.set_flags(rflags::kTF);
  m.c.r[kRdi] = kOperands;
  m.poke<u64>(kOperands, kCodeAt + 0x100);
  m.poke<u16>(kOperands + 8, kKernelCode);
  m.load({0x90, 0x48, 0xff, 0x2f});  // nop; jmp far [rdi]
  EXPECT_EQ(until_debug(m), 2u);
  EXPECT_EQ(m.frame(0), kCodeAt + 0x100);
}

/// What enters the operating system and clears TF is not trapped there.
TEST(SystemStep, int_n_and_a_masking_syscall_lose_the_trap) {
  SupervisorMachine m;
  m.set_gate(0x80, kKernelCode, handler(0x80), 14, 3);
  m.enter_user();
  m.c.set_flags(rflags::kTF);
  m.load({0xcd, 0x80});
  m.step();
  EXPECT_EQ(m.c.rip, handler(0x80));
  EXPECT_EQ(m.frame(2) & rflags::kTF, rflags::kTF);
  EXPECT_EQ(m.debug.exceptions, 0u);

  for (const bool masked : {true, false}) {
    SupervisorMachine n;
    n.c.efer |= efer::kSce;
    n.c.star = u64{kKernelCode} << 32;
    n.c.lstar = kCodeAt;
    n.c.fmask = masked ? rflags::kTF : 0;
    n.enter_user();
    n.c.set_flags(rflags::kTF);
    n.load({0x0f, 0x05});
    n.step();
    EXPECT_EQ(n.c.rip, masked ? kCodeAt : handler(1));
  }
}

TEST(SystemStep, a_load_of_ss_loses_the_trap) {
  SupervisorMachine m;
  m.c.set_flags(rflags::kTF);
  m.c.r[kRax] = kKernelData;
  m.load({0x8e, 0xd0, 0x90});
  EXPECT_EQ(until_debug(m), 2u);
  EXPECT_EQ(m.frame(0), kCodeAt + 3);
}

// Rows: lbr-6-db
TEST(SystemStep, btf_and_lbr_go_off_before_the_handler_and_the_delivery_is_no_record) {
  SupervisorMachine m;
  m.debug.value = debugctl::kBtf | debugctl::kLbr | debugctl::kTr | debugctl::kBts;
  m.c.set_flags(rflags::kTF);
  m.load({0xeb, 0x00});
  EXPECT_EQ(until_debug(m), 1u);
  EXPECT_EQ(m.debug.value, debugctl::kTr | debugctl::kBts);
  ASSERT_EQ(m.log.branches.size(), 1u);
  EXPECT_EQ(m.last().kind, BranchKind::kRelJmp);
}

// Rows: lbr-6-interrupt-after-branch
TEST(SystemStep, an_interrupt_behind_a_branch_comes_from_its_target) {
  SupervisorMachine m;
  m.load({0xeb, 0x10});
  m.step();
  m.system.deliver(Event::interrupt(0x44));
  ASSERT_EQ(m.log.branches.size(), 2u);
  EXPECT_EQ(m.log.branches[0].to, kCodeAt + 0x12);
  EXPECT_EQ(m.log.branches[1].from, kCodeAt + 0x12);
  EXPECT_EQ(m.log.branches[1].to, handler(0x44));
}

// Rows: lbr-6-serialising
TEST(SystemStep, serialising_instructions_are_no_transfers) {
  SupervisorMachine m;
  m.c.r[kRcx] = 0xc0000103;
  m.load({0x0f, 0x20, 0xdb, 0x0f, 0x22, 0xdb, 0x0f, 0x09, 0x31, 0xd2, 0x0f, 0x30, 0xf4});
  EXPECT_EQ(m.run(), System::Next::kHalted);
  EXPECT_TRUE(m.log.branches.empty());
  EXPECT_EQ(m.ledger.total(Ev::kInstructions), 6u);
  EXPECT_EQ(m.ledger.total(Ev::kBranches), 0u);
}

// Rows: lbr-6-trap-after-branch
TEST(SystemStep, a_fault_at_a_branchs_target_is_a_second_record) {
  SupervisorMachine m;
  m.load({0xeb, 0x02, 0x90, 0x90, 0x0f, 0x0b});  // jmp to ud2
  m.system.serve(m.core.run(100).why);
  ASSERT_EQ(m.log.branches.size(), 2u);
  EXPECT_EQ(m.log.branches[0].from, kCodeAt);
  EXPECT_EQ(m.log.branches[0].to, kCodeAt + 4);
  EXPECT_EQ(m.log.branches[1].from, kCodeAt + 4);
  EXPECT_EQ(m.log.branches[1].to, handler(6));
}

TEST(SystemStep, instruction_breakpoints_fault_before_the_instruction) {
  SupervisorMachine m;
  m.load({0x48, 0xcf}, handler(1));  // iretq
  m.c.r[kRax] = kCodeAt + 8;
  m.c.r[kRbx] = 0x404;  // L1
  // mov dr1, rax; mov dr7, rbx; inc ecx; inc ecx; hlt
  m.load({0x0f, 0x23, 0xc8, 0x0f, 0x23, 0xfb, 0xff, 0xc1, 0xff, 0xc1, 0xf4});
  for (unsigned n = 0; n < 10 && m.c.rip != handler(1); ++n) m.system.serve(m.core.run(100).why);
  ASSERT_EQ(m.c.rip, handler(1));
  EXPECT_EQ(m.frame(0), kCodeAt + 8);
  EXPECT_EQ(m.c.r[kRcx], 1u);
  EXPECT_EQ(m.c.dr[6] & 0xf, 2u);
  EXPECT_EQ(m.frame(2) & rflags::kRF, 0u);
  // The handler sets RF in the frame: the instruction is executed, and a second time stops again.
  m.poke<u64>(m.c.r[kRsp] + 16, m.frame(2) | rflags::kRF);
  EXPECT_EQ(m.run(), System::Next::kHalted);
  EXPECT_EQ(m.c.r[kRcx], 2u);
  EXPECT_EQ(m.debug.exceptions, 1u);
}

TEST(SystemStep, a_disabled_breakpoint_costs_nothing_and_stops_nobody) {
  SupervisorMachine m;
  m.c.dr[0] = kCodeAt;
  m.c.dr[7] = 0x400 | 1 << 16 | 1;  // a data breakpoint
  update_breakpoints(m.c);
  m.load({0x90, 0xf4});
  EXPECT_EQ(m.run(), System::Next::kHalted);
  EXPECT_EQ(m.debug.exceptions, 0u);
}

}  // namespace
}  // namespace lastbranch::cpu
