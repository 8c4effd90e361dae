#include "sim/replay/report.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace lastbranch::replay {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Check::kCount)> kChecks = {
    "ring", "FROM is a branch", "direct target", "return behind a call", "straight line",
    "walk", "window",           "taken ratio",   "misprediction rate",   "cycles of edge"};

constexpr std::array<std::string_view, static_cast<std::size_t>(Cause::kCount)> kCauses = {
    "duplicated top",
    "zero tail",
    "interrupt",
    "iret",
    "kernel",
    "kernel seam",
    "skid",
    "unknown mapping",
    "call-stack mode",
    "edited",
    "not representable",
    "unexplained"};

}  // namespace

std::string_view name_of(Check check) {
  return kChecks[static_cast<std::size_t>(check)];
}

std::string_view name_of(Cause cause) {
  return kCauses[static_cast<std::size_t>(cause)];
}

void Report::disagree(Example example, u64 times) {
  const bool no_known_way = example.cause == Cause::kUnexplained || example.cause == Cause::kEdited ||
                            example.cause == Cause::kNotRepresentable;
  if (no_known_way && (blamed.size() < kEdgesKept || blamed_at_.contains({example.from, example.to}))) {
    const auto [at, added] = blamed_at_.try_emplace({example.from, example.to}, blamed.size());
    if (added) blamed.push_back({example.from, example.to, 0, example.check, example.cause});
    blamed[at->second].count += times;
  }
  u64& counted = (*this)[example.check].causes[static_cast<std::size_t>(example.cause)];
  const u64 before = std::exchange(counted, counted + times);
  if (before < kExamplesKept) examples.push_back(std::move(example));
}

bool Report::made(Check check) const {
  const Tally& tally = (*this)[check];
  return tally.held != 0 || std::ranges::any_of(tally.causes, [](u64 n) { return n != 0; });
}

bool Report::agrees() const {
  return std::ranges::all_of(checks, [](const Tally& tally) {
    return tally.of(Cause::kUnexplained) == 0 && tally.of(Cause::kNotRepresentable) == 0;
  });
}

std::vector<BlamedEdge> Report::worst_edges(std::size_t most) const {
  std::vector<BlamedEdge> worst = blamed;
  std::ranges::stable_sort(worst, std::ranges::greater{}, &BlamedEdge::count);
  worst.resize(std::min(worst.size(), most));
  return worst;
}

}  // namespace lastbranch::replay
