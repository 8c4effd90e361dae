#include "sim/perfdata/output_stream.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"

namespace lastbranch::perfdata {
namespace {

/// Keeps SIGPIPE of this thread's writes from ending the process; what was pending before stays so.
class PipeSignalHeld {
 public:
  PipeSignalHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalHeld() {
    constexpr timespec kNow{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &kNow) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalHeld(const PipeSignalHeld&) = delete;
  PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace

bool OutputStream::is_stream(const std::string& path) {
  if (path == kStandardOutput) return true;
  struct stat existing {};
  return stat(path.c_str(), &existing) == 0 && (S_ISFIFO(existing.st_mode) || S_ISSOCK(existing.st_mode));
}

OutputStream::OutputStream(const std::string& path, int fd)
    : name_(path == kStandardOutput ? "standard output" : path) {
  if (fd < 0 && path == kStandardOutput) fd = STDOUT_FILENO;
  fd_ = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : open(name_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd_ < 0) throw Error("{}: cannot be opened for writing: {}", name_, std::strerror(errno));
  if (isatty(fd_) == 0) return;
  ::close(fd_);
  throw Error("{}: expected a file or a pipe for perf.data, found a terminal", name_);
}

OutputStream::~OutputStream() {
  if (fd_ >= 0) ::close(fd_);
}

int OutputStream::append(std::span<const std::byte> bytes) {
  const PipeSignalHeld held;
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
      poll(&room, 1, -1);
      continue;
    }
    if (n < 0) return errno;
    end_ += static_cast<u64>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

int OutputStream::close() {
  return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno;
}

}  // namespace lastbranch::perfdata
