// Loads of segment registers and the instructions that inspect descriptors; I/O ports and their permissions.
#include <gtest/gtest.h>

#include "tests/cpu/system_machine.h"

namespace lastbranch::cpu {
namespace {

const Raised kGp0{13, 0}, kDone{};

TEST(SystemSegments, loads_check_the_descriptor) {
  struct Case {
    Segment which;
    u8 cpl;
    u16 selector;
    Raised raised;
  };
  const Case cases[] = {
      {kDs, 0, kKernelData, kDone},
      {kDs, 0, 0, kDone},
      {kDs, 0, 3, kDone},
      {kDs, 0, kUserData, kDone},
      {kDs, 0, kKernelCode, kDone},  // readable
      {kDs, 0, kExecuteOnly, {13, kExecuteOnly}},
      {kDs, 0, kTss, {13, kTss}},
      {kDs, 0, kAbsentData, {11, kAbsentData}},
      {kDs, 0, kBeyond, {13, kBeyond}},
      {kDs, 0, kKernelData | 3, {13, kKernelData}},  // RPL above DPL
      {kEs, 3, kUserData, kDone},
      {kEs, 3, kKernelData, {13, kKernelData}},
      {kEs, 3, kConformingCode, kDone},
      {kFs, 3, kBasedData, kDone},
      {kGs, 0, kBasedData, kDone},
      {kSs, 0, kKernelData, kDone},
      {kSs, 0, 0, kDone},  // a supervisor needs no stack segment
      {kSs, 0, 3, kGp0},
      {kSs, 0, kUserData, {13, kUserData & 0xfffc}},
      {kSs, 0, kKernelData | 3, {13, kKernelData}},
      {kSs, 0, kReadOnlyData, {13, kReadOnlyData}},
      {kSs, 0, kKernelCode, {13, kKernelCode}},
      {kSs, 0, kAbsentData, {12, kAbsentData}},
      {kSs, 3, 3, kGp0},
      {kSs, 3, kUserData, kDone},
      {kDs, 0, 0x0c, {13, 0x0c}},  // no LDT
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    if (t.cpl == 3) m.enter_user();
    m.c.r[kRax] = t.selector;
    m.c.fs_base() = m.c.gs_base() = 0x777;
    m.load({0x8e, static_cast<u8>(0xc0 | t.which << 3)});
    EXPECT_EQ(step_and_tell(m), t.raised) << int{t.which} << " " << std::hex << t.selector;
    if (t.raised != kDone) continue;
    EXPECT_EQ(m.c.selector[t.which], t.selector);
    if (t.which == kFs) {
      EXPECT_EQ(m.c.fs_base(), kDataBase);
    }
    if (t.which == kGs) {
      EXPECT_EQ(m.c.gs_base(), kDataBase);
    }
  }
}

TEST(SystemSegments, an_ldt_serves_local_selectors) {
  SupervisorMachine m;
  m.c.r[kRax] = kLdt;
  m.c.r[kRbx] = 0x0c;
  m.c.r[kRcx] = 0x14;
  m.load({0x0f, 0x00, 0xd0, 0x8e, 0xe3, 0x8e, 0xe1});  // lldt ax; mov fs, bx; mov fs, cx
  m.step();
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.fs_base(), kDataBase);
  EXPECT_EQ(step_and_tell(m), (Raised{13, 0x14}));
}

TEST(SystemSegments, pops_and_far_pointers_load_too) {
  SupervisorMachine m;
  m.poke<u64>(kKernelStack - 8, kBasedData);
  m.c.r[kRsp] = kKernelStack - 8;
  m.load({0x0f, 0xa1});  // pop fs
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.r[kRsp], kKernelStack);
  EXPECT_EQ(m.c.fs_base(), kDataBase);

  m.c.r[kRdi] = kOperands;
  m.poke<u64>(kOperands, 0x1122334455667788);
  m.poke<u16>(kOperands + 8, kBasedData);
  m.load({0x48, 0x0f, 0xb5, 0x07});  // lgs rax, [rdi]
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.r[kRax], 0x1122334455667788u);
  EXPECT_EQ(m.c.gs_base(), kDataBase);
  m.poke<u16>(kOperands + 4, kKernelData);
  m.load({0x0f, 0xb2, 0x1f});  // lss ebx, [rdi]
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.r[kRbx], 0x55667788u);
  EXPECT_EQ(m.c.selector[kSs], kKernelData);
  m.poke<u16>(kOperands + 4, kBeyond);
  m.load({0x0f, 0xb4, 0x1f});  // lfs ebx, [rdi]
  EXPECT_EQ(step_and_tell(m), (Raised{13, kBeyond}));
}

