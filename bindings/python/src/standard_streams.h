#pragma once
// Stands other descriptors in the place of 0, 1 and 2 for a while: a process takes over the ones it finds
// when it is made, so the exchange lasts only that long.
#include <array>

namespace lastbranch::python {

/// Descriptors for standard input, output and error; negative: leave as it is.
using StreamFds = std::array<int, 3>;

class StandardStreams {
 public:
  /// Throws Error when the host refuses. The streams come back when the object goes.
  explicit StandardStreams(const StreamFds& fds);
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;

 private:
  void restore() noexcept;

  static constexpr int kUntouched = -2, kWasClosed = -1;
  std::array<int, 3> saved_{kUntouched, kUntouched, kUntouched};
};

}  // namespace lastbranch::python
