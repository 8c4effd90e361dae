#pragma once
/// The lines of a text, one after the other, and messages that say where in them something is wrong.
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/text_input.h"

namespace lastbranch::perfdata {

/// A line without its end; valid until the next is read.
struct TextLine {
  std::string_view text;
  u64 number = 0;      ///< from 1
  u64 offset = 0;      ///< of its first byte in the text, which compression does not count in
  bool ended = false;  ///< by a newline: the last line of a cut file is not

  [[nodiscard]] const char* begin() const { return text.data(); }
  [[nodiscard]] const char* end() const { return text.data() + text.size(); }
};

/// Throws Error: "FILE: line 3, column 14: from: expected a hexadecimal address, found 'zz'". `at` points
/// into the line.
[[noreturn]] void bad_text(std::string_view file, const TextLine& line, const char* at,
                           std::string_view field, std::string_view expected);

class LineReader {
 public:
  explicit LineReader(TextInput& input);

  /// The next line; false after the last. Throws Error when a line has over 64 MiB, or as TextInput::read().
  [[nodiscard]] bool next(TextLine& line);

  /// The next call of next() returns the same line again.
  void unread() { again_ = true; }

  /// The first bytes of the text, 64 KiB where it has that many, before any line is read.
  [[nodiscard]] std::string_view peek();

 private:
  /// Reads more behind what is there; false at the end.
  [[nodiscard]] bool grow();

  TextInput& input_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;  // in buffer_: the next line, and the end of what was read
  std::size_t end_ = 0;
  u64 base_ = 0;  // offset of buffer_[0] in the text
  bool finished_ = false;
  bool again_ = false;
  TextLine line_;
};

}  // namespace lastbranch::perfdata
