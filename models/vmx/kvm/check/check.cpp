#include "models/vmx/kvm/check/check.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "models/vmx/kvm/check/replays.h"
#include "sim/base/assert.h"
#include "sim/base/error.h"

namespace lastbranch::kvm {
namespace {

std::string shown(const Column& column, u64 value) {
  if (column.type == ColumnType::kSigned) return fmt::format("{}", static_cast<i64>(value));
  return value < 10 ? fmt::format("{}", value) : fmt::format("{:#x}", value);
}

/// The words of both texts that differ first.
std::string text_difference(std::string_view expected, std::string_view found) {
  std::size_t word = 0;
  while (true) {
    const std::string_view a = expected.substr(0, expected.find(' '));
    const std::string_view b = found.substr(0, found.find(' '));
    if (a != b) return fmt::format("word {}: expected '{}', found '{}'", word, a, b);
    if (a.size() == expected.size() || b.size() == found.size()) return "one of them ends early";
    expected.remove_prefix(a.size() + 1);
    found.remove_prefix(b.size() + 1);
    ++word;
  }
}

/// What differs, in words; empty if nothing does.
std::string difference(const Case& replayed) {
  const VectorSet& set = replayed.set();
  const VectorRow& row = replayed.row();
  LASTBRANCH_ASSERT(replayed.answers().size() == set.columns.size() - set.inputs, "set {}: {} answers",
                    set.name, replayed.answers().size());
  std::string text;
  for (std::size_t i = set.inputs; i < set.columns.size(); ++i) {
    const Column& column = set.columns[i];
    std::string what;
    if (column.type == ColumnType::kText) {
      if (row.texts[i] == replayed.answer_text()) continue;
      what = text_difference(row.texts[i], replayed.answer_text());
    } else {
      const u64 answer = replayed.answers()[i - set.inputs];
      if (row.numbers[i] == answer) continue;
      what = fmt::format("expected {}, found {}", shown(column, row.numbers[i]), shown(column, answer));
    }
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", column.name, what);
  }
  return text;
}

}  // namespace

std::size_t CheckResult::rows() const {
  return std::transform_reduce(kernels.begin(), kernels.end(), std::size_t{0}, std::plus<>(),
                               [](const KernelTally& k) { return k.rows; });
}

std::size_t CheckResult::matched() const {
  return std::transform_reduce(kernels.begin(), kernels.end(), std::size_t{0}, std::plus<>(),
                               [](const KernelTally& k) { return k.matched; });
}

CheckResult check_file(const std::string& path, std::size_t keep_per_kernel) {
  VectorFile file(path);
  CheckResult result;
  result.path = path;
  result.set = file.set().name;
  VectorRow row;
  while (file.next(row)) {
    Case replayed(file.set(), row);
    try {
      file.set().replay(replayed);
    } catch (const Error& error) {
      throw Error("{}:{}: column {} ({}): {}", path, row.line, file.set().inputs,
                  file.set().columns[file.set().inputs - 1].name, error.what());
    }
    const std::string what = difference(replayed);
    KernelTally& tally = result.kernels[static_cast<std::size_t>(row.kernel)];
    ++tally.rows;
    if (what.empty()) {
      ++tally.matched;
    } else if (tally.rows - tally.matched <= keep_per_kernel) {
      result.first.push_back({row.line, row.kernel, what});
    }
  }
  return result;
}

}  // namespace lastbranch::kvm