/// VERR, VERW, LAR and LSL say in ZF whether they have an answer.
TEST(SystemSegments, descriptors_are_told_about) {
  struct Case {
    u8 cpl;
    u16 selector;
    bool verr, verw, lar, lsl;
    u64 limit;
  };
  const Case cases[] = {
      {0, kKernelData, true, true, true, true, 0xffffffff},
      {0, kReadOnlyData, true, false, true, true, 0xffffffff},
      {0, kKernelCode, true, false, true, true, 0xffffffff},
      {0, kExecuteOnly, false, false, true, true, 0xffffffff},
      {0, kTss, false, false, true, true, kTssLimit},
      {0, kCallGateSelector, false, false, true, false, 0},
      {0, 0, false, false, false, false, 0},
      {0, kBeyond, false, false, false, false, 0},
      {3, kKernelData, false, false, false, false, 0},
      {3, kUserData, true, true, true, true, 0xffffffff},
      {3, kConformingCode, true, false, true, true, 0xffffffff},
  };
  for (const Case& t : cases) {
    const auto zf = [&](std::vector<u8> code, u64* result = nullptr) {
      SupervisorMachine m;
      if (t.cpl == 3) m.enter_user();
      m.c.r[kRax] = t.selector;
      m.c.r[kRbx] = ~u64{0};
      m.load(code);
      EXPECT_EQ(step_and_tell(m), kDone);
      if (result != nullptr) *result = m.c.r[kRbx];
      return m.c.f.zf();
    };
    EXPECT_EQ(zf({0x0f, 0x00, 0xe0}), t.verr) << std::hex << t.selector;
    EXPECT_EQ(zf({0x0f, 0x00, 0xe8}), t.verw) << std::hex << t.selector;
    u64 rights = 0, limit = 0;
    EXPECT_EQ(zf({0x0f, 0x02, 0xd8}, &rights), t.lar) << std::hex << t.selector;
    EXPECT_EQ(zf({0x0f, 0x03, 0xd8}, &limit), t.lsl) << std::hex << t.selector;
    EXPECT_EQ(limit, t.lsl ? t.limit : ~u64{0});
    if (!t.lar) {
      EXPECT_EQ(rights, ~u64{0});
    }
    if (t.selector == kUserData) {
      EXPECT_EQ(rights, 0x008ff200u);
    }
  }
}

TEST(SystemSegments, ports_are_read_and_written_by_size) {
  SupervisorMachine m;
  m.c.r[kRax] = 0x1122334455667788;
  m.c.r[kRdx] = 0x3f8;
  m.load({0xe6, 0x80, 0xee, 0x66, 0xef, 0xef, 0xe4, 0x60, 0x66, 0xed, 0xed});
  for (unsigned n = 0; n < 4; ++n) EXPECT_EQ(step_and_tell(m), kDone);
  const std::vector<FakePorts::Write> expected = {
      {0x80, 1, 0x88}, {0x3f8, 1, 0x88}, {0x3f8, 2, 0x7788}, {0x3f8, 4, 0x55667788}};
  EXPECT_EQ(m.ports.writes, expected);
  m.step();
  EXPECT_EQ(m.c.r[kRax], 0x1122334455667761u);  // 60h + size 1
  m.step();
  EXPECT_EQ(m.c.r[kRax], 0x11223344556603fau);
  m.step();
  EXPECT_EQ(m.c.r[kRax], 0x03f803fcu);
}

TEST(SystemSegments, string_io_repeats_and_retires_once) {
  SupervisorMachine m;
  m.c.r[kRdx] = 0xe9;
  m.c.r[kRsi] = kOperands;
  m.c.r[kRdi] = kOperands + 64;
  m.c.r[kRcx] = 5;
  std::memcpy(m.memory.host(kOperands), "hello", 5);
  m.load({0xf3, 0x6e});  // rep outsb
  EXPECT_EQ(step_and_tell(m), kDone);
  ASSERT_EQ(m.ports.writes.size(), 5u);
  EXPECT_EQ(m.ports.writes[4], (FakePorts::Write{0xe9, 1, 'o'}));
  EXPECT_EQ(m.c.r[kRcx], 0u);
  EXPECT_EQ(m.c.r[kRsi], kOperands + 5);
  EXPECT_EQ(m.ledger.total(Ev::kInstructions), 1u);
  m.c.r[kRcx] = 2;
  m.load({0xf3, 0x6d});  // rep insd
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.peek<u64>(kOperands + 64), 0x00e900ed00e900edu);
  EXPECT_EQ(m.c.r[kRdi], kOperands + 72);
}

TEST(SystemSegments, the_bitmap_of_the_tss_opens_ports_to_users) {
  struct Case {
    u16 port;
    std::vector<u8> code;
    Raised raised;
  };
  const Case cases[] = {
      {0x20, {0xec}, kDone},        // open
      {0x21, {0xec}, kGp0},         // closed
      {0x20, {0x66, 0xed}, kGp0},   // its second byte is closed
      {0x27, {0x66, 0xed}, kDone},  // across a byte of the map
      {0x400, {0xec}, kGp0},        // beyond the map
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    m.poke<u16>(kTssAt + 0x68 + 4, 0xfe7e);  // 20h, 27h and 28h are open
    m.enter_user();
    m.c.r[kRdx] = t.port;
    m.load(t.code);
    EXPECT_EQ(step_and_tell(m), t.raised) << std::hex << t.port;
  }
  SupervisorMachine m;
  m.enter_user();
  m.c.set_flags(rflags::kIOPL);
  m.c.r[kRdx] = 0x400;
  m.load({0xec});
  EXPECT_EQ(step_and_tell(m), kDone);
}

}  // namespace
}  // namespace lastbranch::cpu
