// Calls that ask about files, list folders, and change attributes.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sim/user/file_access.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

constexpr int kEmptyPath = AT_EMPTY_PATH, kNoFollow = AT_SYMLINK_NOFOLLOW;

/// The object of a call of the xxxat family.
Object object_argument(Kernel& k, int folder, u64 pointer, int flags) {
  std::string path;
  Object none;
  none.fd = static_cast<int>(path_argument(k, folder, pointer, path, (flags & kEmptyPath) != 0));
  return none.fd != 0 ? std::move(none) : find_object(k, folder, path, (flags & kNoFollow) == 0);
}

/// A link or text of ours has no inode on the host: it looks like one of /proc.
i64 stat_object(const Object& object, struct stat& st) {
  if (!object.link.empty()) {
    st = {};
    st.st_mode = S_IFLNK | 0777;
    st.st_nlink = 1;
    st.st_blksize = 1024;
    return 0;
  }
  if (::fstatat(object.fd, "", &st, AT_EMPTY_PATH) != 0) return -errno;
  if (object.text) {
    st.st_mode = S_IFREG | 0444;
    st.st_size = 0;
    st.st_blocks = 0;
  }
  return 0;
}

i64 stat_at(Kernel& k, int folder, u64 pointer, u64 out, int flags) {
  const Object object = object_argument(k, folder, pointer, flags);
  if (!object.ok()) return object.fd;
  struct stat st {};
  if (const i64 error = stat_object(object, st); error != 0) return error;
  return k.memory.write(out, st) ? 0 : -EFAULT;
}
i64 sys_stat(Kernel& k, const Args& a) {
  return stat_at(k, AT_FDCWD, a[0], a[1], 0);
}
i64 sys_lstat(Kernel& k, const Args& a) {
  return stat_at(k, AT_FDCWD, a[0], a[1], kNoFollow);
}
i64 sys_newfstatat(Kernel& k, const Args& a) {
  return stat_at(k, a.i(0), a[1], a[2], a.i(3));
}
i64 sys_fstat(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  struct stat st {};
  if (::fstat(file->fd(), &st) != 0) return -errno;
  return k.memory.write(a[1], st) ? 0 : -EFAULT;
}

i64 sys_statx(Kernel& k, const Args& a) {
  const Object object = object_argument(k, a.i(0), a[1], a.i(2));
  if (!object.ok()) return object.fd;
  struct statx sx {};
  if (object.link.empty()) {
    const int flags = AT_EMPTY_PATH | (a.i(2) & AT_STATX_SYNC_TYPE);
    if (::statx(object.fd, "", flags, a.u(3), &sx) != 0) return -errno;
    if (object.text) sx.stx_mode = S_IFREG | 0444, sx.stx_size = 0;
  } else {
    sx.stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK;
    sx.stx_mode = S_IFLNK | 0777;
    sx.stx_nlink = 1;
  }
  return k.memory.write(a[4], sx) ? 0 : -EFAULT;
}

