#pragma once
/// A file that appears under its name only when it is whole.
/// Bytes go to a temporary beside the target, and commit() renames it; destroyed without commit(), it leaves
/// nothing. The rename keeps out of crashes of this process, not of the machine: there is no fsync.
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "sim/base/units.h"
#include "sim/perfdata/temporaries.h"

namespace lastbranch::perfdata {

class OutputFile {
 public:
  /// Creates the temporary, with mode 0600 as perf does. A symbolic link is followed, a character device such
  /// as /dev/null written in place. Throws Error when the target is another non-file or its folder is not
  /// writable.
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Writes after the last append. Returns 0, or the errno of the first failure; what was written before it
  /// counts in end().
  [[nodiscard]] int append(std::span<const std::byte> bytes);

  /// Overwrites bytes that were appended before, or extends them. Returns 0 or an errno.
  [[nodiscard]] int write_at(u64 offset, std::span<const std::byte> bytes);

  /// Cuts the file to `size` bytes; returns 0 or an errno.
  [[nodiscard]] int truncate(u64 size);

  /// Bytes `offset`.. of what was written. Throws Error when they cannot be read back.
  void read_at(u64 offset, std::span<std::byte> bytes) const;

  /// Closes the file and gives it its name, replacing what had it. Throws Error; then nothing is left behind.
  void commit();

  /// Removes the temporary now.
  void discard();

  /// Bytes appended so far.
  [[nodiscard]] u64 end() const { return end_; }
  /// The target as the caller named it.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] int write_all(u64 offset, std::span<const std::byte> bytes, u64& written) const;

  std::string path_;
  std::string target_;                   // path_ with symbolic links followed
  std::string temporary_;                // empty once renamed or removed, and for a device
  std::optional<Temporary> remembered_;  // temporary_, for signal handlers
  int fd_ = -1;
  u64 end_ = 0;
};

}  // namespace lastbranch::perfdata
