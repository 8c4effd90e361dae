#pragma once
/// Shares, rates and means of what samples saw, each with a 95 % confidence interval.
/// Branches of one sample follow from each other, so they are no independent draws: samples are dealt round
/// to kGroups groups, and the scatter between groups gives the interval (delete-one-group jackknife). A rate
/// whose groups do not scatter, as 0 of 50, gets Wilson's interval for as many independent draws: the wider
/// of the two holds. Of fewer than kGroups samples the groups are fewer, and Student's t for as many holds.
/// Sources: B. Efron, C. Stein, "The Jackknife Estimate of Variance" (1981); E. B. Wilson,
/// "Probable Inference, the Law of Succession, and Statistical Inference" (1927).
#include <array>
#include <optional>
#include <span>

#include "sim/base/units.h"

namespace lastbranch::replay {

inline constexpr std::size_t kGroups = 16;

/// A count, kept apart by group.
using Groups = std::array<u64, kGroups>;

[[nodiscard]] u64 total(const Groups& groups);
/// Groups that have something.
[[nodiscard]] std::size_t filled(const Groups& groups);

struct Estimate {
  double value = 0;
  double low = 0;  ///< of the 95 % interval
  double high = 0;

  /// Whether the two intervals have nothing in common: a difference that sampling does not explain.
  [[nodiscard]] bool apart_from(const Estimate& other) const { return high < other.low || other.high < low; }
};

/// The part `of` has in `all`, which it is counted in: 0 to 1. Nothing when `all` is 0. `draws`: how many of
/// `all` count as independent for Wilson's interval; 0: all.
[[nodiscard]] std::optional<Estimate> proportion(const Groups& of, const Groups& all, u64 draws = 0);

/// `sum` by `count`, such as cycles by entry. Nothing when `count` is 0. What lies in one group only does not
/// scatter: low is 0 then, and high infinite.
[[nodiscard]] std::optional<Estimate> mean(const Groups& sum, const Groups& count);

/// How far a 95 % interval reaches to either side, from what the figure is without each of the groups, two or
/// more: the standard error times Student's t.
[[nodiscard]] double jackknife_reach(std::span<const double> without);

}  // namespace lastbranch::replay
