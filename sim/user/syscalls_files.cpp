// Descriptors themselves: opening by other means than names, duplicating, closing, controlling.
#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/user/file_access.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

/// Runs `act(host fd)` on an open descriptor.
template <class Act>
i64 with_file(Kernel& k, u64 fd, Act act) {
  const OpenFile* file = k.fds.get(fd);
  return file == nullptr ? -EBADF : static_cast<i64>(act(*file));
}

i64 sys_close(Kernel& k, const Args& a) {
  return k.fds.close(a.u(0));
}

i64 sys_close_range(Kernel& k, const Args& a) {
  constexpr u32 kCloseOnExec = 4;
  if (a.u(0) > a.u(1)) return -EINVAL;
  const u64 end = std::min<u64>(u64{a.u(1)} + 1, k.fds.end());
  for (u64 fd = a.u(0); fd < end; ++fd) {
    if (k.fds.get(fd) == nullptr) continue;
    if ((a.u(2) & kCloseOnExec) != 0) {
      k.fds.set_close_on_exec(fd, true);
    } else {
      k.fds.close(fd);
    }
  }
  return 0;
}

i64 sys_dup(Kernel& k, const Args& a) {
  auto file = k.fds.shared(a.u(0));
  return file ? k.fds.add(std::move(file), false) : -EBADF;
}
i64 sys_dup2(Kernel& k, const Args& a) {
  auto file = k.fds.shared(a.u(0));
  if (!file) return -EBADF;
  return a.u(0) == a.u(1) ? static_cast<i64>(a.u(1)) : k.fds.put(a.u(1), std::move(file), false);
}
i64 sys_dup3(Kernel& k, const Args& a) {
  auto file = k.fds.shared(a.u(0));
  if (a.u(0) == a.u(1) || (a.i(2) & ~O_CLOEXEC) != 0) return -EINVAL;
  return file ? k.fds.put(a.u(1), std::move(file), (a.i(2) & O_CLOEXEC) != 0) : -EBADF;
}

i64 lock_control(Kernel& k, const OpenFile& file, int command, u64 pointer) {
  struct flock lock {};
  if (!k.memory.read(pointer, lock)) return -EFAULT;
  const i64 result = result_of(::fcntl(file.fd(), command, &lock));
  if (lock.l_pid == ::getpid()) lock.l_pid = kPid;
  if (result >= 0 && command == F_GETLK && !k.memory.write(pointer, lock)) return -EFAULT;
  return restarted(result);
}

i64 sys_fcntl(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  switch (a.i(1)) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (a[2] >= k.limits[RLIMIT_NOFILE].rlim_cur) return -EINVAL;
      return k.fds.add(k.fds.shared(a.u(0)), a.i(1) == F_DUPFD_CLOEXEC, a[2]);
    case F_GETFD:
      return k.fds.close_on_exec(a.u(0)) ? FD_CLOEXEC : 0;
    case F_SETFD:
      k.fds.set_close_on_exec(a.u(0), (a[2] & FD_CLOEXEC) != 0);
      return 0;
    case F_GETFL:
      return result_of(::fcntl(file->fd(), F_GETFL));
    case F_SETFL:
      return result_of(::fcntl(file->fd(), F_SETFL, a.i(2)));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
      return lock_control(k, *file, a.i(1), a[2]);
    case F_GETOWN:
      return 0;
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
      return result_of(::fcntl(file->fd(), a.i(1)));
    case F_ADD_SEALS:
      return result_of(::fcntl(file->fd(), F_ADD_SEALS, a.i(2)));
    default:
      k.tally.refuse(72, fmt::format("fcntl {}", a.i(1)), "Invalid argument");
      return -EINVAL;
  }
}

i64 sys_ftruncate(Kernel& k, const Args& a) {
  return with_file(k, a.u(0), [&](const OpenFile& f) -> i64 {
    if (k.config.read_only && f.inherited) return -EROFS;
    return result_of(::ftruncate(f.fd(), static_cast<off_t>(a[1])));
  });
}
i64 sys_fallocate(Kernel& k, const Args& a) {
  return with_file(k, a.u(0), [&](const OpenFile& f) -> i64 {
    if (k.config.read_only && f.inherited) return -EROFS;
    return result_of(::fallocate(f.fd(), a.i(1), static_cast<off_t>(a[2]), static_cast<off_t>(a[3])));
  });
}
i64 sys_fsync(Kernel& k, const Args& a) {
  return with_file(k, a.u(0), [&](const OpenFile& f) { return result_of(::fsync(f.fd())); });
}
i64 sys_sync_file_range(Kernel& k, const Args& a) {
  return with_file(k, a.u(0), [&](const OpenFile&) { return 0; });
}
i64 sys_flock(Kernel& k, const Args& a) {
  return with_file(k, a.u(0),
                   [&](const OpenFile& f) { return restarted(result_of(::flock(f.fd(), a.i(1)))); });
}
i64 sys_fadvise64(Kernel& k, const Args& a) {
  return with_file(k, a.u(0), [&](const OpenFile& f) -> i64 {
    return -::posix_fadvise(f.fd(), static_cast<off_t>(a[1]), static_cast<off_t>(a[2]), a.i(3));
  });
}
i64 sys_sync(Kernel&, const Args&) {
  return 0;
}

