#include "sim/replay/report.h"

#include <algorithm>
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

void Report::disagree(Example example) {
  const u64 before = (*this)[example.check].causes[static_cast<std::size_t>(example.cause)]++;
  if (before < kExamplesKept) examples.push_back(std::move(example));
}

bool Report::agrees() const {
  return std::ranges::all_of(checks, [](const Tally& tally) { return tally.of(Cause::kUnexplained) == 0; });
}

}  // namespace lastbranch::replay
