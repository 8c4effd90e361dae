#pragma once
// Names of files as the guest sees them, resolved on the host so that nothing leads out of the root: not
// "..", not an absolute symbolic link, not /proc's magic links to our own descriptors and memory.
//
// Every name is made absolute and opened by openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) under the root's
// descriptor, so there is one way for both "/" and --root. Anything found in a process's folder of the host's
// /proc is "not there". Source: openat2(2).
#include <optional>
#include <string>

#include "sim/base/units.h"

namespace lastbranch::user {

/// A host descriptor that closes itself; negative: -errno.
class HostFd {
 public:
  explicit HostFd(int value = -1) : value_(value) {}
  ~HostFd();
  HostFd(HostFd&& other) noexcept : value_(other.release()) {}
  HostFd& operator=(HostFd&& other) noexcept;
  [[nodiscard]] bool ok() const { return value_ >= 0; }
  /// The descriptor, or -errno.
  [[nodiscard]] int get() const { return value_; }
  int release() {
    const int v = value_;
    value_ = -1;
    return v;
  }

 private:
  int value_;
};

class PathSpace {
 public:
  /// `root` is the folder that is "/" for the guest; empty for the host's own. Throws Error when it is not a
  /// folder.
  explicit PathSpace(const std::string& root);

  /// Opens a guest path that is absolute. `flags` and `mode` as open(2).
  [[nodiscard]] HostFd open(const std::string& path, int flags, u32 mode = 0) const;
  /// The object itself (O_PATH), a final symbolic link followed or not.
  [[nodiscard]] HostFd find(const std::string& path, bool follow) const;
  /// The folder that holds the last component, which goes to `name`. For calls that make or remove names.
  [[nodiscard]] HostFd parent(const std::string& path, std::string& name) const;

  /// `path` as seen from the guest folder `base`.
  [[nodiscard]] static std::string join(const std::string& base, const std::string& path);
  /// The guest's name of what a host descriptor refers to; nothing when it lies outside the root.
  [[nodiscard]] std::optional<std::string> guest_path(int host_fd) const;

  /// Changes the current folder to an open one.
  void change_directory(HostFd folder) { current_ = std::move(folder); }
  /// The current folder's guest path; nothing when it was removed.
  [[nodiscard]] std::optional<std::string> current() const;

 private:
  HostFd root_, current_;
  std::string root_path_;  // empty when the root is "/"
  bool has_openat2_ = true;
};

}  // namespace lastbranch::user
