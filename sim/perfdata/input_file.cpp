#include "sim/perfdata/input_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/perfdata/byte_cursor.h"

namespace lastbranch::perfdata {

InputFile::InputFile(std::string path) : path_(std::move(path)) {
  // Without O_NONBLOCK a named pipe would wait here for its writer.
  fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) throw Error("{}: cannot be opened: {}", path_, std::strerror(errno));
  struct stat status {};
  if (fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(std::exchange(fd_, -1));
    throw Error("{}: expected a regular file, found a {}", path_,
                S_ISDIR(status.st_mode) ? "directory" : "pipe, socket or device");
  }
  size_ = static_cast<u64>(status.st_size);
}

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
}

void InputFile::check_range(u64 offset, u64 size, u64 told_at, std::string_view field) const {
  if (offset <= size_ && size <= size_ - offset) return;
  damaged(path_, told_at, field, fmt::format("a range within the file's {} bytes", size_),
          fmt::format("{} bytes at {:#x}", size, offset));
}

void InputFile::read(u64 offset, std::span<std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw Error("{}: offset {:#x}: cannot be read: {}", path_, offset + done, std::strerror(errno));
    }
    if (n == 0) {
      damaged(path_, offset + done, "file", fmt::format("{} more bytes", bytes.size() - done), "its end");
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace lastbranch::perfdata
