// Control and debug registers, descriptor tables, flags and MSRs, each with its faults.
#include <gtest/gtest.h>

#include "tests/cpu/system_machine.h"

namespace lastbranch::cpu {
namespace {

constexpr u64 kTop = u64{1} << 63;
const Raised kGp0{13, 0}, kUd{6, 0}, kDone{};

/// Every instruction that only CPL 0 may execute, and what CPL 3 gets.
TEST(SystemControl, privileged_instructions_raise_gp_at_cpl_3) {
  const std::vector<std::vector<u8>> kPrivileged = {
      {0x0f, 0x01, 0x17},        // lgdt [rdi]
      {0x0f, 0x01, 0x1f},        // lidt [rdi]
      {0x0f, 0x00, 0xd0},        // lldt ax
      {0x0f, 0x00, 0xd8},        // ltr ax
      {0x0f, 0x01, 0xf0},        // lmsw ax
      {0x0f, 0x06},              // clts
      {0x0f, 0x22, 0xc0},        // mov cr0, rax
      {0x0f, 0x20, 0xc0},        // mov rax, cr0
      {0x44, 0x0f, 0x20, 0xc0},  // mov rax, cr8
      {0x0f, 0x23, 0xf8},        // mov dr7, rax
      {0x0f, 0x21, 0xf0},        // mov rax, dr6
      {0x0f, 0x01, 0x3f},        // invlpg [rdi]
      {0x0f, 0x08},              // invd
      {0x0f, 0x09},              // wbinvd
      {0x0f, 0x32},              // rdmsr
      {0x0f, 0x30},              // wrmsr
      {0x0f, 0x33},              // rdpmc
      {0xf4},                    // hlt
      {0xfa},                    // cli
      {0xfb},                    // sti
      {0xec},                    // in al, dx
      {0xee},                    // out dx, al
      {0x6c},                    // insb
      {0x6e},                    // outsb
      {0x0f, 0x01, 0xf8},        // swapgs
      {0x48, 0x0f, 0x35},        // sysexit
  };
  for (const auto& code : kPrivileged) {
    SupervisorMachine m;
    m.enter_user();
    m.c.r[kRdi] = kOperands;
    m.c.r[kRcx] = 0x10;
    m.c.r[kRdx] = 0x3f8;
    m.load(code);
    EXPECT_EQ(step_and_tell(m), kGp0) << std::hex << int{code[0]} << " " << int{code[1]};
    EXPECT_EQ(m.frame(1), kUserCodeAt);
    EXPECT_EQ(m.ledger.total(Ev::kInstructions), 0u);
  }
}

TEST(SystemControl, writes_of_control_registers_are_checked) {
  struct Case {
    u8 cr;
    u64 value;
    Raised raised;
    u64 after;
  };
  const u64 cr0 = 0x80010033, cr4 = 0x6a0;
  const Case cases[] = {
      {0, cr0 | 8, kDone, cr0 | 8},
      {0, cr0 & ~0x10u, kDone, cr0},  // ET stays
      {0, cr0 | 0x1000, kDone, cr0},  // reserved, ignored
      {0, cr0 | u64{1} << 32, kGp0, cr0},
      {0, cr0 & ~u64{0x80000000}, kGp0, cr0},
      {0, cr0 & ~u64{1}, kGp0, cr0},
      {0, cr0 | 0x20000000, kGp0, cr0},  // NW without CD
      {0, cr0 | 0x60000000, kDone, cr0 | 0x60000000},
      {2, 0xdeadbeef00, kDone, 0xdeadbeef00},
      {3, 0x5000, kDone, 0x5000},
      {3, u64{1} << 52, kGp0, 0},
      {3, kTop, kGp0, 0},
      {4, cr4 | 0x100, kDone, cr4 | 0x100},
      {4, cr4 & ~u64{0x20}, kGp0, cr4},  // PAE
      {4, cr4 | 0x1000, kGp0, cr4},
      {4, cr4 | u64{1} << 31, kGp0, cr4},
      {4, cr4 | 0x40000, kGp0, cr4},  // OSXSAVE: CPUID has no XSAVE
      {8, 15, kDone, 15},
      {8, 16, kGp0, 0},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.c.r[kRax] = t.value;
    if (t.cr == 8)
      m.load({0x44, 0x0f, 0x22, 0xc0});
    else
      m.load({0x0f, 0x22, static_cast<u8>(0xc0 | t.cr << 3)});
    EXPECT_EQ(step_and_tell(m), t.raised) << int{t.cr} << " " << std::hex << t.value;
    if (t.cr == 8)
      m.load({0x44, 0x0f, 0x20, 0xc3});
    else
      m.load({0x0f, 0x20, static_cast<u8>(0xc3 | t.cr << 3)});
    EXPECT_EQ(step_and_tell(m), kDone);
    EXPECT_EQ(m.c.r[kRbx], t.after) << int{t.cr} << " " << std::hex << t.value;
  }
}

TEST(SystemControl, lmsw_smsw_and_clts_see_the_low_word) {
  SupervisorMachine m;
  m.c.r[kRax] = 0xffff;
  m.load({0x0f, 0x01, 0xf0});  // lmsw ax
  m.step();
  EXPECT_EQ(m.c.cr0, 0x8001003fu);
  m.load({0x0f, 0x06});
  m.step();
  EXPECT_EQ(m.c.cr0, 0x80010037u);
  m.c.r[kRax] = 0;
  m.load({0x0f, 0x01, 0xf0});
  m.step();
  EXPECT_EQ(m.c.cr0, 0x80010031u);  // PE cannot be cleared
  m.c.r[kRbx] = ~u64{0};
  m.load({0x48, 0x0f, 0x01, 0xe3});  // smsw rbx
  m.step();
  EXPECT_EQ(m.c.r[kRbx], m.c.cr0);
  m.c.r[kRdi] = kOperands;
  m.poke<u64>(kOperands, ~u64{0});
  m.load({0x0f, 0x01, 0x27});  // smsw [rdi]
  m.step();
  EXPECT_EQ(m.peek<u64>(kOperands), 0xffffffffffff0031u);
}

TEST(SystemControl, debug_registers_have_fixed_bits_and_aliases) {
  struct Case {
    u8 dr;
    u64 value, after;
    Raised raised;
    u64 cr4;
  };
  const Case cases[] = {
      {0, 0x1234567890, 0x1234567890, kDone, 0x6a0},
      {3, ~u64{0}, ~u64{0}, kDone, 0x6a0},
      {6, 0, 0xffff0ff0, kDone, 0x6a0},
      {6, 0xffffffff, 0xffffefff, kDone, 0x6a0},
      {6, u64{1} << 32, 0xffff0ff0, kGp0, 0x6a0},
      {7, 0, 0x400, kDone, 0x6a0},
      {7, 0xffffdfff, 0xffff07ff, kDone, 0x6a0},  // without GD
      {7, u64{1} << 32, 0x400, kGp0, 0x6a0},
      {4, 0, 0xffff0ff0, kDone, 0x6a0},
      {5, 0, 0x400, kDone, 0x6a0},
      {4, 0, 0, kUd, 0x6a8},
      {5, 0, 0, kUd, 0x6a8},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.c.cr4 = t.cr4;
    m.c.r[kRax] = t.value;
    m.load({0x0f, 0x23, static_cast<u8>(0xc0 | t.dr << 3)});
    EXPECT_EQ(step_and_tell(m), t.raised) << int{t.dr} << " " << std::hex << t.value;
    m.load({0x0f, 0x21, static_cast<u8>(0xc3 | t.dr << 3)});
    const Raised read = step_and_tell(m);
    EXPECT_EQ(read, t.raised == kUd ? kUd : kDone);
    if (read == kDone) {
      EXPECT_EQ(m.c.r[kRbx], t.after) << int{t.dr} << " " << std::hex << t.value;
    }
  }
}

TEST(SystemControl, general_detect_guards_the_debug_registers) {
  SupervisorMachine m;
  m.c.dr[7] = 0x2400;
  m.load({0x0f, 0x21, 0xf0});  // mov rax, dr6
  EXPECT_EQ(step_and_tell(m).vector, 1);
  EXPECT_EQ(m.c.dr[6] & 0x2000, 0x2000u);
  EXPECT_EQ(m.c.dr[7], 0x400u);  // so that the handler can look
  EXPECT_EQ(m.frame(0), kCodeAt);
  EXPECT_EQ(m.debug.exceptions, 1u);
}

TEST(SystemControl, table_registers_are_loaded_and_stored) {
  SupervisorMachine m;
  m.c.r[kRdi] = kOperands;
  m.poke<u16>(kOperands, 0x7f);
  m.poke<u64>(kOperands + 2, 0xffff800000001000);
  m.load({0x0f, 0x01, 0x1f});  // lidt [rdi]
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.idtr.limit, 0x7f);
  EXPECT_EQ(m.c.idtr.base, 0xffff800000001000u);
  m.poke<u64>(kOperands + 2, 0x123456);
  m.load({0x0f, 0x01, 0x17});  // lgdt [rdi]
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.gdtr.base, 0x123456u);
  m.load({0x0f, 0x01, 0x47, 0x40});  // sgdt [rdi + 64]
  m.step();
  m.load({0x0f, 0x01, 0x4f, 0x50});  // sidt [rdi + 80]
  m.step();
  EXPECT_EQ(m.peek<u16>(kOperands + 64), 0x7f);
  EXPECT_EQ(m.peek<u64>(kOperands + 66), 0x123456u);
  EXPECT_EQ(m.peek<u64>(kOperands + 82), 0xffff800000001000u);

