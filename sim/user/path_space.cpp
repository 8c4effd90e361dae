#include "sim/user/path_space.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sim/base/error.h"

namespace lastbranch::user {
namespace {

int host_openat2(int folder, const char* path, u64 flags, u64 mode) {
  open_how how{};
  how.flags = flags;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do {  // EAGAIN: something was renamed while ".." was being checked
    fd = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
  } while (fd < 0 && errno == EAGAIN && (flags & O_NONBLOCK) == 0);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

std::string link_target(int fd) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

/// In the folder of some process of the host: our own memory and descriptors are there.
bool is_process_file(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) return false;
  std::istringstream components(link_target(fd));
  for (std::string name; std::getline(components, name, '/');) {
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos) return true;
  }
  return false;
}

}  // namespace

HostFd::~HostFd() {
  if (value_ >= 0) ::close(value_);
}

HostFd& HostFd::operator=(HostFd&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}

PathSpace::PathSpace(const std::string& root)
    : root_(::open(root.empty() ? "/" : root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_.ok()) throw Error("{}: cannot be the root folder: {}", root, std::strerror(errno));
  if (const std::string real = link_target(root_.get()); real != "/") root_path_ = real;
  current_ = HostFd(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!current_.ok() || !guest_path(current_.get())) {
    current_ = HostFd(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 3));
  }
  const HostFd probe(host_openat2(root_.get(), "/", O_PATH | O_CLOEXEC, 0));
  has_openat2_ = probe.ok();
  if (!has_openat2_ && !root_path_.empty()) {
    throw Error("{}: a root folder needs openat2(), which this host refuses: {}", root,
                std::strerror(-probe.get()));
  }
}

HostFd PathSpace::open(const std::string& path, int flags, u32 mode) const {
  if (path.empty()) return HostFd(-ENOENT);
  // openat2 refuses what open() ignores.
  constexpr int kKnown = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |
                         O_SYNC | O_DIRECTORY | O_NOFOLLOW | O_DIRECT | O_NOATIME | O_PATH | O_TMPFILE |
                         O_ASYNC;
  int clean = (flags & kKnown) | O_CLOEXEC;
  if ((flags & O_PATH) != 0) clean = (flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)) | O_CLOEXEC;
  const bool makes = (clean & O_CREAT) != 0 || (clean & O_TMPFILE) == O_TMPFILE;
  const u32 bits = makes ? mode & 07777 : 0;
  HostFd fd;
  if (has_openat2_) {
    fd = HostFd(host_openat2(root_.get(), path.c_str(), static_cast<u64>(clean), bits));
  } else {
    const int plain = ::open(path.c_str(), clean, bits);
    fd = HostFd(plain < 0 ? -errno : plain);
  }
  return fd.ok() && is_process_file(fd.get()) ? HostFd(-ENOENT) : std::move(fd);
}

HostFd PathSpace::find(const std::string& path, bool follow) const {
  return open(path, O_PATH | (follow ? 0 : O_NOFOLLOW));
}

HostFd PathSpace::parent(const std::string& path, std::string& name) const {
  const std::size_t last = path.find_last_not_of('/');
  if (path.empty()) return HostFd(-ENOENT);
  if (last == std::string::npos) {  // the root has no name in another folder
    name = ".";
    return open("/", O_PATH | O_DIRECTORY);
  }
  const std::size_t slash = path.rfind('/', last);
  const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
  name = path.substr(start, last + 1 - start);
  if (name.size() > NAME_MAX) return HostFd(-ENAMETOOLONG);
  return open(start == 0 ? "/" : path.substr(0, start), O_PATH | O_DIRECTORY);
}

std::string PathSpace::join(const std::string& base, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return base.ends_with('/') ? base + path : base + '/' + path;
}

std::optional<std::string> PathSpace::guest_path(int host_fd) const {
  const std::string path = link_target(host_fd);
  if (path.empty() || path.front() != '/') return std::nullopt;
  if (root_path_.empty()) return path;
  if (path == root_path_) return "/";
  if (!path.starts_with(root_path_ + '/')) return std::nullopt;
  return path.substr(root_path_.size());
}

std::optional<std::string> PathSpace::current() const {
  struct stat st {};
  if (::fstat(current_.get(), &st) != 0 || st.st_nlink == 0) return std::nullopt;
  return guest_path(current_.get());
}

}  // namespace lastbranch::user
