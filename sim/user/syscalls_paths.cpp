// Calls that open, make, rename and remove names. With --read-only those that would change the host's files
// answer EROFS.
#include <algorithm>
#include <cerrno>
#include <iterator>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/user/file_access.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

constexpr unsigned kMemoryDevices = 1;  // major number of /dev/null, zero, full, random and, alas, mem
constexpr unsigned kTtyDevices[] = {4, 5, 136};

/// Devices whose writing changes no file: null, zero, full, random, urandom and terminals.
bool harmless_device(const struct stat& st) {
  if (!S_ISCHR(st.st_mode)) return false;
  const unsigned major = static_cast<unsigned>(st.st_rdev >> 8) & 0xfff,
                 minor = static_cast<unsigned>(st.st_rdev) & 0xff;
  if (major == kMemoryDevices) return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
  return std::find(std::begin(kTtyDevices), std::end(kTtyDevices), major) != std::end(kTtyDevices);
}

/// What open() may do on a file system that is mounted read-only: -EROFS, another error, or 0 to go on.
i64 read_only_refusal(const Kernel& k, const std::string& path, int flags) {
  const bool changes =
      (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if (!changes && (flags & O_CREAT) == 0) return 0;
  if ((flags & O_TMPFILE) == O_TMPFILE) return -EROFS;
  const HostFd existing = k.paths.find(path, (flags & O_NOFOLLOW) == 0);
  if (existing.get() == -ENOENT && (flags & O_CREAT) != 0) {
    std::string name;
    const HostFd folder = k.paths.parent(path, name);
    return folder.ok() ? -EROFS : folder.get();
  }
  if (!existing.ok()) return existing.get();
  if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return -EEXIST;
  struct stat st {};
  if (::fstat(existing.get(), &st) != 0) return -errno;
  if (!changes || harmless_device(st)) return 0;
  return S_ISDIR(st.st_mode) ? -EISDIR : -EROFS;
}

i64 open_virtual(Kernel& k, const VirtualFile& own, const std::string& path, int flags) {
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  switch (own.kind) {
    case VirtualFile::Kind::kText:
      return writes ? -EACCES : k.fds.add(make_text_file(own.text), path, close_on_exec);
    case VirtualFile::Kind::kLink: {
      if ((flags & O_NOFOLLOW) != 0) return -ELOOP;
      const std::string target = PathSpace::join("/proc", own.text);
      return writes ? -EACCES : k.fds.add(k.paths.open(target, flags & ~O_CREAT), target, close_on_exec);
    }
    case VirtualFile::Kind::kDescriptor:
      return k.fds.add(k.fds.shared(own.fd), close_on_exec);
    case VirtualFile::Kind::kRandom: {
      auto file =
          std::make_shared<OpenFile>(OpenFile{k.paths.open(path, flags & ~(O_CREAT | O_TRUNC)), path});
      file->random = true;
      return file->host.ok() ? k.fds.add(std::move(file), close_on_exec) : file->fd();
    }
    case VirtualFile::Kind::kFolder:
    case VirtualFile::Kind::kAbsent:
      break;
  }
  return -ENOENT;
}

i64 open_at(Kernel& k, int folder, u64 pointer, int flags, u32 mode) {
  std::string path;
  if (const i64 error = path_argument(k, folder, pointer, path); error != 0) return error;
  if (const std::optional<VirtualFile> own = find_virtual(k, path)) return open_virtual(k, *own, path, flags);
  if (k.config.read_only) {
    if (const i64 refusal = read_only_refusal(k, path, flags); refusal != 0) return refusal;
  }
  const FileMaskScope mask(k);
  HostFd fd = k.paths.open(path, flags, mode);
  if (fd.get() == -EINTR) return kRestart;
  std::string name = fd.ok() ? k.paths.guest_path(fd.get()).value_or(path) : path;
  return k.fds.add(std::move(fd), std::move(name), (flags & O_CLOEXEC) != 0);
}
i64 sys_open(Kernel& k, const Args& a) {
  return open_at(k, AT_FDCWD, a[0], a.i(1), a.u(2));
}
i64 sys_openat(Kernel& k, const Args& a) {
  return open_at(k, a.i(0), a[1], a.i(2), a.u(3));
}
i64 sys_creat(Kernel& k, const Args& a) {
  return open_at(k, AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, a.u(1));
}

/// Folder and last name of a path, for calls that change names. 0 or -errno.
struct Place {
  HostFd folder;
  std::string name;
  bool slash = false;  ///< the path ended in '/': only a folder will do
};
/// Mode of what is there now, a link not followed; 0 when nothing is.
u32 mode_there(const Place& p) {
  struct stat st {};
  return ::fstatat(p.folder.get(), p.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode : 0;
}
i64 place_of(Kernel& k, int folder, u64 pointer, Place& place) {
  std::string path;
  if (const i64 error = path_argument(k, folder, pointer, path); error != 0) return error;
  if (find_virtual(k, path)) return -EACCES;
  place.folder = k.paths.parent(path, place.name);
  place.slash = path.size() > 1 && path.back() == '/';
  if (!place.folder.ok()) return place.folder.get();
  return k.config.read_only ? -EROFS : 0;
}

/// As place_of, for a new name that is no folder's.
i64 place_of_new(Kernel& k, int folder, u64 pointer, Place& p) {
  const i64 error = place_of(k, folder, pointer, p);
  if (error != 0 || !p.slash) return error;
  return mode_there(p) != 0 ? -EEXIST : -ENOENT;
}

i64 make_directory(Kernel& k, int folder, u64 pointer, u32 mode) {
  Place p;
  if (const i64 error = place_of(k, folder, pointer, p); error != 0) return error;
  const FileMaskScope mask(k);
  return result_of(::mkdirat(p.folder.get(), p.name.c_str(), mode));
}
i64 sys_mkdir(Kernel& k, const Args& a) {
  return make_directory(k, AT_FDCWD, a[0], a.u(1));
}
i64 sys_mkdirat(Kernel& k, const Args& a) {
  return make_directory(k, a.i(0), a[1], a.u(2));
}

i64 make_node(Kernel& k, int folder, u64 pointer, u32 mode, u64 device) {
  Place p;
  if (const i64 error = place_of_new(k, folder, pointer, p); error != 0) return error;
  const FileMaskScope mask(k);
  return result_of(::mknodat(p.folder.get(), p.name.c_str(), mode, device));
}
i64 sys_mknod(Kernel& k, const Args& a) {
  return make_node(k, AT_FDCWD, a[0], a.u(1), a[2]);
}
i64 sys_mknodat(Kernel& k, const Args& a) {
  return make_node(k, a.i(0), a[1], a.u(2), a[3]);
}

i64 unlink_at(Kernel& k, int folder, u64 pointer, int flags) {
  Place p;
  if ((flags & ~AT_REMOVEDIR) != 0) return -EINVAL;
  if (const i64 error = place_of(k, folder, pointer, p); error != 0) return error;
  if (p.slash && (flags & AT_REMOVEDIR) == 0) {
    const u32 there = mode_there(p);
    return there == 0 ? -ENOENT : S_ISDIR(there) ? -EISDIR : -ENOTDIR;
  }
  return result_of(::unlinkat(p.folder.get(), p.name.c_str(), flags));
}
i64 sys_unlink(Kernel& k, const Args& a) {
  return unlink_at(k, AT_FDCWD, a[0], 0);
}
i64 sys_rmdir(Kernel& k, const Args& a) {
  return unlink_at(k, AT_FDCWD, a[0], AT_REMOVEDIR);
}
i64 sys_unlinkat(Kernel& k, const Args& a) {
  return unlink_at(k, a.i(0), a[1], a.i(2));
}

i64 rename_at(Kernel& k, int from_folder, u64 from, int to_folder, u64 to, u32 flags) {
  Place source, target;
  if (const i64 error = place_of(k, from_folder, from, source); error != 0) return error;
  if (const i64 error = place_of(k, to_folder, to, target); error != 0) return error;
  if ((source.slash || target.slash) && mode_there(source) != 0 && !S_ISDIR(mode_there(source)))
    return -ENOTDIR;
  return result_of(
      ::renameat2(source.folder.get(), source.name.c_str(), target.folder.get(), target.name.c_str(), flags));
}
i64 sys_rename(Kernel& k, const Args& a) {
  return rename_at(k, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}
i64 sys_renameat(Kernel& k, const Args& a) {
  return rename_at(k, a.i(0), a[1], a.i(2), a[3], 0);
}
i64 sys_renameat2(Kernel& k, const Args& a) {
  return rename_at(k, a.i(0), a[1], a.i(2), a[3], a.u(4));
}

i64 link_at(Kernel& k, int from_folder, u64 from, int to_folder, u64 to, int flags) {
  std::string path;
  if (const i64 error = path_argument(k, from_folder, from, path, (flags & AT_EMPTY_PATH) != 0); error != 0)
    return error;
  const Object object = find_object(k, from_folder, path, (flags & AT_SYMLINK_FOLLOW) != 0);
  if (!object.ok()) return object.fd;
  Place target;
  if (const i64 error = place_of_new(k, to_folder, to, target); error != 0) return error;
  if (object.fd < 0) return -EPERM;
  return result_of(::linkat(AT_FDCWD, descriptor_path(object.fd).c_str(), target.folder.get(),
                            target.name.c_str(), AT_SYMLINK_FOLLOW));
}
i64 sys_link(Kernel& k, const Args& a) {
  return link_at(k, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}
i64 sys_linkat(Kernel& k, const Args& a) {
  return link_at(k, a.i(0), a[1], a.i(2), a[3], a.i(4));
}

i64 symlink_at(Kernel& k, u64 text, int folder, u64 pointer) {
  std::string target;
  if (const i64 error = k.memory.read_string(text, target); error != 0) return error;
  Place p;
  if (const i64 error = place_of_new(k, folder, pointer, p); error != 0) return error;
  return result_of(::symlinkat(target.c_str(), p.folder.get(), p.name.c_str()));
}
i64 sys_symlink(Kernel& k, const Args& a) {
  return symlink_at(k, a[0], AT_FDCWD, a[1]);
}
i64 sys_symlinkat(Kernel& k, const Args& a) {
  return symlink_at(k, a[0], a.i(1), a[2]);
}

i64 sys_truncate(Kernel& k, const Args& a) {
  std::string path;
  if (const i64 error = path_argument(k, AT_FDCWD, a[0], path); error != 0) return error;
  if (find_virtual(k, path)) return -EACCES;
  if (k.config.read_only) {
    const HostFd existing = k.paths.find(path, true);
    return existing.ok() ? -EROFS : existing.get();
  }
  const HostFd fd = k.paths.open(path, O_WRONLY | O_NONBLOCK);
  if (!fd.ok()) return fd.get();
  return result_of(::ftruncate(fd.get(), static_cast<off_t>(a[1])));
}

i64 sys_chdir(Kernel& k, const Args& a) {
  std::string path;
  if (const i64 error = path_argument(k, AT_FDCWD, a[0], path); error != 0) return error;
  HostFd folder = k.paths.open(path, O_PATH | O_DIRECTORY);
  if (!folder.ok()) return folder.get();
  if (::faccessat(folder.get(), ".", X_OK, AT_EACCESS) != 0) return -errno;
  k.paths.change_directory(std::move(folder));
  return 0;
}
i64 sys_fchdir(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  const std::optional<std::string> path = k.paths.guest_path(file->fd());
  if (!path) return -ENOENT;
  HostFd folder = k.paths.open(*path, O_PATH | O_DIRECTORY);
  if (!folder.ok()) return folder.get();
  k.paths.change_directory(std::move(folder));
  return 0;
}
i64 sys_getcwd(Kernel& k, const Args& a) {
  const std::optional<std::string> path = k.paths.current();
  if (!path) return -ENOENT;
  if (a[1] < path->size() + 1) return -ERANGE;
  return k.memory.copy_out(a[0], path->c_str(), path->size() + 1) ? static_cast<i64>(path->size() + 1)
                                                                  : -EFAULT;
}
i64 sys_umask(Kernel& k, const Args& a) {
  const u32 before = k.file_mask;
  k.file_mask = a.u(0) & 0777;
  return before;
}

constexpr SyscallRow kRows[] = {
    {2, "open", sys_open},
    {76, "truncate", sys_truncate},
    {79, "getcwd", sys_getcwd},
    {80, "chdir", sys_chdir},
    {81, "fchdir", sys_fchdir},
    {82, "rename", sys_rename},
    {83, "mkdir", sys_mkdir},
    {84, "rmdir", sys_rmdir},
    {85, "creat", sys_creat},
    {86, "link", sys_link},
    {87, "unlink", sys_unlink},
    {88, "symlink", sys_symlink},
    {95, "umask", sys_umask},
    {133, "mknod", sys_mknod},
    {257, "openat", sys_openat},
    {258, "mkdirat", sys_mkdirat},
    {259, "mknodat", sys_mknodat},
    {263, "unlinkat", sys_unlinkat},
    {264, "renameat", sys_renameat},
    {265, "linkat", sys_linkat},
    {266, "symlinkat", sys_symlinkat},
    {316, "renameat2", sys_renameat2},
};

}  // namespace

std::span<const SyscallRow> path_calls() {
  return kRows;
}

}  // namespace lastbranch::user
