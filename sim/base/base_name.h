#pragma once
#include <string_view>

namespace lastbranch {

/// The part of `path` behind its last '/'; all of a path without one.
[[nodiscard]] constexpr std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace lastbranch
