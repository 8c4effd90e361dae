#pragma once
/// Appends the little-endian fields of perf.data to a buffer.
#include <bit>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {

static_assert(std::endian::native == std::endian::little, "fields are copied as the host holds them");

class Encoder {
 public:
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void put(const T& value) { append(&value, sizeof value); }

  template <typename T>
  void put_all(std::span<const T> values) {
    append(values.data(), values.size_bytes());
  }

  /// Text with its NUL and zeros up to a multiple of `unit`, without a length: the names in records.
  void put_name(std::string_view text, std::size_t unit = 8) {
    const std::size_t start = bytes_.size();
    append(text.data(), text.size());
    bytes_.resize(start + align_up(text.size() + 1, unit));
  }

  /// Length and text as feature sections hold them.
  void put_string(std::string_view text) {
    put(static_cast<u32>(align_up(text.size() + 1, kStringAlign)));
    put_name(text, kStringAlign);
  }

  void put_zeros(std::size_t count) { bytes_.resize(bytes_.size() + count); }
  void pad_to(std::size_t unit) { bytes_.resize(align_up(bytes_.size(), unit)); }

  /// Replaces what was put at `offset`.
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void patch(std::size_t offset, const T& value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }

  /// Drops what was put from `size` on.
  void shrink_to(std::size_t size) { bytes_.resize(size); }
  void clear() { bytes_.clear(); }
  void reserve(std::size_t size) { bytes_.reserve(size); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void append(const void* data, std::size_t size) {
    if (size == 0) return;
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }

  std::vector<std::byte> bytes_;
};

}  // namespace lastbranch::perfdata