/// Terminal and file controls that are passed on: what is copied which way.
struct IoControl {
  u32 number;
  u32 bytes;
  bool in, out;
};
constexpr u32 kShareBlocks = 0x40049409;  // FICLONE
constexpr std::array kIoControls = {
    IoControl{TCGETS, 36, false, true},     IoControl{TCSETS, 36, true, false},
    IoControl{TCSETSW, 36, true, false},    IoControl{TCSETSF, 36, true, false},
    IoControl{0x802c542a, 44, false, true},                                          // TCGETS2
    IoControl{0x402c542b, 44, true, false}, IoControl{0x402c542c, 44, true, false},  // TCSETS2, TCSETSW2
    IoControl{TIOCGWINSZ, 8, false, true},  IoControl{TIOCSWINSZ, 8, true, false},
    IoControl{FIONREAD, 4, false, true},    IoControl{FIONBIO, 4, true, false},
    IoControl{TIOCOUTQ, 4, false, true},
};

i64 sys_ioctl(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  const u32 command = a.u(1);
  const bool terminal = ::isatty(file->fd()) != 0;
  switch (command) {
    case FIOCLEX:
    case FIONCLEX:
      k.fds.set_close_on_exec(a.u(0), command == FIOCLEX);
      return 0;
    case TIOCGPGRP:
    case TIOCGSID: {
      const int group = kPid;
      if (!terminal) return -ENOTTY;
      return k.memory.write(a[2], group) ? 0 : -EFAULT;
    }
    case kShareBlocks:
      return -EOPNOTSUPP;  // cp asks first, and copies then
    case TIOCSPGRP:
      return terminal ? 0 : -ENOTTY;
    case TCFLSH:
    case TCSBRK:
    case TCXONC:
      return result_of(::ioctl(file->fd(), command, a[2]));
    default:
      break;
  }
  const auto* row =
      std::find_if(kIoControls.begin(), kIoControls.end(), [&](auto& r) { return r.number == command; });
  if (row == kIoControls.end()) {
    k.tally.refuse(16, fmt::format("ioctl {:#x}", command), "Inappropriate ioctl for device");
    return -ENOTTY;
  }
  std::array<u8, 64> bytes{};
  if (row->in && !k.memory.copy_in(bytes.data(), a[2], row->bytes)) return -EFAULT;
  const i64 result = result_of(::ioctl(file->fd(), command, bytes.data()));
  if (result >= 0 && row->out && !k.memory.copy_out(a[2], bytes.data(), row->bytes)) return -EFAULT;
  return restarted(result);
}

i64 make_pipe(Kernel& k, u64 pointer, int flags) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) != 0) return -EINVAL;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), flags | O_CLOEXEC) != 0) return -errno;
  HostFd read_end(ends[0]), write_end(ends[1]);
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  const i64 reader = k.fds.add(std::move(read_end), "pipe:[0]", close_on_exec);
  if (reader < 0) return reader;
  const i64 writer = k.fds.add(std::move(write_end), "pipe:[0]", close_on_exec);
  const std::array<int, 2> numbers{static_cast<int>(reader), static_cast<int>(writer)};
  if (writer >= 0 && k.memory.write(pointer, numbers)) return 0;
  k.fds.close(static_cast<u64>(reader));
  if (writer < 0) return writer;
  k.fds.close(static_cast<u64>(writer));
  return -EFAULT;
}
i64 sys_pipe(Kernel& k, const Args& a) {
  return make_pipe(k, a[0], 0);
}
i64 sys_pipe2(Kernel& k, const Args& a) {
  return make_pipe(k, a[0], a.i(1));
}

i64 sys_eventfd2(Kernel& k, const Args& a) {
  const int fd = ::eventfd(a.u(0), a.i(1) | EFD_CLOEXEC);
  return k.fds.add(HostFd(fd < 0 ? -errno : fd), "anon_inode:[eventfd]", (a.i(1) & EFD_CLOEXEC) != 0);
}
i64 sys_eventfd(Kernel& k, const Args& a) {
  return sys_eventfd2(k, {{a[0], 0}});
}

i64 sys_memfd_create(Kernel& k, const Args& a) {
  std::string name;
  if (const i64 error = k.memory.read_string(a[0], name, 250); error != 0)
    return error == -EFAULT ? error : -EINVAL;
  const int fd = ::memfd_create(name.c_str(), a.u(1) | MFD_CLOEXEC);
  return k.fds.add(HostFd(fd < 0 ? -errno : fd), "/memfd:" + name, (a.u(1) & MFD_CLOEXEC) != 0);
}

constexpr SyscallRow kRows[] = {
    {3, "close", sys_close},
    {16, "ioctl", sys_ioctl},
    {22, "pipe", sys_pipe},
    {32, "dup", sys_dup},
    {33, "dup2", sys_dup2},
    {72, "fcntl", sys_fcntl},
    {73, "flock", sys_flock},
    {74, "fsync", sys_fsync},
    {75, "fdatasync", sys_fsync},
    {77, "ftruncate", sys_ftruncate},
    {162, "sync", sys_sync},
    {221, "fadvise64", sys_fadvise64},
    {277, "sync_file_range", sys_sync_file_range},
    {284, "eventfd", sys_eventfd},
    {285, "fallocate", sys_fallocate},
    {290, "eventfd2", sys_eventfd2},
    {292, "dup3", sys_dup3},
    {293, "pipe2", sys_pipe2},
    {319, "memfd_create", sys_memfd_create},
    {436, "close_range", sys_close_range},
};

}  // namespace

std::span<const SyscallRow> file_calls() {
  return kRows;
}

}  // namespace lastbranch::user
