#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace lastbranch {

/// Wrong use, or a file or option that is bad. The message is one line that says what, where, what was
/// expected and what was found: "perf.data: attr 2 at offset 0x1a8: size 136 exceeds file (120 left)".
/// Never thrown from the run loop, and never for what a guest does: guest faults are values.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}

  /// Formats as fmt does: `throw Error("{}: not an ELF file", path)`.
  template <typename First, typename... Rest>
  explicit Error(fmt::format_string<First, Rest...> format, First&& first, Rest&&... rest)
      : std::runtime_error(fmt::format(format, std::forward<First>(first), std::forward<Rest>(rest)...)) {}
};

}  // namespace lastbranch
