// LbrModule through its sockets only.
#include "models/lbr/lbr_module.h"

#include <gtest/gtest.h>

#include "tests/modules/probe.h"

namespace lastbranch::lbr {
namespace {

constexpr u32 kDebugctl = 0x1d9, kSelect = 0x1c8, kTos = 0x1c9, kFrom0 = 0x680, kTo0 = 0x6c0;

LbrParams skylake() {
  LbrParams p;
  p.depth = 32;
  p.debugctl_mask = 0xffc3;
  return p;
}

struct Modules {
  LbrModule lbr{"lbr", skylake()};
  test::Probe msr{"msr"}, branches{"branches"};
  Modules() {
    msr.socket.bind(lbr.msr);
    branches.socket.bind(lbr.branches);
  }
};

RetiredBranch jump(u64 n, u64 time) {
  return {.from = 0x1000 + n,
          .to = 0x2000 + n,
          .time = time,
          .kind = BranchKind::kRelJmp,
          .length = 2,
          .cpl_from = 3,
          .cpl_to = 3};
}

TEST(LbrModule, records_batches_while_its_register_says_so) {
  test::Platform<Modules> p;
  p.elaborate();
  EXPECT_EQ(p->branches.batch<RetiredBranch>({jump(0, 1)}), tlm::TLM_OK_RESPONSE);
  ASSERT_EQ(p->msr.write_msr(kDebugctl, debugctl::kLbr), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(p->branches.batch<RetiredBranch>({jump(1, 10), jump(2, 17), jump(3, 20)}), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(p->branches.batch<RetiredBranch>({}), tlm::TLM_OK_RESPONSE);

  const auto entries = p->lbr.lbr().entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].cycles, 3);
  EXPECT_EQ(entries[1].cycles, 7);
  const u32 tos = static_cast<u32>(p->msr.msr(kTos));
  EXPECT_EQ(p->msr.msr(kFrom0 + tos), 0x1003u);
  EXPECT_EQ(p->msr.msr(kTo0 + tos), 0x2003u);
}

TEST(LbrModule, a_refused_access_says_why_in_its_response) {
  test::Platform<Modules> p;
  p.elaborate();
  u64 value = 0;
  EXPECT_EQ(p->msr.read_msr(0x10, value), tlm::TLM_ADDRESS_ERROR_RESPONSE) << "another's register";
  EXPECT_EQ(p->msr.write_msr(kSelect, 1 << 20), tlm::TLM_GENERIC_ERROR_RESPONSE) << "reserved bit";
  EXPECT_EQ(p->msr.write_msr(kFrom0, u64{1} << 50), tlm::TLM_GENERIC_ERROR_RESPONSE) << "not canonical";
  EXPECT_EQ(p->msr.msr(kSelect), 0u) << "nothing has changed";

  tlm::tlm_generic_payload payload;
  kernel::make_msr_access(payload, tlm::TLM_READ_COMMAND, kTos, value);
  payload.set_data_length(4);
  EXPECT_EQ(p->msr.send(payload), tlm::TLM_BURST_ERROR_RESPONSE);
  u8 enable = 0xff;
  kernel::make_msr_access(payload, tlm::TLM_READ_COMMAND, kTos, value);
  payload.set_byte_enable_ptr(&enable);
  EXPECT_EQ(p->msr.send(payload), tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  payload.set_byte_enable_ptr(nullptr);
  payload.set_address(u64{1} << 32 | kTos);
  EXPECT_EQ(p->msr.send(payload), tlm::TLM_ADDRESS_ERROR_RESPONSE) << "register numbers have 32 bits";
}

TEST(LbrModule, debug_transport_reads_and_writes_registers) {
  test::Platform<Modules> p;
  p.elaborate();
  u64 value = 4;
  tlm::tlm_generic_payload payload;
  kernel::make_msr_access(payload, tlm::TLM_WRITE_COMMAND, kSelect, value);
  EXPECT_EQ(p->msr.socket->transport_dbg(payload), 8u);
  value = 0;
  kernel::make_msr_access(payload, tlm::TLM_READ_COMMAND, kSelect, value);
  EXPECT_EQ(p->msr.socket->transport_dbg(payload), 8u);
  EXPECT_EQ(value, 4u);
  kernel::make_msr_access(payload, tlm::TLM_READ_COMMAND, 0x10, value);
  EXPECT_EQ(p->msr.socket->transport_dbg(payload), 0u);
}

TEST(LbrModule, a_batch_with_a_bad_record_is_refused_whole) {
  test::Platform<Modules> p;
  p.elaborate();
  p->msr.write_msr(kDebugctl, debugctl::kLbr);
  RetiredBranch bad = jump(2, 5);
  bad.kind = BranchKind::kCount;
  EXPECT_EQ(p->branches.batch<RetiredBranch>({jump(1, 1), bad}), tlm::TLM_GENERIC_ERROR_RESPONSE);
  bad = jump(2, 5);
  bad.cpl_to = 4;
  EXPECT_EQ(p->branches.batch<RetiredBranch>({bad}), tlm::TLM_GENERIC_ERROR_RESPONSE);

  std::vector<RetiredBranch> good = {jump(1, 1)};
  tlm::tlm_generic_payload payload;
  kernel::make_batch(payload, std::span<const RetiredBranch>(good));
  payload.set_data_length(sizeof(RetiredBranch) - 1);
  EXPECT_EQ(p->branches.send(payload), tlm::TLM_BURST_ERROR_RESPONSE);
  kernel::make_batch(payload, std::span<const RetiredBranch>(good));
  payload.set_read();
  EXPECT_EQ(p->branches.send(payload), tlm::TLM_COMMAND_ERROR_RESPONSE);
  EXPECT_TRUE(p->lbr.lbr().entries().empty());
}

}  // namespace
}  // namespace lastbranch::lbr
