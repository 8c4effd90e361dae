#pragma once
// A file as memory mappings see it: a descriptor of ours that outlives the guest's, and what perf.data says
// of it.
#include <memory>
#include <span>
#include <string>

#include "sim/base/units.h"

namespace lastbranch::user {

class MappedFile {
 public:
  /// Duplicates `fd`; nullptr when the host refuses (descriptors used up). `guest_path` is what the guest
  /// calls it.
  static std::shared_ptr<MappedFile> open(int fd, std::string guest_path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] const std::string& host_path() const { return host_path_; }
  [[nodiscard]] const std::string& guest_path() const { return guest_path_; }
  [[nodiscard]] u32 major() const { return major_; }
  [[nodiscard]] u32 minor() const { return minor_; }
  [[nodiscard]] u64 device() const { return device_; }
  [[nodiscard]] u64 inode() const { return inode_; }
  /// Opened for writing too: a shared mapping of it may be written.
  [[nodiscard]] bool writable() const { return writable_; }

  /// Reads the page at file offset `offset` into `page`, zeroes after the end of the file.
  /// False when the page lies wholly beyond the end or the host cannot read it.
  [[nodiscard]] bool read_page(u64 offset, std::span<u8> page) const;
  /// Writes back the part of the page that the file has; never makes the file longer.
  void write_page(u64 offset, std::span<const u8> page) const;

 private:
  MappedFile(int fd, std::string guest_path);

  int fd_;
  std::string host_path_, guest_path_;
  u32 major_ = 0, minor_ = 0;
  u64 device_ = 0, inode_ = 0;
  bool writable_ = false;
};

}  // namespace lastbranch::user
