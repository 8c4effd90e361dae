// Every pointer of every call, bad: the host's own kernel says what the answer is.
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/user/kernel_fixture.h"

namespace lastbranch::user {
namespace {

using testing::GuestKernel;
using testing::TempDir;

enum Token : u64 {
  kFd = u64{1} << 62,  ///< an open, writable regular file
  kFolder,             ///< an open folder
  kBad,                ///< an address that is not mapped
  kReadOnly,           ///< a page that cannot be written
  kName,               ///< the file's path
  kRoom,               ///< 512 zero bytes that can be written
  kEdge,               ///< four bytes before the end of a mapping
};

struct Row {
  const char* name;
  long number;
  std::array<u64, 6> args;
};

const Row kRows[] = {
    {"read", SYS_read, {kFd, kBad, 10}},
    {"read ro", SYS_read, {kFd, kReadOnly, 10}},
    {"read edge", SYS_read, {kFd, kEdge, 10}},
    {"write", SYS_write, {kFd, kBad, 10}},
    {"write edge", SYS_write, {kFd, kEdge, 10}},
    {"pread64", SYS_pread64, {kFd, kBad, 10, 0}},
    {"pwrite64", SYS_pwrite64, {kFd, kBad, 10, 0}},
    {"readv", SYS_readv, {kFd, kBad, 2}},
    {"writev", SYS_writev, {kFd, kBad, 2}},
    {"open", SYS_open, {kBad, O_RDONLY}},
    {"openat", SYS_openat, {kFolder, kBad, O_RDONLY}},
    {"stat", SYS_stat, {kBad, kRoom}},
    {"stat out", SYS_stat, {kName, kBad}},
    {"lstat out", SYS_lstat, {kName, kReadOnly}},
    {"fstat", SYS_fstat, {kFd, kBad}},
    {"newfstatat", SYS_newfstatat, {kFolder, kBad, kRoom, 0}},
    {"newfstatat out", SYS_newfstatat, {kFolder, kName, kBad, 0}},
    {"statx", SYS_statx, {kFolder, kBad, 0, 0xfff, kRoom}},
    {"statx out", SYS_statx, {kFolder, kName, 0, 0xfff, kBad}},
    {"access", SYS_access, {kBad, 0}},
    {"faccessat", SYS_faccessat, {kFolder, kBad, 0}},
    {"readlink", SYS_readlink, {kBad, kRoom, 10}},
    {"getcwd", SYS_getcwd, {kBad, 4096}},
    {"chdir", SYS_chdir, {kBad}},
    {"mkdir", SYS_mkdir, {kBad, 0755}},
    {"rmdir", SYS_rmdir, {kBad}},
    {"unlink", SYS_unlink, {kBad}},
    {"rename", SYS_rename, {kBad, kBad}},
    {"link", SYS_link, {kBad, kBad}},
    {"symlink", SYS_symlink, {kBad, kBad}},
    {"chmod", SYS_chmod, {kBad, 0644}},
    {"truncate", SYS_truncate, {kBad, 0}},
    {"utimensat", SYS_utimensat, {kFolder, kName, kBad, 0}},
    {"utimensat name", SYS_utimensat, {kFolder, kBad, 0, 0}},
    {"statfs", SYS_statfs, {kBad, kRoom}},
    {"statfs out", SYS_statfs, {kName, kBad}},
    {"fstatfs", SYS_fstatfs, {kFd, kBad}},
    {"getdents64", SYS_getdents64, {kFolder, kBad, 4096}},
    {"pipe", SYS_pipe, {kBad}},
    {"pipe2", SYS_pipe2, {kReadOnly, 0}},
    {"fcntl getlk", SYS_fcntl, {kFd, F_GETLK, kBad}},
    {"sendfile", SYS_sendfile, {kFd, kFd, kBad, 1}},
    {"poll", SYS_poll, {kBad, 1, 0}},
    {"ppoll", SYS_ppoll, {kRoom, 1, kBad, 0, 8}},
    {"select", SYS_select, {5, kBad, 0, 0, 0}},
    {"select timeout", SYS_select, {0, 0, 0, 0, kBad}},
    {"pselect6", SYS_pselect6, {0, 0, 0, 0, kBad, 0}},
    {"nanosleep", SYS_nanosleep, {kBad, 0}},
    {"clock_nanosleep", SYS_clock_nanosleep, {0, 0, kBad, 0}},
    {"clock_gettime", SYS_clock_gettime, {0, kBad}},
    {"clock_getres", SYS_clock_getres, {0, kReadOnly}},
    {"gettimeofday", SYS_gettimeofday, {kBad, 0}},
    {"time", SYS_time, {kBad}},
    {"times", SYS_times, {kBad}},
    {"getitimer", SYS_getitimer, {0, kBad}},
    {"uname", SYS_uname, {kBad}},
    {"sysinfo", SYS_sysinfo, {kBad}},
    {"getrusage", SYS_getrusage, {0, kBad}},
    {"getrlimit", SYS_getrlimit, {3, kBad}},
    {"setrlimit", SYS_setrlimit, {3, kBad}},
    {"prlimit64", SYS_prlimit64, {0, 3, 0, kBad}},
    {"prlimit64 set", SYS_prlimit64, {0, 3, kBad, 0}},
    {"getresuid", SYS_getresuid, {kRoom, kBad, kRoom}},
    {"getrandom", SYS_getrandom, {kBad, 10, 0}},
    {"getcpu", SYS_getcpu, {kBad, 0}},
    {"sched_getaffinity", SYS_sched_getaffinity, {0, 128, kBad}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, kBad, 0, 8}},
    {"rt_sigaction old", SYS_rt_sigaction, {SIGUSR1, 0, kBad, 8}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {0, kBad, 0, 8}},
    {"rt_sigprocmask old", SYS_rt_sigprocmask, {0, 0, kBad, 8}},
    {"rt_sigpending", SYS_rt_sigpending, {kBad, 8}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {kBad, 0, 0, 8}},
    {"sigaltstack", SYS_sigaltstack, {kBad, 0}},
    {"sigaltstack old", SYS_sigaltstack, {0, kBad}},
    {"arch_prctl", SYS_arch_prctl, {0x1003, kBad}},
    {"prctl set name", SYS_prctl, {15, kBad}},
    {"prctl get name", SYS_prctl, {16, kBad}},
    {"memfd_create", SYS_memfd_create, {kBad, 0}},
    {"mincore", SYS_mincore, {kReadOnly, 4096, kBad}},
    {"capget", SYS_capget, {kBad, 0}},
    {"futex", SYS_futex, {kBad, 0, 0, 0}},
    {"getgroups", SYS_getgroups, {65536, kBad}},
    {"copy_file_range", SYS_copy_file_range, {kFd, kBad, kFd, 0, 1, 0}},
};

/// The objects of one side.
struct Side {
  u64 fd, folder, bad, read_only, name, room, edge;
  [[nodiscard]] u64 value(u64 token) const {
    switch (token) {
      case kFd:
        return fd;
      case kFolder:
        return folder;
      case kBad:
        return bad;
      case kReadOnly:
        return read_only;
      case kName:
        return name;
      case kRoom:
        return room;
      case kEdge:
        return edge;
      default:
        return token;
    }
  }
  [[nodiscard]] std::array<u64, 6> resolve(const std::array<u64, 6>& tokens) const {
    std::array<u64, 6> values{};
    for (std::size_t i = 0; i < 6; ++i) values[i] = value(tokens[i]);
    return values;
  }
};

class BadPointer : public ::testing::Test {
 protected:
  BadPointer() {
    path_ = folder_.write("file", "0123456789abcdef");
    host_fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    host_folder_ = ::open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    host_page_ = static_cast<u8*>(
        ::mmap(nullptr, 2 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(host_page_ + kPageSize, kPageSize, PROT_NONE);
    host_read_only_ =
        static_cast<u8*>(::mmap(nullptr, kPageSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  ~BadPointer() override {
    ::close(host_fd_);
    ::close(host_folder_);
    ::munmap(host_page_, 2 * kPageSize);
    ::munmap(host_read_only_, kPageSize);
  }
  [[nodiscard]] static u64 number(const void* p) { return reinterpret_cast<u64>(p); }

  [[nodiscard]] Side host(u64 bad) const {
    return {static_cast<u64>(host_fd_),        static_cast<u64>(host_folder_), bad,
            number(host_read_only_),           number(path_.c_str()),          number(room_.data()),
            number(host_page_ + kPageSize - 4)};
  }
  [[nodiscard]] Side guest(GuestKernel& k, u64 bad) const {
    const u32 anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    const u64 page =
        static_cast<u64>(k.kernel.memory.map({0, 2 * kPageSize, PROT_READ | PROT_WRITE, anonymous}));
    k.call(SYS_munmap, {page + kPageSize, kPageSize});
    const u64 read_only =
        static_cast<u64>(k.kernel.memory.map({0x10000000, kPageSize, PROT_READ, anonymous}));
    const u64 fd = static_cast<u64>(k.call(SYS_open, {k.text(path_), O_RDWR}));
    const u64 folder = static_cast<u64>(k.call(SYS_open, {k.text(folder_.path()), O_RDONLY | O_DIRECTORY}));
    return {fd, folder, bad, read_only, k.text(path_), k.room(512), page + kPageSize - 4};
  }
  void rewind(GuestKernel& k, u64 fd) const {
    ::lseek(host_fd_, 0, SEEK_SET);
    k.call(SYS_lseek, {fd, 0, SEEK_SET});
  }

  TempDir folder_;
  std::string path_;
  std::array<u8, 512> room_{};
  int host_fd_ = -1, host_folder_ = -1;
  u8* host_page_ = nullptr;
  u8* host_read_only_ = nullptr;
};

TEST_F(BadPointer, answers_of_all_calls_equal_the_hosts) {
  for (const u64 bad : {u64{0x10}, u64{0xffffffff80001000}, u64{0x123456789abcdef0}, ~u64{0} - 3}) {
    for (const Row& row : kRows) {
      SCOPED_TRACE(fmt::format("{} with {:#x}", row.name, bad));
      GuestKernel k;
      const Side there = host(bad), here = guest(k, bad);
      rewind(k, here.fd);
      room_ = {};
      const std::array<u64, 6> h = there.resolve(row.args);
      const long expected = ::syscall(row.number, h[0], h[1], h[2], h[3], h[4], h[5]);
      const long error = expected < 0 ? -errno : expected;
      EXPECT_EQ(k.call(static_cast<u64>(row.number), here.resolve(row.args)), error);
    }
  }
}

TEST_F(BadPointer, no_call_with_random_arguments_harms_the_simulator) {
  // Calls that may wait for the world or for the other end of a pipe, or take the host's memory, stay out.
  const auto skipped = [](u64 n) {
    return n == SYS_poll || n == SYS_ppoll || n == SYS_select || n == SYS_pselect6 || n == SYS_read ||
           n == SYS_readv || n == SYS_preadv2 || n == SYS_flock || n == SYS_fcntl || n == SYS_ioctl ||
           n == SYS_close || n == SYS_close_range || n == SYS_pipe || n == SYS_pipe2 || n == SYS_eventfd ||
           n == SYS_eventfd2 || n == SYS_fallocate;
  };
  ProcessConfig config;
  config.read_only = true;
  GuestKernel k(config);
  for (const u64 fd : {0, 1, 2}) k.call(SYS_close, {fd});
  Rng rng(7);
  const u64 fixed[] = {
      0, 1, 3, 100, kPageSize, k.room(64), 0x7fffffffe000, ~u64{0}, u64{1} << 63, k.text("/etc/passwd")};
  for (int i = 0; i < 200'000; ++i) {
    const u64 number = rng() % 460;
    if (skipped(number)) continue;
    std::array<u64, 6> args{};
    for (u64& a : args) a = rng() % 4 == 0 ? rng() : fixed[rng() % std::size(fixed)];
    // Mappings that would bury the test's own scratch page.
    if ((number == SYS_mmap || number == SYS_munmap || number == SYS_mremap || number == SYS_mprotect) &&
        args[1] > u64{1} << 30)
      continue;
    (void)k.call(number, args);
  }
  EXPECT_GT(k.kernel.system_calls, 100'000u);
}

}  // namespace
}  // namespace lastbranch::user