  SupervisorMachine bad;
  bad.c.r[kRdi] = kOperands;
  bad.poke<u64>(kOperands + 2, u64{1} << 47);
  bad.load({0x0f, 0x01, 0x17});
  EXPECT_EQ(step_and_tell(bad), kGp0);
  EXPECT_EQ(bad.c.gdtr.base, kGdtAt);
}

TEST(SystemControl, stores_of_system_registers_are_for_all_without_umip) {
  const std::vector<std::vector<u8>> kStores = {
      {0x0f, 0x01, 0x07}, {0x0f, 0x01, 0x0f}, {0x0f, 0x00, 0xc0}, {0x0f, 0x00, 0xc8}, {0x0f, 0x01, 0xe0}};
  for (const auto& code : kStores) {
    for (const bool umip : {false, true}) {
      SupervisorMachine m;
      m.enter_user();
      m.c.r[kRdi] = kOperands;
      if (umip) m.c.cr4 |= cr4::kUmip;
      m.load(code);
      EXPECT_EQ(step_and_tell(m), umip ? kGp0 : kDone);
    }
  }
}

TEST(SystemControl, task_register_and_ldt_take_their_descriptors) {
  struct Case {
    u8 modrm;  ///< 0f 00 /2 lldt, /3 ltr, with ax
    u16 selector;
    Raised raised;
  };
  const Case cases[] = {
      {0xd0, kLdt, kDone},
      {0xd0, 0, kDone},
      {0xd0, kTss, {13, kTss}},
      {0xd0, kKernelCode, {13, kKernelCode}},
      {0xd0, kBeyond, {13, kBeyond}},
      {0xd0, kLdt | 4, {13, kLdt | 4}},
      {0xd8, kTss, kDone},
      {0xd8, 0, kGp0},
      {0xd8, kLdt, {13, kLdt}},
      {0xd8, kAbsentTss, {11, kAbsentTss}},
      {0xd8, kBeyond, {13, kBeyond}},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.c.r[kRax] = t.selector;
    m.load({0x0f, 0x00, t.modrm});
    EXPECT_EQ(step_and_tell(m), t.raised) << std::hex << int{t.modrm} << " " << t.selector;
  }
  SupervisorMachine m;
  m.c.tr = {};
  m.c.r[kRax] = kTss;
  m.load({0x0f, 0x00, 0xd8});
  m.step();
  EXPECT_EQ(m.c.tr.base, kTssAt);
  EXPECT_EQ(m.c.tr.limit, kTssLimit);
  EXPECT_EQ(m.peek<u8>(kGdtAt + kTss + 5) & 0xf, 11);  // busy
  m.load({0x0f, 0x00, 0xd8});
  EXPECT_EQ(step_and_tell(m), (Raised{13, kTss}));
  m.c.r[kRax] = ~u64{0};
  m.load({0x0f, 0x00, 0xc8});  // str eax
  m.step();
  EXPECT_EQ(m.c.r[kRax], kTss);
}

