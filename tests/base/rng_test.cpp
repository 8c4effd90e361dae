#include "sim/base/rng.h"

#include <array>

#include <gtest/gtest.h>

namespace lastbranch {
namespace {

TEST(Rng, split_mix_gives_the_published_sequence) {
  // First outputs for seed 1234567, as Vigna's reference implementation prints them.
  u64 state = 1234567;
  EXPECT_EQ(split_mix(state), 6457827717110365317u);
  EXPECT_EQ(split_mix(state), 3203168211198807973u);
  EXPECT_EQ(split_mix(state), 9817491932198370423u);
}

TEST(Rng, is_the_same_for_the_same_seed_and_differs_between_seeds) {
  Rng a(7);
  Rng b(7);
  Rng c(8);
  int equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const u64 x = a();
    EXPECT_EQ(x, b());
    equal += x == c() ? 1 : 0;
  }
  EXPECT_EQ(equal, 0);
}

TEST(Rng, below_is_uniform_within_its_bound) {
  Rng rng(3);
  std::array<int, 6> seen{};
  for (int i = 0; i < 60000; ++i) ++seen.at(rng.below(6));
  for (const int n : seen) EXPECT_NEAR(n, 10000, 400) << "4 standard deviations";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, every_bit_is_set_half_of_the_time) {
  Rng rng(5);
  std::array<int, 64> ones{};
  for (int i = 0; i < 10000; ++i) {
    const u64 x = rng();
    for (unsigned b = 0; b < 64; ++b) ones.at(b) += static_cast<int>((x >> b) & 1);
  }
  for (const int n : ones) EXPECT_NEAR(n, 5000, 250) << "5 standard deviations";
}

TEST(Rng, chance_never_and_always) {
  Rng rng(9);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(rng.chance(0, 10));
    EXPECT_TRUE(rng.chance(10, 10));
  }
}

}  // namespace
}  // namespace lastbranch
