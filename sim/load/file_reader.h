#pragma once
// Range-checked reading of a file that may be anything: every offset a format names goes through here.
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::load {

/// A file opened for reading. Throws Error naming the file, the place and what is missing.
class FileReader {
 public:
  /// Opens `path` on the host. Throws Error when it cannot be opened or is not a regular file.
  explicit FileReader(const std::string& path);
  /// Reads through a duplicate of the descriptor `fd`; `name` is what messages call the file.
  FileReader(int fd, std::string name);
  ~FileReader();
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] u64 size() const { return size_; }
  [[nodiscard]] int fd() const { return fd_; }

  /// Fills `out` from `offset`. Throws Error "NAME: WHAT at offset ..." when the file ends before.
  void read(u64 offset, std::span<u8> out, const char* what) const;
  /// Up to `limit` bytes from `offset`, fewer at the end of the file.
  [[nodiscard]] std::vector<u8> read_some(u64 offset, u64 limit) const;

  template <class T>
  [[nodiscard]] T read_as(u64 offset, const char* what) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<u8> bytes(sizeof(T));
    read(offset, bytes, what);
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  /// `count` consecutive records. The range is checked before anything is allocated.
  template <class T>
  [[nodiscard]] std::vector<T> read_array(u64 offset, u64 count, const char* what) const {
    static_assert(std::is_trivially_copyable_v<T>);
    require(offset, count, sizeof(T), what);
    std::vector<T> values(count);
    read(offset, {reinterpret_cast<u8*>(values.data()), count * sizeof(T)}, what);
    return values;
  }

  /// Throws unless `count` records of `each` bytes from `offset` lie in the file.
  void require(u64 offset, u64 count, u64 each, const char* what) const;

 private:
  void measure();

  int fd_ = -1;
  std::string name_;
  u64 size_ = 0;
};

}  // namespace lastbranch::load
