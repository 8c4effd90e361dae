#pragma once
/// A file that is read by offset, with every range checked against its size.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

class InputFile {
 public:
  /// Throws Error when `path` cannot be opened or is no regular file.
  explicit InputFile(std::string path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Throws Error unless the `size` bytes at `offset`, which `field` names, lie in the file; `told_at` is the
  /// offset of the field that says so.
  void check_range(u64 offset, u64 size, u64 told_at, std::string_view field) const;

  /// Fills `bytes` from `offset`. The range must have been checked; throws Error when the file has shrunk
  /// since.
  void read(u64 offset, std::span<std::byte> bytes) const;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] u64 size() const { return size_; }

 private:
  std::string path_;
  int fd_ = -1;
  u64 size_ = 0;
};

}  // namespace lastbranch::perfdata
