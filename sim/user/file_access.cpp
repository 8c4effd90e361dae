#include "sim/user/file_access.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace lastbranch::user {

i64 path_argument(Kernel& k, int folder, u64 pointer, std::string& path, bool may_be_empty) {
  std::string text;
  if (const i64 error = k.memory.read_string(pointer, text); error != 0) return error;
  path.clear();
  if (text.empty()) return may_be_empty ? 0 : -ENOENT;
  if (text.front() == '/') {
    path = std::move(text);
    return 0;
  }
  std::optional<std::string> base;
  if (folder == AT_FDCWD) {
    base = k.paths.current();
    if (!base) return -ENOENT;
  } else {
    const OpenFile* file = k.fds.get(static_cast<u64>(folder));
    if (file == nullptr) return -EBADF;
    struct stat st {};
    if (::fstat(file->fd(), &st) != 0 || !S_ISDIR(st.st_mode)) return -ENOTDIR;
    base = k.paths.guest_path(file->fd());
    if (!base) return -ENOENT;
  }
  path = PathSpace::join(*base, text);
  return 0;
}

Object find_object(Kernel& k, int folder, const std::string& path, bool follow) {
  Object object;
  if (path.empty()) {
    if (folder == AT_FDCWD) {
      const std::optional<std::string> current = k.paths.current();
      object.owned = current ? k.paths.find(*current, true) : HostFd(-ENOENT);
      object.fd = object.owned.get();
      return object;
    }
    const OpenFile* file = k.fds.get(static_cast<u64>(folder));
    object.fd = file != nullptr ? file->fd() : -EBADF;
    object.inherited = file != nullptr && file->inherited;
    return object;
  }
  if (const std::optional<VirtualFile> own = find_virtual(k, path)) {
    switch (own->kind) {
      case VirtualFile::Kind::kText:
        object.owned = make_text_file(own->text);
        object.text = true;
        break;
      case VirtualFile::Kind::kLink:
        if (!follow) {
          object.link = own->text;
          return object;
        }
        object.owned = k.paths.find(PathSpace::join("/proc", own->text), true);
        break;
      case VirtualFile::Kind::kDescriptor:
        object.fd = k.fds.get(own->fd)->fd();
        object.inherited = k.fds.get(own->fd)->inherited;
        if (!follow) object.link = k.paths.guest_path(object.fd).value_or(k.fds.get(own->fd)->name);
        return object;
      case VirtualFile::Kind::kFolder:
        object.owned = k.paths.find("/proc", true);
        break;
      case VirtualFile::Kind::kRandom:
        object.owned = k.paths.find(path, follow);
        break;
      case VirtualFile::Kind::kAbsent:
        object.owned = HostFd(-ENOENT);
        break;
    }
  } else {
    object.owned = k.paths.find(path, follow);
  }
  object.fd = object.owned.get();
  return object;
}

std::string descriptor_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

FileMaskScope::FileMaskScope(const Kernel& k) : before_(::umask(k.file_mask)) {}
FileMaskScope::~FileMaskScope() {
  ::umask(before_);
}

}  // namespace lastbranch::user
