#include "sim/perfdata/byte_cursor.h"

#include <algorithm>

namespace lastbranch::perfdata {

void damaged(std::string_view file, u64 offset, std::string_view field, std::string_view expected,
             std::string_view found) {
  throw Error("{}: offset {:#x}: {}: expected {}, found {}", file, offset, field, expected, found);
}

void ByteCursor::fail_at(u64 at, std::string_view field, std::string_view expected,
                         std::string_view found) const {
  damaged(origin_.file, at, fmt::format("{}{}: {}", origin_.unpacked ? "decompressed " : "", what_, field),
          expected, found);
}

void ByteCursor::fail_short(u64 size, std::string_view field) const {
  fail(field, fmt::format("{} bytes", size), fmt::format("{} left", left()));
}

std::string ByteCursor::take_name(u64 size, std::string_view field) {
  const u64 start = offset();
  const auto bytes = take_bytes(size, field);
  const auto end = std::ranges::find(bytes, std::byte{0});
  if (end == bytes.end()) {
    fail_at(start, field, "a NUL at the end of the text", fmt::format("none in {} bytes", size));
  }
  std::string text(static_cast<std::size_t>(end - bytes.begin()), '\0');
  std::memcpy(text.data(), bytes.data(), text.size());
  return text;
}

std::string ByteCursor::take_string(std::string_view field) {
  const auto size = take<u32>(field);
  return take_name(size, field);
}

std::string ByteCursor::take_text(std::string_view field) {
  const auto rest = bytes_.subspan(at_);
  const auto end = std::ranges::find(rest, std::byte{0});
  return take_name(static_cast<u64>(end - rest.begin()) + (end == rest.end() ? 0 : 1), field);
}

ByteCursor ByteCursor::split_head(u64 size, std::string_view field) {
  Origin origin = origin_;
  origin.offset = offset();
  return {origin, take_bytes(size, field), what_};
}

ByteCursor ByteCursor::split_tail(u64 size, std::string_view field) {
  if (size > left()) fail_short(size, field);
  const std::size_t keep = bytes_.size() - size;
  Origin origin = origin_;
  if (!origin.unpacked) origin.offset += keep;
  const ByteCursor tail(origin, bytes_.subspan(keep), what_);
  bytes_ = bytes_.first(keep);
  return tail;
}

}  // namespace lastbranch::perfdata
