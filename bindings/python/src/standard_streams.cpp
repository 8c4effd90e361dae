#include "bindings/python/src/standard_streams.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "sim/base/error.h"

namespace lastbranch::python {

StandardStreams::StandardStreams(const StreamFds& fds) {
  // First all copies: one of `fds` may be 0, 1 or 2 itself.
  StreamFds copies{-1, -1, -1};
  for (std::size_t k = 0; k < fds.size(); ++k) {
    if (fds.at(k) < 0) continue;
    copies.at(k) = ::fcntl(fds.at(k), F_DUPFD_CLOEXEC, 3);
    if (copies.at(k) < 0) {
      const int error = errno;
      for (const int copy : copies) {
        if (copy >= 0) ::close(copy);
      }
      throw Error("standard stream {}: expected an open descriptor, found {}: {}", k, fds.at(k),
                  std::strerror(error));
    }
  }
  for (std::size_t k = 0; k < copies.size(); ++k) {
    if (copies.at(k) < 0) continue;
    const int target = static_cast<int>(k);
    saved_.at(k) = ::fcntl(target, F_DUPFD_CLOEXEC, 3);  // kWasClosed when there is none
    ::dup2(copies.at(k), target);
    ::close(copies.at(k));
  }
}

StandardStreams::~StandardStreams() {
  restore();
}

void StandardStreams::restore() noexcept {
  for (std::size_t k = 0; k < saved_.size(); ++k) {
    const int target = static_cast<int>(k);
    if (saved_.at(k) == kUntouched) continue;
    if (saved_.at(k) == kWasClosed) {
      ::close(target);
    } else {
      ::dup2(saved_.at(k), target);
      ::close(saved_.at(k));
    }
  }
}

}  // namespace lastbranch::python
