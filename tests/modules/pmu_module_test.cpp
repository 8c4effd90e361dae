// PmuModule through its sockets and ports, alone and wired to an LbrModule.
#include "models/pmu/pmu_module.h"

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "models/lbr/lbr_module.h"
#include "models/pmu/pmu_select.h"
#include "tests/modules/probe.h"

namespace lastbranch::pmu {
namespace {

using kernel::FactCount;

constexpr u32 kPmc0 = 0xc1, kSelect0 = 0x186, kStatus = 0x38e, kGlobalCtrl = 0x38f, kDebugctl = 0x1d9;
constexpr u64 kTakenBranches = 0x20c4;
constexpr u64 kUserPmi = 0x0051'0000;  // EN, INT, USR

struct Modules {
  const cpu::Uarch& part = cpu::uarch("skylake");
  PmuModule pmu{"pmu", part.pmu};
  lbr::LbrModule lbr{"lbr", part.lbr};
  test::Probe msr{"msr"}, counts{"counts"}, lbr_msr{"lbr_msr"}, branches{"branches"};
  test::CountingLine line;
  Modules() {
    msr.socket.bind(pmu.msr);
    counts.socket.bind(pmu.counts);
    lbr_msr.socket.bind(lbr.msr);
    branches.socket.bind(lbr.branches);
    pmu.debug.bind(lbr.debug);
    pmu.pmi.bind(line);
    lbr.requests.bind(pmu.requests);
  }
};

/// Counter 0 counts taken branches of user mode, `left` of them to its overflow.
void program(Modules& m, u64 left) {
  ASSERT_EQ(m.msr.write_msr(kPmc0, (0 - left) & 0xffff'ffff), tlm::TLM_OK_RESPONSE);
  ASSERT_EQ(m.msr.write_msr(kSelect0, kTakenBranches | kUserPmi), tlm::TLM_OK_RESPONSE);
  ASSERT_EQ(m.msr.write_msr(kGlobalCtrl, 1), tlm::TLM_OK_RESPONSE);
}

TEST(PmuModule, counts_facts_of_the_context_and_pulses_at_an_overflow) {
  test::Platform<Modules> p;
  p.elaborate();
  program(*p.operator->(), 10);
  using enum Ev;
  EXPECT_EQ(p->counts.batch<FactCount>(
                {{kTakenBranches, Ctx::kHostUser, 9}, {kTakenBranches, Ctx::kHostKernel, 50}}),
            tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(p->line.rises, 0u);
  EXPECT_EQ(p->msr.msr(kPmc0), 0xffff'ffff'ffffu);
  EXPECT_EQ(p->pmu.horizon(), 1u);
  EXPECT_EQ(p->counts.batch<FactCount>({{kTakenBranches, Ctx::kHostUser, 1}}, 0x1234), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(p->line.rises, 1u);
  EXPECT_EQ(p->msr.msr(kStatus) & 1, 1u);
  EXPECT_EQ(p->pmu.rdpmc(0).value, 0u);
  EXPECT_EQ(p->pmu.rdpmc(99).fault == MsrFault::kNone, false);
}

TEST(PmuModule, a_pmi_freezes_the_records_of_the_module_it_is_wired_to) {
  test::Platform<Modules> p;
  p.elaborate();
  program(*p.operator->(), 1);
  p->lbr_msr.write_msr(kDebugctl, debugctl::kLbr | debugctl::kFreezeLbrsOnPmi);
  const RetiredBranch b{
      .from = 1, .to = 2, .time = 3, .kind = BranchKind::kJcc, .length = 2, .cpl_from = 3, .cpl_to = 3};
  p->branches.batch<RetiredBranch>({b});
  p->counts.batch<FactCount>({{Ev::kTakenBranches, Ctx::kHostUser, 1}});
  p->branches.batch<RetiredBranch>({b, b});

  EXPECT_EQ(p->lbr.lbr().entries().size(), 1u);
  EXPECT_TRUE(p->lbr.lbr().frozen());
  EXPECT_EQ(p->msr.msr(kStatus), 1 | global_status::kLbrFrz);
  p->msr.write_msr(0x390, 1 | global_status::kLbrFrz);
  p->branches.batch<RetiredBranch>({b});
  EXPECT_EQ(p->lbr.lbr().entries().size(), 2u);
}

TEST(PmuModule, requests_of_others_become_pmis) {
  test::Platform<Modules> p;
  p.elaborate();
  p->lbr.requests->request_pmi(global_status::kDsBuffer);
  EXPECT_EQ(p->line.rises, 1u);
  EXPECT_EQ(p->msr.msr(kStatus), global_status::kDsBuffer);
}

TEST(PmuModule, a_batch_with_a_bad_record_is_refused_whole) {
  test::Platform<Modules> p;
  p.elaborate();
  const FactCount good{Ev::kInstructions, Ctx::kHostUser, 5};
  EXPECT_EQ(p->counts.batch<FactCount>({good, {Ev::kCount, Ctx::kHostUser, 1}}),
            tlm::TLM_GENERIC_ERROR_RESPONSE);
  EXPECT_EQ(p->counts.batch<FactCount>({good, {Ev::kCycles, Ctx::kCount, 1}}),
            tlm::TLM_GENERIC_ERROR_RESPONSE);
  EXPECT_EQ(p->pmu.ledger().total(Ev::kInstructions), 0u);
}

struct Alone {
  PmuModule pmu{"pmu", cpu::uarch("skylake").pmu};
  test::Probe msr{"msr"}, counts{"counts"};
  Alone() {
    msr.socket.bind(pmu.msr);
    counts.socket.bind(pmu.counts);
  }
};

TEST(PmuModule, needs_neither_records_nor_an_interrupt_controller) {
  test::Platform<Alone> p;
  p.elaborate();
  p->msr.write_msr(kPmc0, 0xffff'ffff);
  p->msr.write_msr(kSelect0, kTakenBranches | kUserPmi);
  p->msr.write_msr(kGlobalCtrl, 1);
  EXPECT_EQ(p->counts.batch<FactCount>({{Ev::kTakenBranches, Ctx::kHostUser, 3}}), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(p->msr.msr(kStatus), 1u);
  EXPECT_EQ(p->msr.msr(kPmc0), 2u);
}

}  // namespace
}  // namespace lastbranch::pmu
