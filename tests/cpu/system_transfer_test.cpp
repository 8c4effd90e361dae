// SYSCALL and SYSRET, SYSENTER and SYSEXIT, SWAPGS, IRET, far JMP, CALL and RET: targets, flags, faults and
// records.
#include <gtest/gtest.h>

#include "tests/cpu/system_machine.h"

namespace lastbranch::cpu {
namespace {

const Raised kGp0{13, 0}, kUd{6, 0}, kDone{};

void expect_record(const SupervisorMachine& m, BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) {
  ASSERT_FALSE(m.log.branches.empty());
  EXPECT_EQ(m.last().kind, kind);
  EXPECT_EQ(m.last().from, from);
  EXPECT_EQ(m.last().to, to);
  EXPECT_EQ(m.last().cpl_from, cpl_from);
  EXPECT_EQ(m.last().cpl_to, cpl_to);
}

// Rows: lbr-6-syscall, lbr-6-sysret
TEST(SystemTransfer, syscall_and_sysret_go_there_and_back) {
  SupervisorMachine m;
  m.c.efer |= efer::kSce;
  m.c.star = u64{0x18 | 3} << 48 | u64{kKernelCode} << 32;
  m.c.lstar = kCodeAt;
  m.c.fmask = rflags::kIF | rflags::kDF;
  m.load({0x48, 0x0f, 0x07}, kCodeAt);
  m.enter_user();
  m.c.set_flags(rflags::kIF | rflags::kCF | rflags::kDF);
  m.load({0x0f, 0x05});
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.cpl, 0);
  EXPECT_EQ(m.c.rip, kCodeAt);
  EXPECT_EQ(m.c.r[kRcx], kUserCodeAt + 2);
  EXPECT_EQ(m.c.r[kR11], 0x603u);
  EXPECT_EQ(m.c.flags(), 0x3u);
  EXPECT_EQ(m.c.selector[kCs], kKernelCode);
  EXPECT_EQ(m.c.selector[kSs], kKernelCode + 8);
  EXPECT_EQ(m.c.r[kRsp], kUserStack);
  expect_record(m, BranchKind::kSyscall, kUserCodeAt, kCodeAt, 3, 0);
  EXPECT_EQ(m.ledger.total(Ev::kFarBranches, Ctx::kHostUser), 1u);

  m.c.r[kR11] |= rflags::kRF | rflags::kVM;
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.cpl, 3);
  EXPECT_EQ(m.c.rip, kUserCodeAt + 2);
  EXPECT_EQ(m.c.flags(), 0x603u);
  EXPECT_EQ(m.c.selector[kCs], kUserCode);
  EXPECT_EQ(m.c.selector[kSs], kUserData);
  expect_record(m, BranchKind::kSysret, kCodeAt, kUserCodeAt + 2, 0, 3);
  EXPECT_EQ(m.ledger.total(Ev::kFarBranches, Ctx::kHostKernel), 1u);
}

TEST(SystemTransfer, system_calls_that_are_not_set_up_fault) {
  struct Case {
    std::vector<u8> code;
    u8 cpl;
    bool sce;
    u64 rcx;
    Raised raised;
  };
  const Case cases[] = {
      {{0x0f, 0x05}, 3, false, 0, kUd},       {{0x48, 0x0f, 0x07}, 0, false, 0, kUd},
      {{0x48, 0x0f, 0x07}, 3, true, 0, kGp0}, {{0x48, 0x0f, 0x07}, 0, true, u64{1} << 47, kGp0},
      {{0x0f, 0x07}, 0, true, 0, kGp0},  // to compatibility mode
      {{0x0f, 0x34}, 3, true, 0, kGp0},  // SYSENTER_CS is null
      {{0x48, 0x0f, 0x35}, 0, true, 0, kGp0},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    if (t.sce) m.c.efer |= efer::kSce;
    if (t.cpl == 3) m.enter_user();
    m.c.r[kRcx] = t.rcx;
    m.load(t.code);
    EXPECT_EQ(step_and_tell(m), t.raised) << std::hex << int{t.code[1]} << " " << int{t.cpl};
    EXPECT_EQ(m.ledger.total(Ev::kInstructions), 0u);
  }
}

// Rows: lbr-6-syscall, lbr-6-sysret
TEST(SystemTransfer, sysenter_and_sysexit_go_there_and_back) {
  SupervisorMachine m;
  m.c.sysenter_cs = kKernelCode;
  m.c.sysenter_esp = kRsp0;
  m.c.sysenter_eip = kCodeAt;
  m.load({0x48, 0x0f, 0x35}, kCodeAt);
  m.enter_user();
  m.c.set_flags(rflags::kIF);
  m.load({0x0f, 0x34});
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.cpl, 0);
  EXPECT_EQ(m.c.r[kRsp], kRsp0);
  EXPECT_EQ(m.c.flags(), 2u);
  EXPECT_EQ(m.c.selector[kSs], kKernelCode + 8);
  expect_record(m, BranchKind::kSyscall, kUserCodeAt, kCodeAt, 3, 0);
  m.c.r[kRdx] = kUserCodeAt + 2;
  m.c.r[kRcx] = kUserStack;
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.cpl, 3);
  EXPECT_EQ(m.c.r[kRsp], kUserStack);
  EXPECT_EQ(m.c.selector[kCs], (kKernelCode + 32) | 3);
  EXPECT_EQ(m.c.selector[kSs], (kKernelCode + 40) | 3);
  expect_record(m, BranchKind::kSysret, kCodeAt, kUserCodeAt + 2, 0, 3);
}

