#pragma once
/// The names of files that are being written, so that a signal handler can remove them before it ends the
/// process: destructors do not run then.
#include <cstddef>

namespace lastbranch::perfdata {

/// Remembers a file's name until it is destroyed. When all places are taken it remembers nothing.
class Temporary {
 public:
  static constexpr std::size_t kPlaces = 8;

  /// `path` must live and stay where it is as long as this object.
  explicit Temporary(const char* path);
  ~Temporary();
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

 private:
  std::size_t place_ = kPlaces;
};

/// Removes every file that is remembered. Safe in a signal handler; the process is to end after it.
void remove_temporaries() noexcept;

}  // namespace lastbranch::perfdata
