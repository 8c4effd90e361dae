#include "sim/perfdata/output_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"

namespace lastbranch::perfdata {
namespace {

/// Where symbolic links at the end of `path` lead, also when nothing is there yet.
std::string resolve_link(const std::string& path) {
  constexpr int kLinksMax = 40;  // as the kernel
  std::filesystem::path target = path;
  std::error_code error;
  for (int i = 0; i < kLinksMax && std::filesystem::is_symlink(target, error); ++i) {
    target = target.parent_path() / std::filesystem::read_symlink(target, error);
  }
  return target.string();
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)), target_(resolve_link(path_)) {
  struct stat existing {};
  if (stat(target_.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) {
    if (!S_ISCHR(existing.st_mode)) {
      throw Error("{}: cannot be written: expected a regular file, found a {}", path_,
                  S_ISDIR(existing.st_mode) ? "directory" : "pipe, socket or block device");
    }
    fd_ = open(target_.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd_ < 0) throw Error("{}: cannot be opened for writing: {}", path_, std::strerror(errno));
    return;
  }
  const std::filesystem::path target(target_);
  temporary_ = (target.parent_path() / fmt::format(".{}.XXXXXX", target.filename().string())).string();
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0) {
    const int error = errno;
    temporary_.clear();
    throw Error("{}: cannot create a file beside it: {}", path_, std::strerror(error));
  }
  remembered_.emplace(temporary_.c_str());
}

OutputFile::~OutputFile() {
  discard();
}

int OutputFile::write_all(u64 offset, std::span<const std::byte> bytes, u64& written) const {
  written = 0;
  while (written < bytes.size()) {
    const ssize_t n =
        pwrite(fd_, bytes.data() + written, bytes.size() - written, static_cast<off_t>(offset + written));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    written += static_cast<u64>(n);
  }
  return 0;
}

int OutputFile::append(std::span<const std::byte> bytes) {
  u64 written = 0;
  const int error = write_all(end_, bytes, written);
  end_ += written;
  return error;
}

int OutputFile::write_at(u64 offset, std::span<const std::byte> bytes) {
  u64 written = 0;
  return write_all(offset, bytes, written);
}

int OutputFile::truncate(u64 size) {
  if (temporary_.empty()) return 0;  // a device has no size
  while (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return errno;
  }
  end_ = size;
  return 0;
}

void OutputFile::read_at(u64 offset, std::span<std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      throw Error("{}: cannot read back {} bytes at offset {:#x}: {}", path_, bytes.size(), offset,
                  n < 0 ? std::strerror(errno) : "end of file");
    }
    done += static_cast<std::size_t>(n);
  }
}

void OutputFile::commit() {
  // Some file systems report a full disk only here.
  const int closed = close(std::exchange(fd_, -1));
  const int close_error = closed == 0 ? 0 : errno;
  if (close_error != 0 && close_error != EINTR) {
    discard();
    throw Error("{}: cannot be written: {}", path_, std::strerror(close_error));
  }
  if (!temporary_.empty() && std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const int error = errno;
    discard();
    throw Error("{}: cannot be given its name: {}", path_, std::strerror(error));
  }
  remembered_.reset();
  temporary_.clear();
}

void OutputFile::discard() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  if (!temporary_.empty()) unlink(temporary_.c_str());
  remembered_.reset();
  temporary_.clear();
}

}  // namespace lastbranch::perfdata