TEST(SystemControl, sti_holds_interrupts_off_for_one_instruction) {
  SupervisorMachine m;
  EXPECT_FALSE(m.system.interrupts_allowed());
  m.load({0xfb, 0x90, 0xfb, 0xfa});  // sti; nop; sti; cli
  m.step();
  EXPECT_TRUE(m.system.shadowed());
  EXPECT_FALSE(m.system.interrupts_allowed());
  EXPECT_TRUE(m.system.nmi_allowed());
  m.step();
  EXPECT_TRUE(m.system.interrupts_allowed());
  m.step();  // IF was set already: no shadow
  EXPECT_TRUE(m.system.interrupts_allowed());
  m.step();
  EXPECT_FALSE(m.system.interrupts_allowed());
}

TEST(SystemControl, a_load_of_ss_holds_off_nmis_too) {
  SupervisorMachine m;
  m.c.system_flags |= rflags::kIF;
  m.c.r[kRax] = kKernelData;
  m.load({0x8e, 0xd0, 0x90});  // mov ss, ax; nop
  m.step();
  EXPECT_FALSE(m.system.interrupts_allowed());
  EXPECT_FALSE(m.system.nmi_allowed());
  m.step();
  EXPECT_TRUE(m.system.interrupts_allowed());
  EXPECT_TRUE(m.system.nmi_allowed());
}

