#pragma once
/// "Did you mean": the names that resemble one that is not known.
#include <span>
#include <string>
#include <string_view>

namespace lastbranch::cli {

/// Up to three of `names` that are few edits from `name` or begin with it, nearest first, separated by
/// commas; empty when none is close.
[[nodiscard]] std::string close_names(std::string_view name, std::span<const std::string> names);

}  // namespace lastbranch::cli
