#include "sim/replay/estimate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lastbranch::replay {
namespace {

constexpr double kNormal = 1.96;  // of Wilson's interval

/// Widens `estimate` to Wilson's interval for `draws` independent draws.
void widen(Estimate& estimate, double draws) {
  const double p = estimate.value, z2 = kNormal * kNormal;
  const double centre = (p + z2 / (2 * draws)) / (1 + z2 / draws);
  const double reach = kNormal / (1 + z2 / draws) * std::sqrt(p * (1 - p) / draws + z2 / (4 * draws * draws));
  estimate.low = std::min(estimate.low, std::max(0.0, centre - reach));
  estimate.high = std::max(estimate.high, std::min(1.0, centre + reach));
}

/// `numerator` by `denominator`, with the interval that the groups' scatter gives.
Estimate ratio(const Groups& numerator, const Groups& denominator) {
  const u64 top = total(numerator), bottom = total(denominator);
  Estimate estimate;
  estimate.value = static_cast<double>(top) / static_cast<double>(bottom);
  std::array<double, kGroups> without{};
  for (std::size_t g = 0; g < kGroups; ++g) {
    const u64 rest = bottom - denominator[g];
    // All there is lies in one group: without it nothing is known, and Wilson's interval has to do.
    without[g] =
        rest == 0 ? estimate.value : static_cast<double>(top - numerator[g]) / static_cast<double>(rest);
  }
  const double reach = kReach * jackknife_error(without);
  estimate.low = std::max(0.0, estimate.value - reach);
  estimate.high = estimate.value + reach;
  return estimate;
}

}  // namespace

u64 total(const Groups& groups) {
  return std::accumulate(groups.begin(), groups.end(), u64{0});
}

double jackknife_error(const std::array<double, kGroups>& without) {
  constexpr double kCount = kGroups;
  const double mean = std::accumulate(without.begin(), without.end(), 0.0) / kCount;
  double squares = 0;
  for (const double value : without) squares += (value - mean) * (value - mean);
  return std::sqrt(squares * (kCount - 1) / kCount);
}

std::optional<Estimate> proportion(const Groups& of, const Groups& all) {
  const u64 draws = total(all);
  if (draws == 0) return std::nullopt;
  Estimate estimate = ratio(of, all);
  estimate.high = std::min(1.0, estimate.high);
  widen(estimate, static_cast<double>(draws));
  return estimate;
}

std::optional<Estimate> mean(const Groups& sum, const Groups& count) {
  if (total(count) == 0) return std::nullopt;
  return ratio(sum, count);
}

}  // namespace lastbranch::replay
