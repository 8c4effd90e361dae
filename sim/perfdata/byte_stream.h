#pragma once
/// The bytes of a file in order, through a window: memory stays the same however long the file is.
#include <algorithm>
#include <span>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/input_file.h"

namespace lastbranch::perfdata {

class ByteStream {
 public:
  /// No more than this can be looked at once: a record's 64 KiB and some.
  static constexpr u64 kPeekMax = u64{1} << 17;

  /// The bytes from `begin` to `end` of a seekable file, which must have been checked. `file` must outlive
  /// the stream.
  ByteStream(InputFile& file, u64 begin, u64 end);
  /// All of a file that is not seekable.
  explicit ByteStream(InputFile& file);

  /// The next `size` bytes, at most kPeekMax; fewer where the stream ends. Valid until the next call.
  [[nodiscard]] std::span<const std::byte> peek(u64 size) {
    if (filled_ - used_ < size) refill(size);
    return std::span(window_).subspan(used_, std::min<u64>(size, filled_ - used_));
  }
  /// Moves on by what was peeked.
  void advance(u64 size) { used_ += size; }
  /// Moves on by any number of bytes; returns by how many, fewer where the stream ends.
  u64 skip(u64 size);

  /// How many bytes are left, as far as they can be counted: all, or of a pipe at most `at_most`.
  [[nodiscard]] u64 left(u64 at_most);

  /// Of the next byte, in the file.
  [[nodiscard]] u64 offset() const { return window_at_ + used_; }
  [[nodiscard]] const InputFile& file() const { return *file_; }

 private:
  void refill(u64 size);
  [[nodiscard]] std::size_t read_into(std::span<std::byte> room);

  InputFile* file_;
  u64 next_;  // offset of what is read from the file next
  u64 end_;   // of a seekable file's range
  std::vector<std::byte> window_;
  u64 window_at_;  // offset of its first byte
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace lastbranch::perfdata
