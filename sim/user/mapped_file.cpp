#include "sim/user/mapped_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace lastbranch::user {
namespace {

std::string path_of(int fd) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

}  // namespace

std::shared_ptr<MappedFile> MappedFile::open(int fd, std::string guest_path) {
  const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return nullptr;
  return std::shared_ptr<MappedFile>(new MappedFile(own, std::move(guest_path)));
}

MappedFile::MappedFile(int fd, std::string guest_path)
    : fd_(fd), host_path_(path_of(fd)), guest_path_(std::move(guest_path)) {
  struct stat st {};
  if (::fstat(fd_, &st) == 0) {
    major_ = gnu_dev_major(st.st_dev);
    minor_ = gnu_dev_minor(st.st_dev);
    device_ = st.st_dev;
    inode_ = st.st_ino;
  }
  writable_ = (::fcntl(fd_, F_GETFL) & O_ACCMODE) == O_RDWR;
}

MappedFile::~MappedFile() {
  ::close(fd_);
}

bool MappedFile::read_page(u64 offset, std::span<u8> page) const {
  u64 done = 0;
  while (done < page.size()) {
    const ssize_t n = ::pread(fd_, page.data() + done, page.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<u64>(n);
  }
  std::fill(page.begin() + static_cast<std::ptrdiff_t>(done), page.end(), u8{0});
  return done != 0;
}

void MappedFile::write_page(u64 offset, std::span<const u8> page) const {
  struct stat st {};
  if (::fstat(fd_, &st) != 0 || static_cast<u64>(st.st_size) <= offset) return;
  const u64 length = std::min<u64>(page.size(), static_cast<u64>(st.st_size) - offset);
  u64 done = 0;
  while (done < length) {
    const ssize_t n = ::pwrite(fd_, page.data() + done, length - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<u64>(n);
  }
}

}  // namespace lastbranch::user
