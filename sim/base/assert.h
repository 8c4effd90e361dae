#pragma once

#include <fmt/core.h>

#ifndef LASTBRANCH_ASSERTS
#define LASTBRANCH_ASSERTS 0
#endif

namespace lastbranch {

/// Whether LASTBRANCH_ASSERT checks; a CMake option, on in the presets `dev` and `asan`.
inline constexpr bool kAsserts = LASTBRANCH_ASSERTS != 0;

namespace detail {

/// Prints `file:line: broken invariant: condition: message` to stderr and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   fmt::string_view format = {}, fmt::format_args args = {});

/// Keeps the formatting out of the caller's code: the check costs one compare and a branch never taken.
template <typename... Args>
[[noreturn, gnu::cold, gnu::noinline]] void assertion_failed_with(const char* condition, const char* file,
                                                                  int line,
                                                                  fmt::format_string<Args...> format,
                                                                  const Args&... args) {
  assertion_failed(condition, file, line, format, fmt::make_format_args(args...));
}
[[noreturn, gnu::cold, gnu::noinline]] inline void assertion_failed_with(const char* condition,
                                                                         const char* file, int line) {
  assertion_failed(condition, file, line);
}

}  // namespace detail
}  // namespace lastbranch

/// An invariant that holds unless lastbranch itself has a bug; checked in every build. For places where a
/// compare costs nothing: LASTBRANCH_CHECK(size <= kMax, "size {} of {}", size, name).
#define LASTBRANCH_CHECK(condition, ...)                                                \
  do {                                                                                  \
    if (!(condition)) [[unlikely]] {                                                    \
      ::lastbranch::detail::assertion_failed_with(#condition, __FILE__,                 \
                                                  __LINE__ __VA_OPT__(, ) __VA_ARGS__); \
    }                                                                                   \
  } while (false)

/// The same for hot paths: checked only in builds with LASTBRANCH_ASSERTS, elsewhere compiled and
/// type-checked but never evaluated.
#define LASTBRANCH_ASSERT(condition, ...)                     \
  do {                                                        \
    if constexpr (::lastbranch::kAsserts) {                   \
      LASTBRANCH_CHECK(condition __VA_OPT__(, ) __VA_ARGS__); \
    }                                                         \
  } while (false)
