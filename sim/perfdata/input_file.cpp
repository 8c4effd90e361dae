#include "sim/perfdata/input_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
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
  if (path_ == kStandardInput) {
    path_ = kStandardInputName;
    fd_ = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  } else {
    fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (fd_ < 0) throw Error("{}: cannot be opened: {}", path_, std::strerror(errno));
  try {
    struct stat status {};
    if (fstat(fd_, &status) != 0) throw Error("{}: cannot be examined: {}", path_, std::strerror(errno));
    if (S_ISDIR(status.st_mode)) throw Error("{}: expected a file, found a directory", path_);
    seekable_ = S_ISREG(status.st_mode);
    if (seekable_) size_ = static_cast<u64>(status.st_size);
    read_head();
  } catch (...) {
    close(std::exchange(fd_, -1));
    throw;
  }
}

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
}

void InputFile::read_head() {
  if (seekable_) {
    head_size_ = std::min<u64>(head_.size(), size_);
    read(0, std::span(head_).first(head_size_));
    return;
  }
  while (head_size_ < head_.size()) {
    const std::size_t n = read_some(std::span(head_).subspan(head_size_));
    if (n == 0) break;
    head_size_ += n;
  }
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

std::size_t InputFile::read_some(std::span<std::byte> bytes) const {
  for (;;) {
    const ssize_t n = ::read(fd_, bytes.data(), bytes.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw Error("{}: cannot be read: {}", path_, std::strerror(errno));
  }
}

std::size_t InputFile::read_next(std::span<std::byte> bytes) {
  std::size_t n = 0;
  if (position_ < head_size_) {
    const auto rest = head().subspan(position_);
    n = std::min(rest.size(), bytes.size());
    std::copy_n(rest.begin(), n, bytes.begin());
  } else {
    n = read_some(bytes);
  }
  position_ += n;
  return n;
}

void InputFile::make_seekable() {
  if (seekable_) return;
  std::FILE* const file = std::tmpfile();
  const int copy = file == nullptr ? -1 : fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
  if (file != nullptr) std::fclose(file);
  if (copy < 0) throw Error("{}: cannot be copied to a temporary file: {}", path_, std::strerror(errno));
  std::vector<std::byte> piece(std::size_t{1} << 16);
  u64 size = 0;
  try {
    for (std::size_t n = read_next(piece); n != 0; n = read_next(piece)) {
      for (std::size_t done = 0; done < n;) {
        const ssize_t written = write(copy, piece.data() + done, n - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
          throw Error("{}: cannot be copied to a temporary file: {}", path_, std::strerror(errno));
        }
        done += static_cast<std::size_t>(written);
      }
      size += n;
    }
  } catch (...) {
    close(copy);
    throw;
  }
  close(std::exchange(fd_, copy));
  size_ = size;
  seekable_ = true;
}

}  // namespace lastbranch::perfdata
