// The branch trace store, with guest memory that is an array.
#include <cstring>

#include <gtest/gtest.h>

#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

constexpr u64 kBase = 0xffff'c900'0000'0000;
constexpr u64 kBuffer = 0x200;  ///< offset of the records
constexpr u64 kOn = debugctl::kTr | debugctl::kBts;

struct Memory final : GuestMemory {
  std::vector<u8> bytes = std::vector<u8>(4096);
  bool present = true;
  bool read(u64 linear, std::span<u8> data) override {
    if (!present || linear < kBase || linear - kBase + data.size() > bytes.size()) return false;
    std::memcpy(data.data(), bytes.data() + (linear - kBase), data.size());
    return true;
  }
  bool write(u64 linear, std::span<const u8> data) override {
    if (!present || linear < kBase || linear - kBase + data.size() > bytes.size()) return false;
    std::memcpy(bytes.data() + (linear - kBase), data.data(), data.size());
    return true;
  }
  u64 get(u64 offset) const {
    u64 value = 0;
    std::memcpy(&value, bytes.data() + offset, 8);
    return value;
  }
  void put(u64 offset, u64 value) { std::memcpy(bytes.data() + offset, &value, 8); }
};

struct Pmis final : PmiRequest {
  std::vector<u64> requests;
  void request_pmi(u64 status) override { requests.push_back(status); }
};

struct Store : Probe {
  explicit Store(u64 records, u64 threshold, const LbrParams& part = legacy_part()) : Probe(part, false) {
    ds.set_base(kBase);
    memory.put(ds::kBtsBase, kBase + kBuffer);
    memory.put(ds::kBtsIndex, kBase + kBuffer);
    memory.put(ds::kBtsMaximum, kBase + kBuffer + records * 24);
    memory.put(ds::kBtsThreshold, kBase + kBuffer + threshold * 24);
    lbr.connect(&ds, &memory, &pmis);
  }
  void control(u64 value) { ASSERT_EQ(write(kDebugctl, value), MsrFault::kNone); }
  u64 index() const { return (memory.get(ds::kBtsIndex) - kBase - kBuffer) / 24; }
  u64 from(u64 record) const { return memory.get(kBuffer + record * 24); }

  DsArea ds;
  Memory memory;
  Pmis pmis;
};

// Rows: lbr-8-bts-record, lbr-8-bts, lbr-8-tr
TEST(Bts, stores_24_bytes_a_branch) {
  Store s(8, 100);
  s.control(kOn);
  RetiredBranch b = branch(kKernel, kUser, 7, BranchKind::kIret, 0, 3);
  b.mispredicted = true;
  s.lbr.push(b);
  EXPECT_EQ(s.memory.get(kBuffer), kKernel);
  EXPECT_EQ(s.memory.get(kBuffer + 8), kUser);
  EXPECT_EQ(s.memory.get(kBuffer + 16), 0u) << "no flag but NetBurst's predicted";
  EXPECT_EQ(s.index(), 1u);
  EXPECT_TRUE(s.lbr.entries().empty()) << "the LBR bit is its own";
  EXPECT_EQ(s.lbr.bts().stored(), 1u);
}

// Rows: lbr-8-bts, lbr-8-tr, lbr-8-bts-off, lbr-8-bts-record
TEST(Bts, stores_by_tr_bts_and_privilege) {
  for (u64 bits = 0; bits < 16; ++bits) {
    Store s(8, 100);
    const bool tr = (bits & 1) != 0;
    const bool bts = (bits & 2) != 0;
    const bool off_os = (bits & 4) != 0;
    const bool off_usr = (bits & 8) != 0;
    s.control((tr ? debugctl::kTr : 0) | (bts ? debugctl::kBts : 0) | (off_os ? debugctl::kBtsOffOs : 0) |
              (off_usr ? debugctl::kBtsOffUsr : 0));
    s.lbr.push(branch(1, 2, 1, BranchKind::kJcc, 3, 3));
    EXPECT_EQ(s.index(), tr && bts && !off_usr ? 1u : 0u) << bits;
    const u64 before = s.index();
    s.lbr.push(branch(1, 2, 2, BranchKind::kJcc, 0, 0));
    EXPECT_EQ(s.index() - before, tr && bts && !off_os ? 1u : 0u) << bits;
    EXPECT_EQ(s.lbr.bts().lost(), 0u) << "what is not wanted is not lost";
  }
}

