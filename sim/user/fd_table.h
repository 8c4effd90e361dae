#pragma once
// The guest's descriptors. Each refers to an open file with a host descriptor of its own, so that no number
// the guest can name is a descriptor of ours.
#include <memory>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/user/mapped_file.h"
#include "sim/user/path_space.h"

namespace lastbranch::user {

/// An open file description: what dup() shares.
struct OpenFile {
  HostFd host;
  std::string name;        ///< the guest's path when it was opened; for messages and mappings
  bool inherited = false;  ///< standard input, output or error of the simulator
  bool random = false;     ///< reads come from the seeded generator
  std::weak_ptr<MappedFile> mapping{};

  [[nodiscard]] int fd() const { return host.get(); }
  /// The file for memory mappings; all mappings through this description share it. nullptr: no host
  /// descriptor left.
  [[nodiscard]] std::shared_ptr<MappedFile> mapped();
};

class FdTable {
 public:
  /// Descriptors 0, 1 and 2 are the simulator's, as far as it has them; numbers stay below `limit`.
  explicit FdTable(u64 limit);

  /// nullptr: EBADF.
  [[nodiscard]] OpenFile* get(u64 fd) const { return fd < slots_.size() ? slots_[fd].file.get() : nullptr; }
  [[nodiscard]] std::shared_ptr<OpenFile> shared(u64 fd) const;
  [[nodiscard]] bool close_on_exec(u64 fd) const { return slots_[fd].close_on_exec; }
  void set_close_on_exec(u64 fd, bool on) { slots_[fd].close_on_exec = on; }

  /// The lowest free number from `lowest`, or -EMFILE.
  i64 add(std::shared_ptr<OpenFile> file, bool close_on_exec, u64 lowest = 0);
  i64 add(HostFd host, std::string name, bool close_on_exec);
  /// dup2: `fd` becomes `file`; -EBADF when the number is too high.
  i64 put(u64 fd, std::shared_ptr<OpenFile> file, bool close_on_exec);
  i64 close(u64 fd);
  /// One more than the highest number in use.
  [[nodiscard]] u64 end() const { return slots_.size(); }
  void set_limit(u64 limit) { limit_ = limit; }

 private:
  struct Slot {
    std::shared_ptr<OpenFile> file;
    bool close_on_exec = false;
  };
  std::vector<Slot> slots_;
  u64 limit_;
};

}  // namespace lastbranch::user
