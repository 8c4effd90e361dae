#pragma once
// What the calls on files share: names from guest memory, objects behind names, and what --read-only refuses.
#include <string>

#include "sim/user/kernel.h"
#include "sim/user/virtual_files.h"

namespace lastbranch::user {

/// The absolute guest path of the string at `pointer`, relative to descriptor `folder` (AT_FDCWD: the current
/// folder). 0 or -errno; an empty string is -ENOENT unless `may_be_empty`, which leaves `path` empty.
[[nodiscard]] i64 path_argument(Kernel& kernel, int folder, u64 pointer, std::string& path,
                                bool may_be_empty = false);

/// An existing object: a host descriptor (often O_PATH), borrowed or owned.
struct Object {
  int fd = -1;  ///< or -errno
  HostFd owned;
  std::string link;        ///< a symbolic link of ours: where it points; `fd` is then -1
  bool inherited = false;  ///< behind one of the simulator's standard descriptors
  bool text = false;       ///< one of our own files
  [[nodiscard]] bool ok() const { return fd >= 0 || !link.empty(); }
};
/// The object that `path` names, or the descriptor `folder` when it is empty.
[[nodiscard]] Object find_object(Kernel& kernel, int folder, const std::string& path, bool follow);

/// Host path of an open descriptor, for calls that O_PATH descriptors do not serve.
[[nodiscard]] std::string descriptor_path(int fd);

/// Result of a host call: the value, or -errno.
template <class T>
[[nodiscard]] i64 result_of(T value) {
  return value < 0 ? -errno : static_cast<i64>(value);
}

/// Guest results after an interrupted host call: the call is repeated when the simulator has looked at the
/// interruption.
[[nodiscard]] inline i64 restarted(i64 result) {
  return result == -EINTR ? kRestart : result;
}

/// Sets the guest's umask on the host while a name is being made.
class FileMaskScope {
 public:
  explicit FileMaskScope(const Kernel& kernel);
  ~FileMaskScope();
  FileMaskScope(const FileMaskScope&) = delete;
  FileMaskScope& operator=(const FileMaskScope&) = delete;

 private:
  u32 before_;
};

}  // namespace lastbranch::user
