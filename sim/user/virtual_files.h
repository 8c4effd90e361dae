#pragma once
// Files that describe the process and its machine: the guest's own, never the simulator's.
//
// Modelled: /proc/self (also by number) with exe, cwd, root, fd/N, maps, auxv, cmdline, environ, comm, stat,
// statm, status, limits, mounts, mountinfo; /proc/cpuinfo, meminfo, mounts, stat, uptime, loadavg; the
// processor lists of /sys; the random devices; /dev/fd, /dev/stdin, /dev/stdout, /dev/stderr. Everything else
// of a process's folder is "not there". Source: proc(5).
#include <optional>
#include <string>

#include "sim/user/kernel.h"

namespace lastbranch::user {

struct VirtualFile {
  enum class Kind : u8 {
    kText,        ///< `text` is the contents
    kLink,        ///< `text` is where it points
    kDescriptor,  ///< descriptor `fd` of the guest
    kFolder,      ///< the process's folder: can be looked at, not listed
    kRandom,      ///< the host's device node, with seeded contents
    kAbsent,
  };
  Kind kind = Kind::kAbsent;
  std::string text;
  u64 fd = 0;
};

/// What an absolute guest path means when it is one of these; nothing for ordinary files.
[[nodiscard]] std::optional<VirtualFile> find_virtual(Kernel& kernel, const std::string& path);

/// A read-only host descriptor with these contents.
[[nodiscard]] HostFd make_text_file(const std::string& text);

}  // namespace lastbranch::user
