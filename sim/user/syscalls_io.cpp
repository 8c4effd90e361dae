// Reading and writing through descriptors.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <vector>

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim/user/file_access.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

constexpr u64 kMostPerCall = 0x7ffff000;  // MAX_RW_COUNT
constexpr u64 kPiece = u64{256} << 10;    // touched and handed to the host at a time
constexpr i64 kHere = -1;                 // at the file's own position

/// Keeps a write to a broken pipe from killing the simulator: SIGPIPE stays with this thread, and goes.
class BrokenPipeGuard {
 public:
  BrokenPipeGuard() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~BrokenPipeGuard() {
    const int error = errno;
    const timespec now{};
    if (error == EPIPE) ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  BrokenPipeGuard(const BrokenPipeGuard&) = delete;
  BrokenPipeGuard& operator=(const BrokenPipeGuard&) = delete;

 private:
  sigset_t pipe_{}, before_{};
};

struct FileFacts {
  bool regular = false;
  u64 device = 0, inode = 0;
};
FileFacts facts_of(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return {};
  return {S_ISREG(st.st_mode), st.st_dev, st.st_ino};
}

bool opened_for(int fd, bool writing) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0) return false;
  return (flags & O_ACCMODE) != (writing ? O_RDONLY : O_WRONLY);
}

/// One piece, as one host call.
i64 host_transfer(int fd, const std::vector<iovec>& parts, i64 position, bool writing, bool regular) {
  const int count = static_cast<int>(parts.size());
  if (!writing) {
    return result_of(position < 0 ? ::readv(fd, parts.data(), count)
                                  : ::preadv(fd, parts.data(), count, position));
  }
  if (regular) {
    return result_of(position < 0 ? ::writev(fd, parts.data(), count)
                                  : ::pwritev(fd, parts.data(), count, position));
  }
  const BrokenPipeGuard guard;
  return result_of(position < 0 ? ::writev(fd, parts.data(), count)
                                : ::pwritev(fd, parts.data(), count, position));
}

/// The written range of the file, for its shared mappings.
void reload_shared(Kernel& k, const FileFacts& facts, int fd, i64 position, u64 length) {
  if (k.memory.shared_pages().empty()) return;
  const u64 end =
      position < 0 ? static_cast<u64>(::lseek(fd, 0, SEEK_CUR)) : static_cast<u64>(position) + length;
  k.memory.shared_pages().reload(facts.device, facts.inode, end - std::min(end, length), end);
}

i64 fill_random(Kernel& k, const std::vector<iovec>& parts) {
  u64 total = 0;
  for (const iovec& part : parts) {
    k.randomize(static_cast<u8*>(part.iov_base), part.iov_len);
    total += part.iov_len;
  }
  return static_cast<i64>(total);
}

/// Moves bytes between an open file and one guest range. Regular files in as many pieces as it takes; others
/// stop after the first piece that is read, and write until the host takes less.
i64 transfer(Kernel& k, const OpenFile& file, u64 address, u64 length, i64 position, bool writing) {
  const int fd = file.fd();
  if (!opened_for(fd, writing)) return -EBADF;
  if (address >= kUserEnd) return -EFAULT;  // also when there is nothing to move
  const FileFacts facts = facts_of(fd);
  SharedPages& shared = k.memory.shared_pages();
  if (!writing && !shared.empty()) shared.flush(facts.device, facts.inode);
  length = std::min(length, kMostPerCall);
  u64 done = 0;
  std::vector<iovec> parts;
  do {
    const u64 wanted = std::min(kPiece, length - done);
    parts.clear();
    const auto access = writing ? cpu::Access::kRead : cpu::Access::kWrite;
    const u64 reachable = k.memory.collect(address + done, wanted, access, parts);
    if (reachable == 0 && wanted != 0) return done != 0 ? static_cast<i64>(done) : -EFAULT;
    const i64 at = position < 0 ? position : position + static_cast<i64>(done);
    const i64 n = file.random && !writing ? fill_random(k, parts)
                                          : host_transfer(fd, parts, at, writing, facts.regular);
    if (n == -EPIPE && done == 0) {
      k.signals.send({.number = SIGPIPE, .code = si::kUser, .first = u64{kPid} | (u64{k.uid} << 32)});
    }
    if (n < 0) return done != 0 ? static_cast<i64>(done) : restarted(n);
    if (writing) {
      reload_shared(k, facts, fd, at, static_cast<u64>(n));
    } else {
      k.memory.written(address + done, static_cast<u64>(n));
    }
    done += static_cast<u64>(n);
    if (static_cast<u64>(n) < wanted) break;
  } while (done < length && (writing || facts.regular || file.random));
  return static_cast<i64>(done);
}

i64 transfer_list(Kernel& k, const OpenFile& file, u64 list, u64 count, i64 position, bool writing) {
  if (count > IOV_MAX) return -EINVAL;
  std::vector<iovec> ranges(count);
  if (!k.memory.copy_in(ranges.data(), list, count * sizeof(iovec))) return -EFAULT;
  if (!opened_for(file.fd(), writing)) return -EBADF;
  u64 done = 0;
  for (const iovec& range : ranges) {
    if (static_cast<i64>(range.iov_len) < 0) return -EINVAL;
    if (range.iov_len == 0) continue;
    const i64 at = position < 0 ? position : position + static_cast<i64>(done);
    const i64 n = transfer(k, file, reinterpret_cast<u64>(range.iov_base), range.iov_len, at, writing);
    if (n < 0) return done != 0 ? static_cast<i64>(done) : n;
    done += static_cast<u64>(n);
    if (static_cast<u64>(n) < range.iov_len) break;
  }
  return static_cast<i64>(done);
}

