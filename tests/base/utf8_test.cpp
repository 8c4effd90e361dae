// What begins a UTF-8 character and what does not.
#include "sim/base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace lastbranch {
namespace {

/// Every code point that is one, encoded as RFC 3629 says.
std::string encoded(unsigned point) {
  const auto tail = [&](unsigned shift) { return static_cast<char>(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8, every_code_point_is_one_character_and_surrogates_are_none) {
  for (unsigned point = 0; point < 0x110000; ++point) {
    const std::string text = encoded(point);
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    ASSERT_EQ(utf8_length(text), surrogate ? 0 : text.size()) << std::hex << point;
    if (text.size() > 1) ASSERT_EQ(utf8_length(text.substr(0, text.size() - 1)), 0u) << std::hex << point;
  }
}

TEST(Utf8, other_bytes_begin_no_character) {
  for (const char* text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xc3(", "\xe2\x82(", "\xe2(\xac"}) {
    EXPECT_EQ(utf8_length(text), 0u) << text;
  }
}

}  // namespace
}  // namespace lastbranch
