#include "sim/replay/estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "sim/base/assert.h"

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

/// `numerator` by `denominator`, with the interval that the groups' scatter gives; nothing scatters in one.
struct Ratio {
  Estimate estimate;
  bool scatters = false;
};

Ratio ratio(const Groups& numerator, const Groups& denominator) {
  const u64 top = total(numerator), bottom = total(denominator);
  std::array<double, kGroups> without{};
  std::size_t groups = 0;
  for (std::size_t g = 0; g < kGroups; ++g) {
    const u64 rest = bottom - denominator[g];
    if (denominator[g] == 0 || rest == 0) continue;
    without[groups++] = static_cast<double>(top - numerator[g]) / static_cast<double>(rest);
  }
  const double value = static_cast<double>(top) / static_cast<double>(bottom);
  if (groups == 0) return {{value, value, value}, false};
  const double reach = jackknife_reach(std::span(without).first(groups));
  return {{value, std::max(0.0, value - reach), value + reach}, true};
}

}  // namespace

u64 total(const Groups& groups) {
  return std::accumulate(groups.begin(), groups.end(), u64{0});
}

std::size_t filled(const Groups& groups) {
  return static_cast<std::size_t>(std::ranges::count_if(groups, [](u64 n) { return n != 0; }));
}

double jackknife_reach(std::span<const double> without) {
  // Student's t of 97.5 %, by degrees of freedom from 1 on.
  constexpr std::array kStudent = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                   2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131};
  static_assert(kStudent.size() == kGroups - 1);
  LASTBRANCH_ASSERT(without.size() > 1 && without.size() <= kGroups, "{} groups", without.size());
  const auto count = static_cast<double>(without.size());
  const double mean = std::accumulate(without.begin(), without.end(), 0.0) / count;
  double squares = 0;
  for (const double value : without) squares += (value - mean) * (value - mean);
  return kStudent.at(without.size() - 2) * std::sqrt(squares * (count - 1) / count);
}

std::optional<Estimate> proportion(const Groups& of, const Groups& all, u64 draws) {
  const u64 every = total(all);
  if (every == 0) return std::nullopt;
  Estimate estimate = ratio(of, all).estimate;
  estimate.high = std::min(1.0, estimate.high);
  widen(estimate, static_cast<double>(draws != 0 ? draws : every));
  return estimate;
}

std::optional<Estimate> mean(const Groups& sum, const Groups& count) {
  if (total(count) == 0) return std::nullopt;
  auto [estimate, scatters] = ratio(sum, count);
  if (!scatters) {
    estimate.low = 0;
    estimate.high = std::numeric_limits<double>::infinity();
  }
  return estimate;
}

}  // namespace lastbranch::replay
