#include "sim/base/assert.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace lastbranch::detail {

void assertion_failed(const char* condition, const char* file, int line, fmt::string_view format,
                      fmt::format_args args) {
  const std::string message = fmt::vformat(format, args);
  std::fprintf(stderr, "%s:%d: broken invariant: %s%s%s\n", file, line, condition,
               message.empty() ? "" : ": ", message.c_str());
  std::abort();
}

}  // namespace lastbranch::detail
