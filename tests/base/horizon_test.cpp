#include "sim/base/horizon.h"

#include <gtest/gtest.h>

namespace lastbranch {
namespace {

TEST(Horizon, names_the_first_instruction_that_can_reach_the_distance) {
  for (u64 most = 1; most <= 7; ++most) {
    for (u64 distance = 0; distance <= 60; ++distance) {
      u64 n = 0;  // smallest number of instructions whose most events reach the distance
      while (n * most < distance) ++n;
      EXPECT_EQ(earliest_instruction(distance, most), n) << distance << " events, " << most << " each";
    }
  }
}

TEST(Horizon, does_not_overflow_at_the_largest_distance) {
  EXPECT_EQ(earliest_instruction(~u64{0}, 1), ~u64{0});
  EXPECT_EQ(earliest_instruction(~u64{0}, 2), u64{1} << 63);
}

TEST(Horizon, is_the_smallest_limit) {
  Horizon h;
  EXPECT_EQ(h.instructions(), Horizon::kNone);

  h.within(100);
  h.events(1000, 4);
  EXPECT_EQ(h.instructions(), 100u);
  h.events(99, 2);
  EXPECT_EQ(h.instructions(), 50u);
}

}  // namespace
}  // namespace lastbranch