i64 access_at(Kernel& k, int folder, u64 pointer, int mode, int flags) {
  const Object object = object_argument(k, folder, pointer, flags);
  if (!object.ok()) return object.fd;
  if ((mode & ~(R_OK | W_OK | X_OK)) != 0) return -EINVAL;
  if (!object.link.empty()) return 0;
  if (object.text) return (mode & (W_OK | X_OK)) != 0 ? -EACCES : 0;
  const int how = AT_EMPTY_PATH | (flags & AT_EACCESS);
  if (::syscall(SYS_faccessat2, object.fd, "", mode, how) != 0) return -errno;
  struct stat st {};
  const bool device = ::fstatat(object.fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISCHR(st.st_mode);
  return k.config.read_only && (mode & W_OK) != 0 && !device ? -EROFS : 0;
}
i64 sys_access(Kernel& k, const Args& a) {
  return access_at(k, AT_FDCWD, a[0], a.i(1), 0);
}
i64 sys_faccessat(Kernel& k, const Args& a) {
  return access_at(k, a.i(0), a[1], a.i(2), 0);
}
i64 sys_faccessat2(Kernel& k, const Args& a) {
  return access_at(k, a.i(0), a[1], a.i(2), a.i(3));
}

i64 readlink_at(Kernel& k, int folder, u64 pointer, u64 out, u64 size) {
  if (static_cast<i32>(size) <= 0) return -EINVAL;
  const Object object = object_argument(k, folder, pointer, kNoFollow | kEmptyPath);
  if (!object.ok()) return object.fd;
  std::string target = object.link;
  if (target.empty()) {
    std::array<char, 4096> buffer{};
    const ssize_t n = ::readlinkat(object.fd, "", buffer.data(), buffer.size());
    if (n < 0) return errno == ENOENT ? -EINVAL : -errno;  // an open file that is no link
    target.assign(buffer.data(), static_cast<std::size_t>(n));
  }
  const u64 length = std::min<u64>(size, target.size());
  return k.memory.copy_out(out, target.data(), length) ? static_cast<i64>(length) : -EFAULT;
}
i64 sys_readlink(Kernel& k, const Args& a) {
  return readlink_at(k, AT_FDCWD, a[0], a[1], a[2]);
}
i64 sys_readlinkat(Kernel& k, const Args& a) {
  return readlink_at(k, a.i(0), a[1], a[2], a[3]);
}

template <long kNumber>
i64 list_folder(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  std::vector<u8> buffer(std::min<u64>(a.u(2), u64{1} << 20));
  const i64 n = result_of(::syscall(kNumber, file->fd(), buffer.data(), buffer.size()));
  if (n > 0 && !k.memory.copy_out(a[1], buffer.data(), static_cast<u64>(n))) return -EFAULT;
  return n;
}

i64 sys_statfs(Kernel& k, const Args& a) {
  const Object object = object_argument(k, AT_FDCWD, a[0], 0);
  if (!object.ok()) return object.fd;
  struct statfs fs {};
  if (::fstatfs(object.fd, &fs) != 0) return -errno;
  return k.memory.write(a[1], fs) ? 0 : -EFAULT;
}
i64 sys_fstatfs(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  struct statfs fs {};
  if (::fstatfs(file->fd(), &fs) != 0) return -errno;
  return k.memory.write(a[1], fs) ? 0 : -EFAULT;
}

/// Runs `change(host fd)` on the object, unless files must not change.
template <class Change>
i64 change_object(Kernel& k, const Object& object, Change change) {
  if (!object.ok()) return object.fd;
  if (k.config.read_only) return -EROFS;
  if (object.fd < 0 || object.text) return -EPERM;
  return result_of(change(object.fd));
}
i64 chmod_at(Kernel& k, int folder, u64 pointer, u32 mode, int flags) {
  return change_object(k, object_argument(k, folder, pointer, flags),
                       [&](int fd) { return ::chmod(descriptor_path(fd).c_str(), mode); });
}
i64 chown_at(Kernel& k, int folder, u64 pointer, u32 user, u32 group, int flags) {
  return change_object(k, object_argument(k, folder, pointer, flags),
                       [&](int fd) { return ::fchownat(fd, "", user, group, AT_EMPTY_PATH); });
}
i64 sys_chmod(Kernel& k, const Args& a) {
  return chmod_at(k, AT_FDCWD, a[0], a.u(1), 0);
}
i64 sys_fchmodat(Kernel& k, const Args& a) {
  return chmod_at(k, a.i(0), a[1], a.u(2), 0);
}
i64 sys_chown(Kernel& k, const Args& a) {
  return chown_at(k, AT_FDCWD, a[0], a.u(1), a.u(2), 0);
}
i64 sys_lchown(Kernel& k, const Args& a) {
  return chown_at(k, AT_FDCWD, a[0], a.u(1), a.u(2), kNoFollow);
}
i64 sys_fchownat(Kernel& k, const Args& a) {
  return chown_at(k, a.i(0), a[1], a.u(2), a.u(3), a.i(4));
}

Object open_object(Kernel& k, u64 fd) {
  return find_object(k, static_cast<int>(fd), "", true);
}
i64 sys_fchmod(Kernel& k, const Args& a) {
  return change_object(k, open_object(k, a.u(0)), [&](int fd) { return ::fchmod(fd, a.u(1)); });
}
i64 sys_fchown(Kernel& k, const Args& a) {
  return change_object(k, open_object(k, a.u(0)), [&](int fd) { return ::fchown(fd, a.u(1), a.u(2)); });
}

using Times = std::array<timespec, 2>;
/// "Now" is the guest's now.
Times resolved(const Kernel& k, Times times) {
  for (timespec& t : times) {
    if (t.tv_nsec != UTIME_NOW) continue;
    t.tv_sec = static_cast<time_t>(k.clock.realtime() / GuestClock::kSecond);
    t.tv_nsec = static_cast<long>(k.clock.realtime() % GuestClock::kSecond);
  }
  return times;
}
i64 set_times(Kernel& k, const Object& object, const Times& times) {
  const Times at = resolved(k, times);
  return change_object(k, object,
                       [&](int fd) { return ::syscall(SYS_utimensat, fd, "", at.data(), AT_EMPTY_PATH); });
}
constexpr Times kNow{timespec{0, UTIME_NOW}, timespec{0, UTIME_NOW}};

i64 sys_utimensat(Kernel& k, const Args& a) {
  Times times = kNow;
  if (a[2] != 0 && !k.memory.read(a[2], times)) return -EFAULT;
  if (a[1] == 0) return set_times(k, open_object(k, a.u(0)), times);
  return set_times(k, object_argument(k, a.i(0), a[1], a.i(3)), times);
}
i64 utimes_at(Kernel& k, int folder, u64 path, u64 pointer) {
  Times times = kNow;
  std::array<timeval, 2> values{};
  if (pointer != 0) {
    if (!k.memory.read(pointer, values)) return -EFAULT;
    for (std::size_t i = 0; i < 2; ++i) {
      if (values[i].tv_usec < 0 || values[i].tv_usec >= 1000000) return -EINVAL;
      times[i] = {values[i].tv_sec, values[i].tv_usec * 1000};
    }
  }
  return set_times(k, object_argument(k, folder, path, 0), times);
}
i64 sys_utimes(Kernel& k, const Args& a) {
  return utimes_at(k, AT_FDCWD, a[0], a[1]);
}
i64 sys_futimesat(Kernel& k, const Args& a) {
  return utimes_at(k, a.i(0), a[1], a[2]);
}
i64 sys_utime(Kernel& k, const Args& a) {
  Times times = kNow;
  std::array<i64, 2> seconds{};
  if (a[1] != 0) {
    if (!k.memory.read(a[1], seconds)) return -EFAULT;
    times = {timespec{seconds[0], 0}, timespec{seconds[1], 0}};
  }
  return set_times(k, object_argument(k, AT_FDCWD, a[0], 0), times);
}

/// As a file system without extended attributes.
i64 sys_no_attributes(Kernel&, const Args&) {
  return -EOPNOTSUPP;
}
i64 sys_set_attribute(Kernel& k, const Args&) {
  return k.config.read_only ? -EROFS : -EOPNOTSUPP;
}

constexpr SyscallRow kRows[] = {
    {4, "stat", sys_stat},
    {5, "fstat", sys_fstat},
    {6, "lstat", sys_lstat},
    {21, "access", sys_access},
    {78, "getdents", list_folder<SYS_getdents>},
    {89, "readlink", sys_readlink},
    {90, "chmod", sys_chmod},
    {91, "fchmod", sys_fchmod},
    {92, "chown", sys_chown},
    {93, "fchown", sys_fchown},
    {94, "lchown", sys_lchown},
    {132, "utime", sys_utime},
    {137, "statfs", sys_statfs},
    {138, "fstatfs", sys_fstatfs},
    {188, "setxattr", sys_set_attribute},
    {189, "lsetxattr", sys_set_attribute},
    {190, "fsetxattr", sys_set_attribute},
    {191, "getxattr", sys_no_attributes},
    {192, "lgetxattr", sys_no_attributes},
    {193, "fgetxattr", sys_no_attributes},
    {194, "listxattr", sys_no_attributes},
    {195, "llistxattr", sys_no_attributes},
    {196, "flistxattr", sys_no_attributes},
    {197, "removexattr", sys_set_attribute},
    {198, "lremovexattr", sys_set_attribute},
    {199, "fremovexattr", sys_set_attribute},
    {217, "getdents64", list_folder<SYS_getdents64>},
    {235, "utimes", sys_utimes},
    {260, "fchownat", sys_fchownat},
    {261, "futimesat", sys_futimesat},
    {262, "newfstatat", sys_newfstatat},
    {267, "readlinkat", sys_readlinkat},
    {268, "fchmodat", sys_fchmodat},
    {269, "faccessat", sys_faccessat},
    {280, "utimensat", sys_utimensat},
    {332, "statx", sys_statx},
    {439, "faccessat2", sys_faccessat2},
};

}  // namespace

std::span<const SyscallRow> stat_calls() {
  return kRows;
}

}  // namespace lastbranch::user