/// POPF by privilege and IOPL: which of IF and IOPL it changes.
TEST(SystemControl, popf_changes_what_privilege_allows) {
  struct Case {
    u8 cpl;
    unsigned iopl;
    u64 popped, after;
  };
  const Case cases[] = {
      {0, 0, 0x202, 0x202},  {0, 0, 0x3202, 0x3202}, {3, 0, 0x3202, 0x002},
      {3, 3, 0x202, 0x3202}, {3, 3, 0x0, 0x3002},    {0, 0, 0x244ed7, 0x244ed7},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    if (t.cpl == 3) m.enter_user();
    m.c.set_flags(u64{t.iopl} << 12);
    m.poke<u64>(m.c.r[kRsp] - 8, t.popped);
    m.c.r[kRsp] -= 8;
    m.load({0x9d});  // popfq
    EXPECT_EQ(step_and_tell(m), kDone);
    EXPECT_EQ(m.c.flags(), t.after) << int{t.cpl} << " " << t.iopl << std::hex << " " << t.popped;
  }
}

TEST(SystemControl, cli_and_sti_ask_iopl) {
  for (const u8 code : {u8{0xfa}, u8{0xfb}}) {
    for (const unsigned iopl : {0u, 2u, 3u}) {
      SupervisorMachine m;
      m.enter_user();
      m.c.set_flags(u64{iopl} << 12);
      m.load({code});
      EXPECT_EQ(step_and_tell(m), iopl == 3 ? kDone : kGp0);
    }
  }
}

TEST(SystemControl, hlt_retires_and_waits) {
  SupervisorMachine m;
  m.load({0xf4});
  EXPECT_EQ(m.step(), System::Next::kHalted);
  EXPECT_TRUE(m.system.halted());
  EXPECT_EQ(m.c.rip, kCodeAt + 1);
  EXPECT_EQ(m.ledger.total(Ev::kInstructions, Ctx::kHostKernel), 1u);
  EXPECT_EQ(m.system.deliver(Event::interrupt(0x40)), System::Next::kRun);
  EXPECT_EQ(m.frame(0), kCodeAt + 1);
}

TEST(SystemControl, msrs_are_read_written_and_refused) {
  struct Case {
    u32 index;
    u64 value;
    bool ok;
  };
  const u64 bad = u64{1} << 47;
  const Case cases[] = {
      {0xc0000080, 0xd01, true},
      {0xc0000080, 0x401, false},  // LME off
      {0xc0000080, 0x2500, false},
      {0xc0000081, ~u64{0}, true},
      {0xc0000082, bad, false},
      {0xc0000082, 0x1000, true},
      {0xc0000083, bad, false},
      {0xc0000084, u64{1} << 32, false},
      {0xc0000084, 0x700, true},
      {0xc0000100, bad, false},
      {0xc0000100, 0xffff800000000000, true},
      {0xc0000101, bad, false},
      {0xc0000102, bad, false},
      {0xc0000102, 0x7fffffffffff, true},
      {0xc0000103, 7, true},
      {0xc0000103, u64{1} << 32, false},
      {0x174, 8, true},
      {0x175, bad, false},
      {0x176, bad, false},
      {0x277, 0x07070707, true},
      {0x277, 2, false},
      {0x277, 8, false},
      {0x2ff, 0xc06, true},
      {0x2ff, 0x300, false},
      {0xfe, 0, false},
      {0x179, 0, false},
      {0x12345, 0, false},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.c.r[kRcx] = t.index;
    m.c.r[kRax] = static_cast<u32>(t.value);
    m.c.r[kRdx] = t.value >> 32;
    m.load({0x0f, 0x30, 0x0f, 0x32});
    EXPECT_EQ(step_and_tell(m), t.ok ? kDone : kGp0) << std::hex << t.index << " " << t.value;
    if (!t.ok) continue;
    m.c.r[kRax] = m.c.r[kRdx] = ~u64{0};
    m.step();
    EXPECT_EQ(m.c.r[kRdx] << 32 | m.c.r[kRax], t.value) << std::hex << t.index;
    EXPECT_LE(m.c.r[kRax] | m.c.r[kRdx], 0xffffffffu);
  }
}

