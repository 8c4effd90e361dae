#pragma once
/// Where bytes go that cannot be taken back: standard output, a pipe, a fifo, a socket. A reader that goes
/// away is an errno (EPIPE), never a signal.
#include <cstddef>
#include <span>
#include <string>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

class OutputStream {
 public:
  /// The name of standard output, as for perf.
  static constexpr std::string_view kStandardOutput = "-";

  /// Whether `path` is a stream: "-", or there is a pipe, fifo or socket of that name.
  [[nodiscard]] static bool is_stream(const std::string& path);

  /// Opens `path`; a fifo waits for its reader. With `fd` >= 0 a copy of that descriptor, which `path` names
  /// in messages. Throws Error, also for a terminal, to which nobody wants binary data.
  explicit OutputStream(const std::string& path, int fd = -1);
  ~OutputStream();
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;

  /// Returns 0, or the errno of the first failure; what was written before it counts in end().
  [[nodiscard]] int append(std::span<const std::byte> bytes);
  /// Closes it. Returns 0 or an errno.
  [[nodiscard]] int close();

  /// What messages call it.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Bytes appended so far.
  [[nodiscard]] u64 end() const { return end_; }

 private:
  std::string name_;
  int fd_ = -1;
  u64 end_ = 0;
};

}  // namespace lastbranch::perfdata