TEST(SystemTransfer, swapgs_exchanges_the_bases) {
  SupervisorMachine m;
  m.c.gs_base() = 0x1111;
  m.c.kernel_gs_base = 0x2222;
  m.load({0x0f, 0x01, 0xf8});
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.gs_base(), 0x2222u);
  EXPECT_EQ(m.c.kernel_gs_base, 0x1111u);
}

void put_frame(SupervisorMachine& m, u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss) {
  m.c.r[kRsp] = kKernelStack - 40;
  const u64 words[] = {rip, cs, flags, rsp, ss};
  for (unsigned k = 0; k < 5; ++k) m.poke<u64>(kKernelStack - 40 + 8 * k, words[k]);
}

// Rows: lbr-6-sysret, lbr-6-far-set
TEST(SystemTransfer, iret_returns_to_the_user) {
  SupervisorMachine m;
  m.c.selector[kDs] = kKernelData;
  m.c.selector[kEs] = kUserData;
  m.c.segment_dpl[kEs] = 3;
  m.c.selector[kFs] = 0;
  m.c.fs_base() = 0x5555;
  put_frame(m, kUserCodeAt, kUserCode, 0x3246, kUserStack, kUserData);
  m.load({0x48, 0xcf});
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.cpl, 3);
  EXPECT_EQ(m.c.rip, kUserCodeAt);
  EXPECT_EQ(m.c.r[kRsp], kUserStack);
  EXPECT_EQ(m.c.flags(), 0x3246u);
  EXPECT_EQ(m.c.selector[kDs], 0);  // the supervisor's
  EXPECT_EQ(m.c.selector[kEs], kUserData);
  EXPECT_EQ(m.c.fs_base(), 0x5555u);  // a null selector keeps its base
  expect_record(m, BranchKind::kIret, kCodeAt, kUserCodeAt, 0, 3);
  EXPECT_EQ(m.ledger.total(Ev::kFarBranches, Ctx::kHostKernel), 1u);
}

TEST(SystemTransfer, iret_checks_its_frame) {
  struct Case {
    const char* name;
    u64 rip, cs, ss;
    Raised raised;
  };
  const Case cases[] = {
      {"same privilege", kCodeAt, kKernelCode, kKernelData, kDone},
      {"null stack segment", kCodeAt, kKernelCode, 0, kDone},
      {"null stack segment for the user", kCodeAt, kUserCode, 3, kGp0},
      {"null code", kCodeAt, 0, kKernelData, kGp0},
      {"code beyond", kCodeAt, kBeyond, kKernelData, {13, kBeyond}},
      {"data as code", kCodeAt, kKernelData, kKernelData, {13, kKernelData}},
      {"RPL is not DPL", kCodeAt, kKernelCode | 3, kUserData, {13, kKernelCode}},
      {"absent code", kCodeAt, kAbsentCode, kKernelData, {11, kAbsentCode}},
      {"32-bit code", kCodeAt, kCode32, kKernelData, {13, kCode32}},
      {"not canonical", u64{1} << 47, kKernelCode, kKernelData, kGp0},
      {"stack of the supervisor for the user", kUserCodeAt, kUserCode, kKernelData, {13, kKernelData}},
      {"code as stack", kCodeAt, kKernelCode, kKernelCode, {13, kKernelCode}},
      {"absent stack", kCodeAt, kKernelCode, kAbsentData, {12, kAbsentData}},
  };
  for (const Case& t : cases) {
    SupervisorMachine m;
    put_frame(m, t.rip, t.cs, 2, kUserStack, t.ss);
    m.load({0x48, 0xcf});
    EXPECT_EQ(step_and_tell(m), t.raised) << t.name;
    if (t.raised == kDone) {
      EXPECT_EQ(m.c.r[kRsp], kUserStack);
    }
  }
  SupervisorMachine m;
  m.c.set_flags(rflags::kNT);
  put_frame(m, kCodeAt, kKernelCode, 2, kUserStack, kKernelData);
  m.load({0x48, 0xcf});
  EXPECT_EQ(step_and_tell(m), kGp0);
}

