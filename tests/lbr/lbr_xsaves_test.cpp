// The XSAVES image of architectural records.
#include <cstring>

#include <gtest/gtest.h>

#include "models/lbr/xsaves.h"
#include "sim/base/rng.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

u64 word(std::span<const u8> image, std::size_t offset) {
  u64 value = 0;
  std::memcpy(&value, image.data() + offset, 8);
  return value;
}

// Rows: lbr-2-xsaves
TEST(LbrXsaves, image_is_808_bytes_in_the_manuals_order) {
  LbrState s{.ctl = 1, .depth = 2, .ler_from = 3, .ler_to = 4, .ler_info = 5, .records = {}};
  for (u64 n = 0; n < 32; ++n) s.records.at(n) = {100 + n, 200 + n, 300 + n};
  const auto image = xsaves_encode(s);
  static_assert(kXsavesComponent == 15);
  ASSERT_EQ(image.size(), 808u);
  for (u64 n = 0; n < 5; ++n) EXPECT_EQ(word(image, n * 8), n + 1);
  for (u64 n = 0; n < 32; ++n) {
    EXPECT_EQ(word(image, 40 + n * 24), 100 + n);
    EXPECT_EQ(word(image, 48 + n * 24), 200 + n);
    EXPECT_EQ(word(image, 56 + n * 24), 300 + n);
  }
  EXPECT_EQ(xsaves_decode(image), s);
}

// Rows: lbr-2-xsaves, lbr-2-arch-newest-first
TEST(LbrXsaves, saved_and_restored_state_reads_the_same_through_every_register) {
  Rng rng(3);
  for (const u64 depth : {u64{8}, u64{16}, u64{32}}) {
    Probe p(arch_part(0xf));
    ASSERT_EQ(p.write(0x14cf, depth), MsrFault::kNone);
    for (int n = 0; n < 50; ++n) p.take(0x1000 + rng.below(0x10000), static_cast<BranchKind>(rng.below(6)));
    p.lbr.push(branch(0x1234, kKernel, p.time + 5, BranchKind::kInterrupt, 3, 0));
    const LbrState state = save(p.lbr);
    EXPECT_EQ(state.records.at(0).from, 0x1234u) << "newest first";
    EXPECT_EQ(state.depth, depth);

    Probe q(arch_part(0xf));
    ASSERT_EQ(q.write(0x14cf, depth), MsrFault::kNone);
    ASSERT_EQ(restore(q.lbr, xsaves_decode(xsaves_encode(state))), MsrFault::kNone);
    for (const auto& msr : p.bus.list()) EXPECT_EQ(q.read(msr.index), p.read(msr.index)) << msr.name;
    EXPECT_EQ(save(q.lbr), state);
    EXPECT_TRUE(q.lbr.recording());
  }
}

// Rows: lbr-2-xsaves-depth, lbr-2-xsaves-init
TEST(LbrXsaves, other_depth_leaves_the_initial_state) {
  Probe p(arch_part());
  p.take(0x1000);
  LbrState state = save(p.lbr);
  state.depth = 16;
  ASSERT_EQ(restore(p.lbr, state), MsrFault::kNone);
  EXPECT_EQ(p.read(0x14cf), 32u);
  for (const auto& msr : p.bus.list()) {
    if (msr.index != 0x14cf) {
      EXPECT_EQ(p.read(msr.index), 0u) << msr.name;
    }
  }
}

// Rows: lbr-2-xsaves
TEST(LbrXsaves, illegal_values_are_refused_whole) {
  Probe p(arch_part());
  p.take(0x1000);
  const LbrState before = save(p.lbr);
  for (int which = 0; which < 4; ++which) {
    LbrState bad = before;
    if (which == 0) bad.ctl |= 1 << 5;
    if (which == 1) bad.ler_to = u64{1} << 60;
    if (which == 2) bad.records.at(31).from = u64{1} << 50;
    if (which == 3) bad.records.at(0).to = u64{1} << 47;
    EXPECT_EQ(restore(p.lbr, bad), which == 0 ? MsrFault::kReserved : MsrFault::kNonCanonical);
    EXPECT_EQ(save(p.lbr), before);
  }
}

}  // namespace
}  // namespace lastbranch::lbr
