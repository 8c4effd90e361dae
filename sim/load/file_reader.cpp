#include "sim/load/file_reader.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/base/regular_file.h"

namespace lastbranch::load {

FileReader::FileReader(const std::string& path) : fd_(open_regular_file(path)), name_(path) {
  measure();
}

FileReader::FileReader(int fd, std::string name)
    : fd_(::fcntl(fd, F_DUPFD_CLOEXEC, 3)), name_(std::move(name)) {
  if (fd_ < 0) throw Error("{}: cannot duplicate descriptor {}: {}", name_, fd, std::strerror(errno));
  measure();
}

FileReader::~FileReader() {
  if (fd_ >= 0) ::close(fd_);
}

FileReader::FileReader(FileReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)), size_(other.size_) {}

void FileReader::measure() {
  struct stat st {};
  const bool known = ::fstat(fd_, &st) == 0;
  if (!known || !S_ISREG(st.st_mode)) {
    ::close(std::exchange(fd_, -1));
    const bool directory = known && S_ISDIR(st.st_mode);
    throw Error("{}: expected a regular file, found {}", name_, directory ? "a directory" : "a special file");
  }
  size_ = static_cast<u64>(st.st_size);
}

void FileReader::require(u64 offset, u64 count, u64 each, const char* what) const {
  const u64 left = offset < size_ ? size_ - offset : 0;
  if (each != 0 && count > left / each) {
    throw Error("{}: truncated: {} at offset {:#x}: expected {} x {} bytes, found {} left in the file", name_,
                what, offset, count, each, left);
  }
}

void FileReader::read(u64 offset, std::span<u8> out, const char* what) const {
  require(offset, out.size(), 1, what);
  u64 done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error("{}: {} at offset {:#x}: cannot read: {}", name_, what, offset, std::strerror(errno));
    if (n == 0) throw Error("{}: {} at offset {:#x}: the file shrank while being read", name_, what, offset);
    done += static_cast<u64>(n);
  }
}

std::vector<u8> FileReader::read_some(u64 offset, u64 limit) const {
  const u64 left = offset < size_ ? size_ - offset : 0;
  std::vector<u8> bytes(std::min(limit, left));
  read(offset, bytes, "contents");
  return bytes;
}

}  // namespace lastbranch::load
