// The DS save area that PEBS shares with the branch trace store.
#include "models/lbr/bts.h"
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

using test::kBuffer;
using test::kDs;
using test::Platform;

constexpr u64 kTraced = kDs + 0x2000;
constexpr u64 kRip = 0x40'1000;

struct Shared : Platform {
  Shared() : Platform(test::skylake(), 200) {
    memory.set_word(kDs + 0x00, kTraced);
    memory.set_word(kDs + 0x08, kTraced);
    memory.set_word(kDs + 0x10, kTraced + 2 * 24);
    memory.set_word(kDs + 0x18, kTraced + 1 * 24);
    bts.connect(&ds, &memory, &counters);
    enable(0x1);
  }
  void branch(u64 from, u64 debugctl) {
    const RetiredBranch b = {.from = from,
                             .to = kRip,
                             .time = 0,
                             .kind = BranchKind::kRelJmp,
                             .length = 2,
                             .cpl_from = 3,
                             .cpl_to = 3};
    bts.branch(b, debugctl, 3, false);
  }
  lbr::Bts bts;
};

constexpr u64 kCircular = debugctl::kTr | debugctl::kBts;
constexpr u64 kInterrupting = kCircular | debugctl::kBtint;

// Rows: pebs-5-pointers
TEST(PebsBts, each_moves_its_own_index_only) {
  Shared s;

  s.sample(0, kRip);
  s.branch(kRip, kCircular);

  EXPECT_EQ(s.memory.word(kDs + 0x08), kTraced + 24);
  EXPECT_EQ(s.memory.word(kDs + 0x28), kBuffer + 200);
  const u64 others[][2] = {{0x00, kTraced}, {0x10, kTraced + 48},      {0x18, kTraced + 24},
                           {0x20, kBuffer}, {0x30, kBuffer + 8 * 200}, {0x38, kBuffer + 8 * 200}};
  for (const auto& [offset, value] : others) EXPECT_EQ(s.memory.word(kDs + offset), value) << offset;
}

// Rows: pebs-5-bts-record, pebs-5-bts-circular
TEST(PebsBts, branch_records_have_24_bytes_and_wrap_without_btint) {
  Shared s;

  s.branch(0x111, kCircular);
  s.branch(0x222, kCircular);
  s.branch(0x333, kCircular);

  EXPECT_EQ(s.memory.word(kTraced), 0x333u);
  EXPECT_EQ(s.memory.word(kTraced + 0x08), kRip);
  EXPECT_EQ(s.memory.word(kTraced + 0x10), 0u);
  EXPECT_EQ(s.memory.word(kTraced + 24), 0x222u);
  EXPECT_TRUE(s.counters.pmis.empty());
}

// Rows: pebs-5-bts-record
TEST(PebsBts, with_btint_the_threshold_interrupts_and_a_full_buffer_stays) {
  Shared s;

  s.branch(0x111, kInterrupting);
  EXPECT_EQ(s.counters.pmis.size(), 1u);
  s.branch(0x222, kInterrupting);
  s.branch(0x333, kInterrupting);

  EXPECT_EQ(s.memory.word(kTraced), 0x111u);
  EXPECT_EQ(s.memory.word(kDs + 0x08), kTraced + 48);
  EXPECT_EQ(s.bts.lost(), 1u);
}

}  // namespace
}  // namespace lastbranch::pmu
