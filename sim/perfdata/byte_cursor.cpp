#include "sim/perfdata/byte_cursor.h"

#include <algorithm>

namespace lastbranch::perfdata {

void damaged(std::string_view file, u64 offset, std::string_view field, std::string_view expected,
             std::string_view found) {
  throw Error("{}: offset {:#x}: {}: expected {}, found {}", file, offset, field, expected, found);
}

void ByteCursor::fail(std::string_view field, std::string_view expected, std::string_view found) const {
  damaged(file_, offset(), fmt::format("{}: {}", what_, field), expected, found);
}

std::span<const std::byte> ByteCursor::take_bytes(u64 size, std::string_view field) {
  if (size > left()) fail(field, fmt::format("{} bytes", size), fmt::format("{} left", left()));
  const auto bytes = bytes_.subspan(at_, size);
  at_ += size;
  return bytes;
}

std::string ByteCursor::take_name(u64 size, std::string_view field) {
  const u64 start = offset();
  const auto bytes = take_bytes(size, field);
  const auto end = std::ranges::find(bytes, std::byte{0});
  if (end == bytes.end()) {
    damaged(file_, start, fmt::format("{}: {}", what_, field), "a NUL at the end of the text",
            fmt::format("none in {} bytes", size));
  }
  std::string text(static_cast<std::size_t>(end - bytes.begin()), '\0');
  std::memcpy(text.data(), bytes.data(), text.size());
  return text;
}

std::string ByteCursor::take_string(std::string_view field) {
  const auto size = take<u32>(field);
  return take_name(size, field);
}

ByteCursor ByteCursor::split_tail(u64 size, std::string_view field) {
  if (size > left()) fail(field, fmt::format("{} bytes", size), fmt::format("{} left", left()));
  const std::size_t keep = bytes_.size() - size;
  const ByteCursor tail(file_, offset_ + keep, bytes_.subspan(keep), what_);
  bytes_ = bytes_.first(keep);
  return tail;
}

}  // namespace lastbranch::perfdata
