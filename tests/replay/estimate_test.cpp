// Shares, rates and means with their intervals.
#include "sim/replay/estimate.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace lastbranch::replay {
namespace {

Groups all(u64 value) {
  Groups groups{};
  groups.fill(value);
  return groups;
}

TEST(Estimate, nothing_counted_gives_nothing) {
  EXPECT_FALSE(proportion(all(0), all(0)).has_value());
  EXPECT_FALSE(mean(all(7), all(0)).has_value());
}

TEST(Estimate, groups_that_agree_leave_the_interval_of_independent_draws) {
  const auto half = proportion(all(5), all(10)).value();
  EXPECT_DOUBLE_EQ(half.value, 0.5);
  // Wilson for 80 of 160.
  EXPECT_NEAR(half.low, 0.4234, 1e-4);
  EXPECT_NEAR(half.high, 0.5766, 1e-4);
}

TEST(Estimate, none_of_fifty_is_not_certainly_none) {
  Groups draws{};
  draws[0] = 50;
  const auto none = proportion(Groups{}, draws).value();
  EXPECT_EQ(none.value, 0);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.0713, 1e-4);
}

TEST(Estimate, groups_that_scatter_widen_the_interval) {
  Groups of = all(5);
  for (std::size_t g = 0; g < kGroups; ++g) of[g] = g % 2 == 0 ? 1 : 9;
  const auto scattered = proportion(of, all(10)).value();
  const auto steady = proportion(all(5), all(10)).value();
  EXPECT_LT(scattered.low, steady.low);
  EXPECT_GT(scattered.high, steady.high);
}

TEST(Estimate, mean_of_equal_groups_is_exact) {
  const auto m = mean(all(70), all(10)).value();
  EXPECT_EQ(m.value, 7);
  EXPECT_EQ(m.low, 7);
  EXPECT_EQ(m.high, 7);
}

TEST(Estimate, a_mean_of_one_group_says_nothing_of_its_scatter) {
  Groups sum{}, count{};
  sum[3] = 70;
  count[3] = 10;
  const auto one = mean(sum, count).value();
  EXPECT_EQ(one.value, 7);
  EXPECT_EQ(one.low, 0);
  EXPECT_TRUE(std::isinf(one.high));
}

// Student's t for one degree of freedom: 12.706 standard errors, which of 6 and 8 is 1.
TEST(Estimate, two_groups_reach_far) {
  Groups sum{}, count{};
  sum[0] = 60;
  sum[1] = 80;
  count[0] = count[1] = 10;
  const auto two = mean(sum, count).value();
  EXPECT_EQ(two.value, 7);
  EXPECT_EQ(two.low, 0);
  EXPECT_NEAR(two.high, 7 + 12.706, 1e-9);
}

TEST(Estimate, few_groups_hold_the_truth_as_often) {
  std::mt19937 random(2);
  std::uniform_int_distribution<u64> cycles(0, 20);
  for (const std::size_t groups : {2u, 3u, 8u}) {
    int held = 0;
    constexpr int kTrials = 2000;
    for (int trial = 0; trial < kTrials; ++trial) {
      Groups sum{}, count{};
      for (std::size_t g = 0; g < groups; ++g) {
        for (int n = 0; n < 8; ++n) sum[g] += cycles(random);
        count[g] = 8;
      }
      const auto estimate = mean(sum, count).value();
      held += estimate.low <= 10 && 10 <= estimate.high;
    }
    EXPECT_NEAR(held, kTrials * 95 / 100, kTrials / 50) << groups;
  }
}

// The oracle is the truth behind the draws: 95 of 100 intervals should hold it.
TEST(Estimate, intervals_hold_the_truth_about_as_often_as_they_say) {
  std::mt19937 random(1);
  std::bernoulli_distribution hit(0.3);
  int held = 0;
  constexpr int kTrials = 1000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Groups of{}, draws{};
    // Each sample's ten branches are alike, so that they are worth one.
    for (std::size_t sample = 0; sample < 320; ++sample) {
      of[sample % kGroups] += hit(random) ? 10 : 0;
      draws[sample % kGroups] += 10;
    }
    const auto estimate = proportion(of, draws).value();
    held += estimate.low <= 0.3 && 0.3 <= estimate.high;
  }
  EXPECT_GT(held, kTrials * 92 / 100);
  EXPECT_LT(held, kTrials * 99 / 100);
}

TEST(Estimate, intervals_without_a_common_point_are_apart) {
  const Estimate low{0.1, 0.05, 0.15}, high{0.3, 0.2, 0.4}, wide{0.1, 0.0, 0.25};
  EXPECT_TRUE(low.apart_from(high));
  EXPECT_TRUE(high.apart_from(low));
  EXPECT_FALSE(wide.apart_from(high));
}

}  // namespace
}  // namespace lastbranch::replay
