#include "sim/user/fd_table.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>

namespace lastbranch::user {
namespace {

constexpr u64 kMostDescriptors = u64{1} << 20;
constexpr const char* kStandardNames[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};

}  // namespace

std::shared_ptr<MappedFile> OpenFile::mapped() {
  std::shared_ptr<MappedFile> file = mapping.lock();
  if (!file) mapping = file = MappedFile::open(fd(), name);
  return file;
}

FdTable::FdTable(u64 limit) : limit_(std::min(limit, kMostDescriptors)) {
  for (int fd = 0; fd < 3; ++fd) {
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) continue;  // closed by whoever started us: closed for the guest too
    auto file = std::make_shared<OpenFile>(OpenFile{HostFd(own), kStandardNames[fd]});
    file->inherited = true;
    put(static_cast<u64>(fd), std::move(file), false);
  }
}

std::shared_ptr<OpenFile> FdTable::shared(u64 fd) const {
  return fd < slots_.size() ? slots_[fd].file : nullptr;
}

i64 FdTable::add(std::shared_ptr<OpenFile> file, bool close_on_exec, u64 lowest) {
  u64 fd = lowest;
  while (fd < slots_.size() && slots_[fd].file) ++fd;
  return fd < limit_ ? put(fd, std::move(file), close_on_exec) : -EMFILE;
}

i64 FdTable::add(HostFd host, std::string name, bool close_on_exec) {
  if (!host.ok()) return host.get();
  return add(std::make_shared<OpenFile>(OpenFile{std::move(host), std::move(name)}), close_on_exec);
}

i64 FdTable::put(u64 fd, std::shared_ptr<OpenFile> file, bool close_on_exec) {
  if (fd >= limit_) return -EBADF;
  if (fd >= slots_.size()) slots_.resize(fd + 1);
  slots_[fd] = {std::move(file), close_on_exec};
  return static_cast<i64>(fd);
}

i64 FdTable::close(u64 fd) {
  if (get(fd) == nullptr) return -EBADF;
  slots_[fd] = {};
  while (!slots_.empty() && !slots_.back().file) slots_.pop_back();
  return 0;
}

}  // namespace lastbranch::user