TEST(SystemTransfer, iret_of_a_user_keeps_privileged_flags) {
  SupervisorMachine m;
  m.enter_user();
  m.c.set_flags(rflags::kIF);
  const u64 words[] = {kUserCodeAt + 0x10, kUserCode, 0x3001, kUserStack, kUserData};
  m.c.r[kRsp] = kUserStack - 40;
  for (unsigned k = 0; k < 5; ++k) m.poke<u64>(kUserStack - 40 + 8 * k, words[k]);
  m.load({0x48, 0xcf});
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.flags(), 0x203u);  // IF and IOPL stay
  EXPECT_EQ(m.c.cpl, 3);
}

TEST(SystemTransfer, iret_opens_nmis_again) {
  SupervisorMachine m;
  m.load({0x48, 0xcf}, handler(2));
  m.c.rip = kCodeAt;
  m.system.deliver(Event::nmi());
  EXPECT_FALSE(m.system.nmi_allowed());
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_TRUE(m.system.nmi_allowed());
  EXPECT_EQ(m.c.rip, kCodeAt);
}

// Rows: lbr-6-far
TEST(SystemTransfer, far_jumps_calls_and_returns_stay_at_their_privilege) {
  SupervisorMachine m;
  m.c.r[kRdi] = kOperands;
  m.poke<u64>(kOperands, kCodeAt + 0x100);
  m.poke<u16>(kOperands + 8, kKernelCode);
  m.load({0x48, 0xcb}, kCodeAt + 0x100);  // retfq
  m.load({0x48, 0xff, 0x1f});             // call far [rdi]
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.rip, kCodeAt + 0x100);
  EXPECT_EQ(m.c.r[kRsp], kKernelStack - 16);
  EXPECT_EQ(m.frame(0), kCodeAt + 3);
  EXPECT_EQ(m.frame(1), kKernelCode);
  expect_record(m, BranchKind::kFar, kCodeAt, kCodeAt + 0x100, 0, 0);
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.rip, kCodeAt + 3);
  EXPECT_EQ(m.c.r[kRsp], kKernelStack);
  expect_record(m, BranchKind::kFar, kCodeAt + 0x100, kCodeAt + 3, 0, 0);
  m.load({0x48, 0xff, 0x2f});  // jmp far [rdi]
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.rip, kCodeAt + 0x100);
  EXPECT_EQ(m.ledger.total(Ev::kFarBranches), 3u);
  EXPECT_EQ(m.ledger.total(Ev::kBranches), 3u);
  EXPECT_EQ(m.ledger.total(Ev::kNearCalls), 0u);
  EXPECT_EQ(m.ledger.total(Ev::kNearReturns), 0u);
  EXPECT_EQ(m.ledger.total(Ev::kTakenBranches), 0u);
}

TEST(SystemTransfer, far_targets_are_checked) {
  struct Case {
    u16 selector;
    u64 to;
    Raised raised;
  };
  const Case cases[] = {
      {0, kCodeAt, kGp0},
      {kKernelData, kCodeAt, {13, kKernelData}},
      {kUserCode, kCodeAt, {13, kUserCode & 0xfffc}},
      {kAbsentCode, kCodeAt, {11, kAbsentCode}},
      {kConformingCode, kCodeAt, kDone},
      {kCode32, kCodeAt, {13, kCode32}},
      {kCallGateSelector, kCodeAt, {13, kCallGateSelector}},
      {kTss, kCodeAt, {13, kTss}},
      {kBeyond, kCodeAt, {13, kBeyond}},
      {kKernelCode, u64{1} << 47, kGp0},
  };
  for (const u8 modrm : {u8{0x1f}, u8{0x2f}}) {
    for (const Case& t : cases) {
      SupervisorMachine m;
      m.c.r[kRdi] = kOperands;
      m.poke<u64>(kOperands, t.to);
      m.poke<u16>(kOperands + 8, t.selector);
      m.load({0x48, 0xff, modrm});
      EXPECT_EQ(step_and_tell(m), t.raised) << std::hex << t.selector;
    }
  }
}

TEST(SystemTransfer, a_far_return_to_the_user_takes_its_stack) {
  SupervisorMachine m;
  const u64 words[] = {kUserCodeAt, kUserCode, 0xaaaa, 0xbbbb, kUserStack, kUserData};
  m.c.r[kRsp] = kKernelStack - 48;
  for (unsigned k = 0; k < 6; ++k) m.poke<u64>(kKernelStack - 48 + 8 * k, words[k]);
  m.load({0x48, 0xca, 16, 0});  // retfq 16
  EXPECT_EQ(step_and_tell(m), kDone);
  EXPECT_EQ(m.c.cpl, 3);
  EXPECT_EQ(m.c.rip, kUserCodeAt);
  EXPECT_EQ(m.c.r[kRsp], kUserStack + 16);
  EXPECT_EQ(m.c.selector[kSs], kUserData);
  expect_record(m, BranchKind::kFar, kCodeAt, kUserCodeAt, 0, 3);
}

}  // namespace
}  // namespace lastbranch::cpu
