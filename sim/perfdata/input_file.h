#pragma once
/// A file that is read: a regular one by offset, with every range checked against its size, or a pipe from
/// front to back.
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

/// The path that means standard input, and how messages call that.
inline constexpr std::string_view kStandardInput = "-";
inline constexpr std::string_view kStandardInputName = "standard input";

class InputFile {
 public:
  static constexpr std::size_t kHeadSize = 16;

  /// "-" is standard input. Throws Error when `path` cannot be opened or is a directory. Waits for the writer
  /// of a named pipe.
  explicit InputFile(std::string path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// The first bytes; fewer than kHeadSize only when there are no more. They stay to be read.
  [[nodiscard]] std::span<const std::byte> head() const { return std::span(head_).first(head_size_); }

  /// A regular file: check_range(), read() and size() are for these only.
  [[nodiscard]] bool seekable() const { return seekable_; }

  /// Throws Error unless the `size` bytes at `offset`, which `field` names, lie in the file; `told_at` is the
  /// offset of the field that says so.
  void check_range(u64 offset, u64 size, u64 told_at, std::string_view field) const;

  /// Fills `bytes` from `offset`. The range must have been checked; throws Error when the file has shrunk
  /// since.
  void read(u64 offset, std::span<std::byte> bytes) const;

  /// Takes the next bytes of a file that is not seekable, from its first on. Returns how many; 0 at its end.
  [[nodiscard]] std::size_t read_next(std::span<std::byte> bytes);

  /// Makes the file seekable, if it is not: copies it to a temporary file that has no name. Throws Error.
  void make_seekable();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] u64 size() const { return size_; }
  [[nodiscard]] int descriptor() const { return fd_; }

 private:
  void read_head();
  [[nodiscard]] std::size_t read_some(std::span<std::byte> bytes) const;

  std::string path_;
  int fd_ = -1;
  bool seekable_ = false;
  u64 size_ = 0;
  std::array<std::byte, kHeadSize> head_{};
  std::size_t head_size_ = 0;
  u64 position_ = 0;  // of read_next()
};

}  // namespace lastbranch::perfdata