template <bool kWriting, bool kPositioned>
i64 sys_plain(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  if (kPositioned && static_cast<i64>(a[3]) < 0) return -EINVAL;
  if (static_cast<i64>(a[2]) < 0) return -EINVAL;
  return transfer(k, *file, a[1], a[2], kPositioned ? static_cast<i64>(a[3]) : kHere, kWriting);
}
template <bool kWriting, bool kPositioned>
i64 sys_vector(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  if (kPositioned && static_cast<i64>(a[3]) < 0) return -EINVAL;
  return transfer_list(k, *file, a[1], a[2], kPositioned ? static_cast<i64>(a[3]) : kHere, kWriting);
}
/// preadv2, pwritev2: position -1 means the file's own; flags ask for what has no meaning here.
template <bool kWriting>
i64 sys_vector2(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  if (a.u(5) != 0) return -EOPNOTSUPP;
  const i64 position = static_cast<i64>(a[3]);
  if (position < kHere) return -EINVAL;
  return transfer_list(k, *file, a[1], a[2], position, kWriting);
}

i64 sys_lseek(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  return file == nullptr ? -EBADF : result_of(::lseek(file->fd(), static_cast<off_t>(a[1]), a.i(2)));
}

/// Copies between descriptors through our memory; positions come from and go to guest memory when given.
i64 copy_between(Kernel& k, const OpenFile& in, const OpenFile& out, u64 in_at, u64 out_at, u64 length) {
  if (!opened_for(in.fd(), false) || !opened_for(out.fd(), true)) return -EBADF;
  i64 from = kHere, to = kHere;
  if (in_at != 0 && !k.memory.read(in_at, from)) return -EFAULT;
  if (out_at != 0 && !k.memory.read(out_at, to)) return -EFAULT;
  SharedPages& shared = k.memory.shared_pages();
  const FileFacts source = facts_of(in.fd()), target = facts_of(out.fd());
  if (!shared.empty()) shared.flush(source.device, source.inode);
  std::vector<u8> buffer(std::min(length, kPiece));
  u64 done = 0;
  while (done < length) {
    std::vector<iovec> part{{buffer.data(), std::min<u64>(buffer.size(), length - done)}};
    const i64 got = in.random ? fill_random(k, part) : host_transfer(in.fd(), part, from, false, true);
    if (got < 0 && done == 0) return restarted(got);
    if (got <= 0) break;
    part[0].iov_len = static_cast<u64>(got);
    const i64 put = host_transfer(out.fd(), part, to, true, target.regular);
    if (put < 0 && done == 0) return restarted(put);
    if (put <= 0) break;
    reload_shared(k, target, out.fd(), to, static_cast<u64>(put));
    done += static_cast<u64>(put);
    if (from >= 0) from += put;
    if (to >= 0) to += put;
    if (put < got && from < 0) ::lseek(in.fd(), put - got, SEEK_CUR);
    if (put < got) break;
  }
  if (in_at != 0 && !k.memory.write(in_at, from)) return -EFAULT;
  if (out_at != 0 && !k.memory.write(out_at, to)) return -EFAULT;
  return static_cast<i64>(done);
}

i64 sys_sendfile(Kernel& k, const Args& a) {
  const OpenFile* out = k.fds.get(a.u(0));
  const OpenFile* in = k.fds.get(a.u(1));
  if (in == nullptr || out == nullptr) return -EBADF;
  return copy_between(k, *in, *out, a[2], 0, std::min(a[3], kMostPerCall));
}
i64 sys_copy_file_range(Kernel& k, const Args& a) {
  const OpenFile* in = k.fds.get(a.u(0));
  const OpenFile* out = k.fds.get(a.u(2));
  if (in == nullptr || out == nullptr) return -EBADF;
  if (a.u(5) != 0 || !facts_of(in->fd()).regular || !facts_of(out->fd()).regular) return -EINVAL;
  return copy_between(k, *in, *out, a[1], a[3], std::min(a[4], kMostPerCall));
}

constexpr SyscallRow kRows[] = {
    {0, "read", sys_plain<false, false>},
    {1, "write", sys_plain<true, false>},
    {8, "lseek", sys_lseek},
    {17, "pread64", sys_plain<false, true>},
    {18, "pwrite64", sys_plain<true, true>},
    {19, "readv", sys_vector<false, false>},
    {20, "writev", sys_vector<true, false>},
    {40, "sendfile", sys_sendfile},
    {295, "preadv", sys_vector<false, true>},
    {296, "pwritev", sys_vector<true, true>},
    {326, "copy_file_range", sys_copy_file_range},
    {327, "preadv2", sys_vector2<false>},
    {328, "pwritev2", sys_vector2<true>},
};

}  // namespace

std::span<const SyscallRow> io_calls() {
  return kRows;
}

}  // namespace lastbranch::user
