// Privileges and translations: what a page fault does to deliveries, and what changes of privilege, MOV CR3
// and INVLPG do to the caches of translations and code.
#include <gtest/gtest.h>

#include "models/cpu/control.h"
#include "tests/cpu/system_machine.h"

namespace lastbranch::cpu {
namespace {

/// A page that only the supervisor may touch stays so after the supervisor has touched it.
TEST(SystemPaging, each_privilege_has_translations_of_its_own) {
  SupervisorMachine m;
  m.map.supervisor.insert(kOperands);
  m.set_gate(0x80, kKernelCode, kCodeAt, 14, 3);
  m.load({0x48, 0x8b, 0x04, 0x25, 0, 0, 3, 0, 0x48, 0xcf}, kCodeAt);  // mov rax, [0x30000]; iretq
  m.poke<u64>(kOperands, 77);
  m.enter_user();
  // int 0x80; mov rbx, [0x30000]
  m.load({0xcd, 0x80, 0x48, 0x8b, 0x1c, 0x25, 0, 0, 3, 0});
  m.run(5);
  EXPECT_EQ(m.c.r[kRax], 77u);
  EXPECT_EQ(m.c.r[kRbx], 0u);
  EXPECT_EQ(m.c.cr2, kOperands);
  EXPECT_EQ(m.frame(0), u64{pf::kUser | pf::kPresent});
  EXPECT_EQ(m.frame(1), kUserCodeAt + 2);
}

TEST(SystemPaging, a_users_page_fault_tells_access_and_privilege) {
  struct Case {
    std::vector<u8> code;
    u64 error;
  };
  const Case cases[] = {
      {{0x8b, 0x07}, pf::kUser | pf::kPresent},                     // mov eax, [rdi]
      {{0x89, 0x07}, pf::kUser | pf::kPresent | pf::kWrite},        // mov [rdi], eax
      {{0xff, 0xe7}, pf::kUser | pf::kPresent | pf::kFetch},        // jmp rdi
      {{0x0f, 0x01, 0x07}, pf::kUser | pf::kPresent | pf::kWrite},  // sgdt [rdi]
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.map.supervisor.insert(kOperands);
    m.enter_user();
    m.c.r[kRdi] = kOperands + 8;
    m.load(t.code);
    for (unsigned n = 0; n < 2 && m.c.rip != handler(14); ++n) m.step();
    ASSERT_EQ(m.c.rip, handler(14));
    EXPECT_EQ(m.frame(0), t.error);
    EXPECT_EQ(m.c.cr2, kOperands + 8);
  }
}

/// Tables and stacks of deliveries are the supervisor's, whoever is interrupted.
TEST(SystemPaging, deliveries_from_the_user_reach_supervisor_pages) {
  SupervisorMachine m;
  m.map.supervisor = {kGdtAt, kIdtAt, kTssAt, kRsp0 - kPageSize, page_of(handler(6))};
  m.enter_user();
  m.load({0x0f, 0x0b});
  EXPECT_EQ(step_and_tell(m), (Raised{6, 0}));
}

TEST(SystemPaging, page_faults_while_delivering_replace_or_double) {
  struct Case {
    Vector first;
    int delivered;
  };
  const Case cases[] = {{Vector::kUD, 14}, {Vector::kGP, 14}, {Vector::kPF, 8}};
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.map.absent.insert(kIst1 - kPageSize);
    m.set_gate(static_cast<unsigned>(t.first), kKernelCode, handler(0), 14, 0, 1);
    m.c.rip = kCodeAt;
    Fault fault{.vector = t.first};
    fault.has_error = t.first != Vector::kUD;
    m.system.deliver(Event::fault(fault));
    EXPECT_EQ(m.c.rip, handler(static_cast<unsigned>(t.delivered)));
    EXPECT_EQ(m.c.cr2, kIst1 - (fault.has_error ? 48 : 40));
    EXPECT_EQ(m.frame(0), t.delivered == 14 ? pf::kWrite : 0u);
  }
}

TEST(SystemPaging, an_int_n_that_cannot_push_is_done_again_later) {
  SupervisorMachine m;
  m.set_gate(14, kKernelCode, handler(14), 14, 0, 1);
  m.map.absent.insert(kKernelStack - kPageSize);
  m.load({0xcd, 0x80});
  EXPECT_EQ(step_and_tell(m).vector, 14);
  EXPECT_EQ(m.frame(1), kCodeAt);
  EXPECT_EQ(m.ledger.total(Ev::kInstructions), 0u);
}

TEST(SystemPaging, string_input_keeps_what_it_has_done) {
  SupervisorMachine m;
  m.map.absent.insert(kOperands + kPageSize);
  m.c.r[kRdi] = kOperands + kPageSize - 3;
  m.c.r[kRcx] = 10;
  m.c.r[kRdx] = 0x60;
  m.load({0xf3, 0x6c});
  EXPECT_EQ(step_and_tell(m).vector, 14);
  EXPECT_EQ(m.frame(1), kCodeAt);
  EXPECT_EQ(m.c.r[kRcx], 7u);
  EXPECT_EQ(m.c.r[kRdi], kOperands + kPageSize);
  EXPECT_EQ(m.ledger.total(Ev::kInstructions), 0u);
}

/// Old translations live until they are told to go.
TEST(SystemPaging, mov_cr3_and_invlpg_forget_translations) {
  for (const bool invlpg : {false, true}) {
    SupervisorMachine m;
    m.map.is_fixed = false;
    m.poke<u64>(kOperands, 1);
    m.poke<u64>(kOperands + kPageSize, 2);
    m.c.r[kRdi] = kOperands;
    // mov rax, [rdi]; nop; mov rbx, [rdi]; mov cr3, rsi or invlpg [rdi]; mov rcx, [rdi]
    std::vector<u8> code = {0x48, 0x8b, 0x07, 0x90, 0x48, 0x8b, 0x1f};
    const std::vector<u8> forget =
        invlpg ? std::vector<u8>{0x0f, 0x01, 0x3f} : std::vector<u8>{0x0f, 0x22, 0xde};
    code.insert(code.end(), forget.begin(), forget.end());
    code.insert(code.end(), {0x48, 0x8b, 0x0f});
    m.load(code);
    m.step();
    m.map.moved[kOperands] = kOperands + kPageSize;
    for (unsigned n = 0; n < 4; ++n) m.step();
    EXPECT_EQ(m.c.r[kRax], 1u);
    EXPECT_EQ(m.c.r[kRbx], 1u);
    EXPECT_EQ(m.c.r[kRcx], 2u);
  }
}

TEST(SystemPaging, code_that_moved_is_found_at_its_new_place) {
  SupervisorMachine m;
  m.map.is_fixed = false;
  const u64 page = kUserCodeAt;
  m.load({0xff, 0xc0, 0xc3}, page);              // inc eax; ret
  m.load({0xff, 0xc8, 0xc3}, page + kPageSize);  // dec eax; ret
  // again: call rdi; dec ecx; jnz again; mov cr3, rsi; call rdi; call rdi; hlt
  m.load({0xff, 0xd7, 0xff, 0xc9, 0x75, 0xfa, 0x0f, 0x22, 0xde, 0xff, 0xd7, 0xff, 0xd7, 0xf4});
  m.c.r[kRdi] = page;
  m.c.r[kRcx] = 20;
  while (m.c.rip != kCodeAt + 6) m.step();
  EXPECT_EQ(m.c.r[kRax], 20u);
  m.map.moved[page] = page + kPageSize;
  EXPECT_EQ(m.run(), System::Next::kHalted);
  EXPECT_EQ(m.c.r[kRax], 18u);
}

/// The table decides after privilege and before the instruction.
TEST(SystemPaging, intercepts_leave_before_any_effect) {
  for (const Action action : {Action::kExit, Action::kFault, Action::kExecute}) {
    for (const u8 cpl : {u8{0}, u8{3}}) {
      SupervisorMachine m;
      m.c.intercept[static_cast<std::size_t>(Sensitive::kRdmsr)] = action;
      if (cpl == 3) m.enter_user();
      m.c.r[kRcx] = 0x277;
      m.load({0x0f, 0x32});
      const Exit why = m.core.run(1).why;
      const bool faults = cpl == 3 || action == Action::kFault;
      EXPECT_EQ(why, faults ? Exit::kFault : action == Action::kExit ? Exit::kIntercept : Exit::kSystem);
      if (why == Exit::kIntercept) {
        EXPECT_EQ(m.c.sensitive, Sensitive::kRdmsr);
      }
      EXPECT_EQ(m.c.rip, cpl == 3 ? kUserCodeAt : kCodeAt);
      EXPECT_EQ(m.c.r[kRax], 0u);
      EXPECT_EQ(m.ledger.total(Ev::kInstructions), 0u);
    }
  }
}

}  // namespace
}  // namespace lastbranch::cpu