TEST(SystemControl, rdtsc_and_rdpmc_ask_cr4) {
  for (const bool tsd : {false, true}) {
    SupervisorMachine m;
    m.enter_user();
    if (tsd) m.c.cr4 |= cr4::kTsd;
    m.load({0x0f, 0x31});
    EXPECT_EQ(step_and_tell(m), tsd ? kGp0 : kDone);
  }
  SupervisorMachine m;
  m.c.r[kRcx] = 0;
  m.load({0x0f, 0x33});
  EXPECT_EQ(step_and_tell(m), kGp0);  // no counters at all
}

/// Each instruction of the units that CR0 and CR4 rule, and what each setting makes of it.
TEST(SystemControl, cr0_and_cr4_gate_x87_mmx_and_sse) {
  struct Case {
    std::vector<u8> code;
    int ts, em, no_osfxsr, mp_ts;  ///< vectors
  };
  constexpr int kOk = -1, kNm = 7, kUndef = 6;
  const Case cases[] = {
      {{0xd9, 0xe8}, kNm, kNm, kOk, kNm},                    // fld1
      {{0x9b}, kOk, kOk, kOk, kNm},                          // fwait
      {{0x0f, 0xef, 0xc0}, kNm, kUndef, kOk, kNm},           // pxor mm0, mm0
      {{0x0f, 0x77}, kNm, kUndef, kOk, kNm},                 // emms
      {{0x66, 0x0f, 0xef, 0xc0}, kNm, kUndef, kUndef, kNm},  // pxor xmm0, xmm0
      {{0x0f, 0x58, 0xc1}, kNm, kUndef, kUndef, kNm},        // addps
      {{0x0f, 0xae, 0x1f}, kNm, kUndef, kUndef, kNm},        // stmxcsr [rdi]
      {{0x0f, 0xae, 0x07}, kNm, kNm, kOk, kNm},              // fxsave [rdi]
      {{0x0f, 0xae, 0xf8}, kOk, kOk, kOk, kOk},              // sfence
      {{0x0f, 0xc3, 0x07}, kOk, kOk, kOk, kOk},              // movnti [rdi], eax
      {{0xf3, 0x0f, 0xb8, 0xc0}, kOk, kOk, kOk, kOk},        // popcnt
      {{0x0f, 0x18, 0x07}, kOk, kOk, kOk, kOk},              // prefetchnta
      {{0x01, 0xc0}, kOk, kOk, kOk, kOk},                    // add eax, eax
  };
  for (const Case& t : cases) {
    const auto raised = [&](u64 cr0_bits, u64 cr0_clear, u64 cr4_clear) {
      SupervisorMachine m;
      m.c.cr0 = (m.c.cr0 & ~cr0_clear) | cr0_bits;
      m.c.cr4 &= ~cr4_clear;
      update_gates(m.c);
      m.c.r[kRdi] = kOperands;
      m.load(t.code);
      const int vector = step_and_tell(m).vector;
      // The same block in the other mode: what was decoded before must not be found.
      m.c.cr0 &= ~(cr0::kTs | cr0::kEm);
      m.c.cr4 |= cr4::kOsfxsr;
      update_gates(m.c);
      m.c.rip = kCodeAt;
      EXPECT_EQ(step_and_tell(m).vector, kOk);
      return vector;
    };
    const auto& x = t.code;
    EXPECT_EQ(raised(cr0::kTs, cr0::kMp, 0), t.ts) << std::hex << int{x[0]} << int{x.back()};
    EXPECT_EQ(raised(cr0::kEm, 0, 0), t.em) << std::hex << int{x[0]} << int{x.back()};
    EXPECT_EQ(raised(0, 0, cr4::kOsfxsr), t.no_osfxsr) << std::hex << int{x[0]} << int{x.back()};
    EXPECT_EQ(raised(cr0::kTs | cr0::kMp, 0, 0), t.mp_ts) << std::hex << int{x[0]} << int{x.back()};
  }
}

}  // namespace
}  // namespace lastbranch::cpu