// Rows: lbr-8-btint
TEST(Bts, buffer_without_interrupt_is_circular) {
  Store s(4, 100);
  s.control(kOn);
  for (u64 n = 1; n <= 6; ++n) s.take(n << 8);
  EXPECT_EQ(s.index(), 2u);
  EXPECT_EQ(s.from(0), 5u << 8);
  EXPECT_EQ(s.from(1), 6u << 8);
  EXPECT_EQ(s.from(2), 3u << 8);
  EXPECT_TRUE(s.pmis.requests.empty());
  EXPECT_EQ(s.lbr.bts().lost(), 0u);
}

// Rows: lbr-8-btint, lbr-8-freeze-triggers
TEST(Bts, threshold_raises_a_pmi_and_a_full_buffer_takes_no_more) {
  Store s(4, 3);
  s.control(kOn | debugctl::kBtint);
  s.take(0x100);
  s.take(0x200);
  EXPECT_TRUE(s.pmis.requests.empty());
  s.take(0x300);
  EXPECT_EQ(s.pmis.requests, (std::vector<u64>{0}));
  s.take(0x400);
  s.take(0x500);
  EXPECT_EQ(s.index(), 4u);
  EXPECT_EQ(s.from(3), 0x400u);
  EXPECT_EQ(s.lbr.bts().stored(), 4u);
  EXPECT_EQ(s.lbr.bts().lost(), 1u);
  s.memory.put(ds::kBtsIndex, kBase + kBuffer);
  s.take(0x600);
  EXPECT_EQ(s.from(0), 0x600u) << "the handler made room";
}

// Rows: lbr-8-bts-record
TEST(Bts, counts_what_it_cannot_store) {
  Store s(4, 3);
  s.control(kOn);
  s.memory.present = false;
  s.take(0x100);
  EXPECT_EQ(s.lbr.bts().lost(), 1u);
  s.memory.present = true;
  s.ds.set_base(kBase + 0x10'0000);
  s.take(0x100);
  EXPECT_EQ(s.lbr.bts().lost(), 2u);
  s.lbr.connect(nullptr, nullptr, nullptr);
  s.take(0x100);
  EXPECT_EQ(s.lbr.bts().lost(), 3u);
  EXPECT_EQ(s.lbr.bts().stored(), 0u);
}

// Rows: lbr-8-bts, lbr-6-db
TEST(Bts, goes_on_after_a_debug_exception_beside_a_recording_ring) {
  Store s(8, 100);
  s.control(kOn | 1);
  s.take(0x100);
  s.lbr.debug_exception();
  s.take(0x200);
  EXPECT_EQ(s.index(), 2u);
  EXPECT_EQ(s.froms(), (std::vector<u64>{0x100}));
  s.lbr.set_frozen(true);
  s.take(0x300);
  EXPECT_EQ(s.index(), 3u) << "freezing is the ring's";
}

// Rows: lbr-9-q14
TEST(Bts, qualified_store_of_core2_reports_a_wrong_from_at_privilege_changes) {
  LbrParams part = legacy_part();
  part.quirks.bts_wrong_cpl_from = true;
  for (const bool qualified : {true, false}) {
    Store s(8, 100, part);
    s.control(kOn | (qualified ? debugctl::kBtsOffOs : 0));
    s.take(0x100);
    s.lbr.push(branch(0x300, kKernel, 20, BranchKind::kSyscall, 3, 0));
    s.lbr.push(branch(kKernel + 8, 0x302, 30, BranchKind::kSysret, 0, 3));
    EXPECT_EQ(s.from(qualified ? 1 : 2), qualified ? kKernel : kKernel + 8);
    EXPECT_EQ(s.from(0), 0x100u);
  }
}

// Rows: lbr-3-pt
TEST(Bts, stops_while_processor_trace_excludes_it) {
  LbrParams part = legacy_part();
  part.quirks.pt_excludes_lbr = true;
  Store s(8, 100, part);
  s.control(kOn);
  s.lbr.set_pt_tracing(true);
  s.take(0x100);
  EXPECT_EQ(s.index(), 0u);
  s.lbr.set_pt_tracing(false);
  s.take(0x200);
  EXPECT_EQ(s.index(), 1u);
}

}  // namespace
}  // namespace lastbranch::lbr
