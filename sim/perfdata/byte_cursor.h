#pragma once
/// Takes fields from a range of a file's bytes; nothing is taken that is not there.
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/units.h"
#include "sim/perfdata/byte_order.h"

namespace lastbranch::perfdata {

/// Throws Error: "FILE: offset 0x1a8: attr 2 size: expected at most 128, found 136".
[[noreturn]] void damaged(std::string_view file, u64 offset, std::string_view field,
                          std::string_view expected, std::string_view found);

/// Where a range of bytes comes from.
struct Origin {
  std::string_view file;
  u64 offset = 0;         ///< of the first byte
  bool swapped = false;   ///< the fields have the other byte order
  bool unpacked = false;  ///< decompressed from what lies at `offset`
};

class ByteCursor {
 public:
  /// `bytes` come from `origin`; `what` names them in messages: "SAMPLE record". The views must outlive the
  /// cursor.
  ByteCursor(Origin origin, std::span<const std::byte> bytes, std::string_view what)
      : origin_(origin), what_(what), bytes_(bytes) {}

  /// The next field. Throws Error when it would pass the end.
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  [[nodiscard]] T take(std::string_view field) {
    T value;
    std::memcpy(&value, take_bytes(sizeof value, field).data(), sizeof value);
    if (origin_.swapped) swap_bytes(value);
    return value;
  }

  /// The next `count` fields, as a copy into `values`; the count is checked before memory is asked for.
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void take_all(u64 count, std::vector<T>& values, std::string_view field) {
    if (count > left() / sizeof(T)) {
      fail(field, fmt::format("at most {} elements of {} bytes", left() / sizeof(T), sizeof(T)),
           fmt::to_string(count));
    }
    values.resize(count);
    const auto bytes = take_bytes(count * sizeof(T), field);
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    if (origin_.swapped) {
      for (T& value : values) swap_bytes(value);
    }
  }

  [[nodiscard]] std::span<const std::byte> take_bytes(u64 size, std::string_view field) {
    if (size > left()) fail_short(size, field);
    const auto bytes = bytes_.subspan(at_, size);
    at_ += size;
    return bytes;
  }

  /// Text that ends with a NUL within the next `size` bytes, all of which are passed over.
  [[nodiscard]] std::string take_name(u64 size, std::string_view field);

  /// A string of a feature section: u32 length, text, padding.
  [[nodiscard]] std::string take_string(std::string_view field);

  /// Text up to the next NUL, which is passed over.
  [[nodiscard]] std::string take_text(std::string_view field);

  void skip(u64 size, std::string_view field) { static_cast<void>(take_bytes(size, field)); }

  /// Moves on by `size` bytes, and returns those bytes as a cursor of their own.
  [[nodiscard]] ByteCursor split_head(u64 size, std::string_view field);

  /// Makes the cursor end `size` bytes earlier, and returns those bytes as a cursor of their own.
  [[nodiscard]] ByteCursor split_tail(u64 size, std::string_view field);

  [[noreturn]] void fail(std::string_view field, std::string_view expected, std::string_view found) const {
    fail_at(offset(), field, expected, found);
  }
  /// The same of a field that was taken: `at` is what offset() said before.
  [[noreturn]] void fail_at(u64 at, std::string_view field, std::string_view expected,
                            std::string_view found) const;

  [[nodiscard]] u64 left() const { return bytes_.size() - at_; }
  /// Where in the file the next field lies; of decompressed bytes, where the compressed ones lie.
  [[nodiscard]] u64 offset() const { return origin_.offset + (origin_.unpacked ? 0 : at_); }

 private:
  [[noreturn]] void fail_short(u64 size, std::string_view field) const;

  Origin origin_;
  std::string_view what_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace lastbranch::perfdata
