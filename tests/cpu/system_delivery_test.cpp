// Delivery through the IDT: frames word by word, checks of gates, segments and stacks, double and triple
// faults, and what is recorded.
#include <gtest/gtest.h>

#include "tests/cpu/system_machine.h"

namespace lastbranch::cpu {
namespace {

constexpr u64 kFlags = rflags::kFixed1 | rflags::kIF | rflags::kCF;

/// A #UD from CPL 0: same stack, aligned, no error code, RF in the pushed flags.
TEST(SystemDelivery, a_fault_at_cpl_0_pushes_five_words_on_the_same_stack) {
  SupervisorMachine m;
  m.c.r[kRsp] = kKernelStack + 5;
  m.c.set_flags(kFlags | rflags::kNT);
  m.load({0x0f, 0x0b});
  EXPECT_EQ(step_and_tell(m), (Raised{6, 0}));
  EXPECT_EQ(m.c.r[kRsp], kKernelStack - 40);
  EXPECT_EQ(m.frame(0), kCodeAt);
  EXPECT_EQ(m.frame(1), kKernelCode);
  EXPECT_EQ(m.frame(2), kFlags | rflags::kNT | rflags::kRF);
  EXPECT_EQ(m.frame(3), kKernelStack + 5);
  EXPECT_EQ(m.frame(4), kKernelData);
  EXPECT_EQ(m.c.flags(), rflags::kFixed1 | rflags::kCF);  // IF and NT off
  EXPECT_EQ(m.c.selector[kSs], kKernelData);
  EXPECT_EQ(m.c.cpl, 0);
}

/// A #PF from CPL 3: RSP0, null SS, error code, CR2.
TEST(SystemDelivery, a_page_fault_at_cpl_3_switches_the_stack) {
  SupervisorMachine m;
  m.enter_user();
  m.c.set_flags(kFlags);
  m.load({0x90});
  m.system.deliver(Event::fault(page_fault(0xdead000, pf::kUser | pf::kWrite)));
  EXPECT_EQ(m.c.rip, handler(14));
  EXPECT_EQ(m.c.cpl, 0);
  EXPECT_EQ(m.c.r[kRsp], kRsp0 - 48);
  EXPECT_EQ(m.frame(0), pf::kUser | pf::kWrite);
  EXPECT_EQ(m.frame(1), kUserCodeAt);
  EXPECT_EQ(m.frame(2), kUserCode);
  EXPECT_EQ(m.frame(3), kFlags | rflags::kRF);
  EXPECT_EQ(m.frame(4), kUserStack);
  EXPECT_EQ(m.frame(5), kUserData);
  EXPECT_EQ(m.c.selector[kSs], 0);
  EXPECT_EQ(m.c.selector[kCs], kKernelCode);
  EXPECT_EQ(m.c.cr2, 0xdead000u);
}

TEST(SystemDelivery, ist_and_trap_gates_do_as_they_say) {
  SupervisorMachine m;
  m.set_gate(2, kKernelCode, handler(2), 14, 0, 1);
  m.set_gate(0x40, kKernelCode, handler(0x40), 15);
  m.c.set_flags(kFlags);
  m.c.rip = kCodeAt;
  m.system.deliver(Event::nmi());
  EXPECT_EQ(m.c.r[kRsp], kIst1 - 40);
  EXPECT_EQ(m.frame(2), kFlags);  // not a fault: no RF
  EXPECT_EQ(m.frame(3), kKernelStack);
  EXPECT_FALSE(m.system.nmi_allowed());
  EXPECT_EQ(m.c.flags() & rflags::kIF, 0u);
  m.c.set_flags(kFlags);
  m.system.deliver(Event::interrupt(0x40));
  EXPECT_EQ(m.c.flags() & rflags::kIF, rflags::kIF);
}

// Rows: lbr-6-fault, lbr-6-interrupt, lbr-6-int-n
TEST(SystemDelivery, records_and_counts_follow_the_kind_of_event) {
  struct Case {
    std::vector<u8> code;
    bool interrupt;
    BranchKind kind;
    u64 from, to;
    u64 instructions, far;
  };
  const Case cases[] = {
      {{0x0f, 0x0b}, false, BranchKind::kException, kUserCodeAt, handler(6), 0, 1},
      {{0xcd, 0x80}, false, BranchKind::kSoftInt, kUserCodeAt, handler(0x80), 1, 1},
      {{0xcc}, false, BranchKind::kSoftInt, kUserCodeAt, handler(3), 1, 1},
      {{0x90}, true, BranchKind::kInterrupt, kUserCodeAt + 1, handler(0x41), 1, 1},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.set_gate(0x80, kKernelCode, handler(0x80), 14, 3);
    m.set_gate(3, kKernelCode, handler(3), 14, 3);
    m.enter_user();
    m.load(t.code);
    m.step();
    if (t.interrupt) m.system.deliver(Event::interrupt(0x41));
    ASSERT_EQ(m.log.branches.size(), 1u);
    EXPECT_EQ(m.last().kind, t.kind);
    EXPECT_EQ(m.last().from, t.from);
    EXPECT_EQ(m.last().to, t.to);
    EXPECT_EQ(m.last().cpl_from, 3);
    EXPECT_EQ(m.last().cpl_to, 0);
    EXPECT_EQ(m.ledger.total(Ev::kInstructions, Ctx::kHostUser), t.instructions);
    EXPECT_EQ(m.ledger.total(Ev::kInstructions), t.instructions);
    EXPECT_EQ(m.ledger.total(Ev::kFarBranches, Ctx::kHostUser), t.far);
    EXPECT_EQ(m.ledger.total(Ev::kBranches), t.far);
    if (t.kind == BranchKind::kSoftInt) {
      EXPECT_EQ(m.frame(0), kUserCodeAt + t.code.size());
    }
    if (t.kind == BranchKind::kSoftInt) {
      EXPECT_EQ(m.frame(2) & rflags::kRF, 0u);
    }
  }
}

// Rows: lbr-6-db
TEST(SystemDelivery, int_n_needs_the_gates_privilege_and_int1_does_not) {
  struct Case {
    std::vector<u8> code;
    u64 error;
  };
  const Case refused[] = {{{0xcd, 0x80}, 0x80 * 8 + 2}, {{0xcc}, 3 * 8 + 2}, {{0xcd, 0x01}, 1 * 8 + 2}};
  for (const Case& t : refused) {
    SupervisorMachine m;
    m.enter_user();
    m.load(t.code);
    EXPECT_EQ(step_and_tell(m), (Raised{13, t.error}));
    EXPECT_EQ(m.frame(1), kUserCodeAt);
    EXPECT_EQ(m.ledger.total(Ev::kInstructions), 0u);
    EXPECT_EQ(m.last().kind, BranchKind::kException);
  }
  SupervisorMachine m;
  m.enter_user();
  m.load({0xf1});
  m.step();
  EXPECT_EQ(m.c.rip, handler(1));
  EXPECT_EQ(m.frame(0), kUserCodeAt + 1);
  EXPECT_EQ(m.debug.exceptions, 1u);
  EXPECT_TRUE(m.log.branches.empty());  // a #DB's delivery is no record
  EXPECT_EQ(m.c.dr[6], 0xffff0ff0u);
}

/// What is wrong with the gate, its code segment or its stack decides the second fault.
TEST(SystemDelivery, broken_gates_raise_what_the_manual_says) {
  struct Case {
    const char* name;
    void (*breaks)(SupervisorMachine&);
    Raised raised;
  };
  constexpr unsigned kV = 0x50;
  constexpr u64 kError = kV * 8 + 2 + 1;
  const Case cases[] = {
      {"beyond the limit", [](SupervisorMachine& m) { m.c.idtr.limit = kV * 16 + 14; }, {13, kError}},
      {"call gate", [](SupervisorMachine& m) { m.set_gate(kV, kKernelCode, handler(kV), 12); }, {13, kError}},
      {"absent",
       [](SupervisorMachine& m) { m.set_gate(kV, kKernelCode, handler(kV), 14, 0, 0, false); },
       {11, kError}},
      {"null code", [](SupervisorMachine& m) { m.set_gate(kV, 0, handler(kV)); }, {13, 1}},
      {"data", [](SupervisorMachine& m) { m.set_gate(kV, kKernelData, handler(kV)); }, {13, kKernelData + 1}},
      {"32-bit code", [](SupervisorMachine& m) { m.set_gate(kV, kCode32, handler(kV)); }, {13, kCode32 + 1}},
      {"absent code",
       [](SupervisorMachine& m) { m.set_gate(kV, kAbsentCode, handler(kV)); },
       {11, kAbsentCode + 1}},
      {"user code",
       [](SupervisorMachine& m) { m.set_gate(kV, kUserCode, handler(kV)); },
       {13, (kUserCode & 0xfffc) + 1}},
      {"code beyond the GDT",
       [](SupervisorMachine& m) { m.set_gate(kV, kBeyond, handler(kV)); },
       {13, kBeyond + 1}},
      {"handler not canonical",
       [](SupervisorMachine& m) { m.set_gate(kV, kKernelCode, u64{1} << 47); },
       {13, 1}},
      {"TSS too short",
       [](SupervisorMachine& m) {
         m.set_gate(kV, kKernelCode, handler(kV), 14, 0, 1);
         m.c.tr.limit = 42;
       },
       {10, kTss + 1}},
      {"stack not canonical",
       [](SupervisorMachine& m) {
         m.set_gate(kV, kKernelCode, handler(kV), 14, 0, 1);
         m.poke<u64>(kTssAt + 36, u64{1} << 47 | 0x1000);
       },
       {12, 1}},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    t.breaks(m);
    m.c.rip = kCodeAt;
    m.system.deliver(Event::interrupt(kV));
    EXPECT_EQ(m.c.rip, handler(static_cast<unsigned>(t.raised.vector))) << t.name;
    EXPECT_EQ(m.frame(0), t.raised.error) << t.name;
    EXPECT_EQ(m.frame(1), kCodeAt) << t.name;
    ASSERT_EQ(m.log.branches.size(), 1u) << t.name;
  }
}

TEST(SystemDelivery, a_conforming_handler_keeps_the_privilege) {
  SupervisorMachine m;
  m.set_gate(0x50, kConformingCode, handler(0x50), 14, 3);
  m.enter_user();
  m.load({0xcd, 0x50});
  m.step();
  EXPECT_EQ(m.c.cpl, 3);
  EXPECT_EQ(m.c.rip, handler(0x50));
  EXPECT_EQ(m.c.selector[kCs], kConformingCode | 3);
  EXPECT_EQ(m.c.r[kRsp], kUserStack - 40);
}

TEST(SystemDelivery, contributory_faults_become_a_double_fault) {
  struct Case {
    unsigned first;  ///< whose gate is broken
    bool broken_is_absent;
    int delivered;
  };
  const Case cases[] = {
      {13, true, 8},  // #GP, then #NP
      {14, true, 8},  // #PF, then #NP
      {0, true, 8},   // #DE, then #NP
      {6, true, 11},  // #UD is benign: #NP alone
      {7, true, 11},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.set_gate(t.first, kKernelCode, handler(t.first), 14, 0, 0, false);
    m.c.rip = kCodeAt;
    Fault fault{.vector = static_cast<Vector>(t.first)};
    fault.has_error = t.first >= 10;
    EXPECT_EQ(m.system.deliver(Event::fault(fault)), System::Next::kRun);
    EXPECT_EQ(m.c.rip, handler(static_cast<unsigned>(t.delivered))) << t.first;
    EXPECT_EQ(m.frame(0), t.delivered == 8 ? 0 : t.first * 8 + 3);
    EXPECT_EQ(m.frame(1), kCodeAt);
    ASSERT_EQ(m.log.branches.size(), 1u);
  }
}

TEST(SystemDelivery, a_fault_while_delivering_a_double_fault_shuts_down) {
  SupervisorMachine m;
  m.c.idtr.limit = 0;
  m.load({0x0f, 0x0b});
  EXPECT_EQ(m.step(), System::Next::kShutdown);
  EXPECT_TRUE(m.system.shut_down());
  EXPECT_EQ(m.system.deliver(Event::nmi()), System::Next::kShutdown);
  m.system.reset();
  EXPECT_FALSE(m.system.shut_down());
}

TEST(SystemDelivery, error_codes_of_faults_reach_the_frame) {
  SupervisorMachine m;
  m.c.r[kRax] = kBeyond;
  m.load({0x8e, 0xd8});  // mov ds, ax
  EXPECT_EQ(step_and_tell(m), (Raised{13, kBeyond}));
  EXPECT_EQ(m.c.r[kRsp], kKernelStack - 48);
}

/// The TLB's banks: what the user wrote is what the supervisor reads, and code is decoded per privilege.
TEST(SystemDelivery, memory_and_code_are_seen_alike_from_both_privileges) {
  SupervisorMachine m;
  m.set_gate(0x80, kKernelCode, kCodeAt, 14, 3);
  // kernel: inc qword [0x30000]; iretq
  m.load({0x48, 0xff, 0x04, 0x25, 0, 0, 3, 0, 0x48, 0xcf}, kCodeAt);
  m.enter_user();
  // user: again: inc qword [0x30000]; int 0x80; dec ecx; jnz again; hlt
  m.load({0x48, 0xff, 0x04, 0x25, 0, 0, 3, 0, 0xcd, 0x80, 0xff, 0xc9, 0x75, 0xf2, 0xf4});
  m.c.r[kRcx] = 50;
  m.run(10000);
  EXPECT_EQ(m.peek<u64>(kOperands), 100u);
  EXPECT_EQ(m.ledger.total(Ev::kInstructions, Ctx::kHostUser), 50u * 4);
  EXPECT_EQ(m.ledger.total(Ev::kInstructions, Ctx::kHostKernel), 50u * 2 + 1);  // and the handler's HLT
  EXPECT_EQ(m.ledger.total(Ev::kCycles, Ctx::kHostUser), 50u * 4);
  EXPECT_EQ(m.ledger.total(Ev::kCycles, Ctx::kHostKernel), 50u * 2 + 1);
  EXPECT_EQ(m.ledger.total(Ev::kFarBranches, Ctx::kHostKernel), 50u);
  EXPECT_EQ(m.ledger.total(Ev::kFarBranches, Ctx::kHostUser), 51u);
}

/// The same code at CPL 0 and 1: counted as USR and OS have it, announced with the level it ran at.
TEST(SystemDelivery, levels_one_and_two_count_as_user) {
  for (const u8 cpl : {u8{1}, u8{2}}) {
    SupervisorMachine m;
    const std::vector<u8> loop = {0x31, 0xc0, 0x75, 0x02, 0xeb, 0x00, 0x48, 0x8d,
                                  0x05, 1,    0,    0,    0,    0xff, 0xe0};
    for (const u8 level : {u8{0}, cpl, u8{0}, cpl}) {
      m.core.fold();
      set_cpl(m.c, level);
      m.c.rip = kCodeAt;
      m.load(loop);
      const u64 before = m.ledger.total(Ev::kInstructions, level == 0 ? Ctx::kHostKernel : Ctx::kHostUser);
      m.core.run(6);
      EXPECT_EQ(m.ledger.total(Ev::kInstructions, level == 0 ? Ctx::kHostKernel : Ctx::kHostUser) - before,
                6u);
      EXPECT_EQ(m.last().cpl_from, level);
    }
    m.enter_user();
    m.load({0x90});
    m.core.run(1);
    EXPECT_EQ(m.ledger.total(Ev::kInstructions, Ctx::kHostUser), 13u);
  }
}

/// A store by one privilege into code that the other has run.
TEST(SystemDelivery, code_written_at_one_privilege_is_decoded_anew_at_the_other) {
  SupervisorMachine m;
  m.set_gate(0x80, kKernelCode, kCodeAt, 14, 3);
  // kernel: mov byte [0x20001], 7; iretq
  m.load({0xc6, 0x04, 0x25, 1, 0, 2, 0, 7, 0x48, 0xcf}, kCodeAt);
  m.enter_user();
  // user: mov al, 5; add bl, al; int 0x80; jmp to the start, twice
  m.load({0xb0, 5, 0x00, 0xc3, 0xcd, 0x80, 0xff, 0xc9, 0x75, 0xf6, 0xf4});
  m.c.r[kRcx] = 2;
  m.run(10000);
  EXPECT_EQ(m.c.r[kRbx], 12u);
}

}  // namespace
}  // namespace lastbranch::cpu
