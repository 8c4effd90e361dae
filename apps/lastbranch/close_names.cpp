#include "apps/lastbranch/close_names.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace lastbranch::cli {
namespace {

/// Insertions, deletions and replacements between the two (Levenshtein).
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string close_names(std::string_view name, std::span<const std::string> names) {
  constexpr std::size_t kShown = 3;
  const std::size_t most = name.size() / 3;
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const std::string& candidate : names) {
    const std::size_t distance = candidate.starts_with(name) ? 0 : edits(name, candidate);
    if (distance <= most) near.emplace_back(distance, candidate);
  }
  std::ranges::stable_sort(near, {}, &std::pair<std::size_t, std::string_view>::first);
  std::string text;
  for (std::size_t i = 0; i < std::min(near.size(), kShown); ++i) {
    text += (text.empty() ? "" : ", ") + std::string(near[i].second);
  }
  return text;
}

}  // namespace lastbranch::cli
