// Identity, limits, thread-local storage, exit, and what a program asks about its machine.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <linux/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

i64 sys_exit(Kernel& k, const Args& a) {
  k.exit_status = a.i(0) & 0xff;
  return 0;
}

template <int kValue>
i64 sys_constant(Kernel&, const Args&) {
  return kValue;
}
template <u32 Kernel::*kMember>
i64 sys_identity(Kernel& k, const Args&) {
  return k.*kMember;
}
/// Becoming who one is succeeds; becoming another is refused, whatever the simulator might be allowed.
template <u32 Kernel::*kMember>
i64 sys_set_identity(Kernel& k, const Args& a) {
  return a.u(0) == k.*kMember ? 0 : -EPERM;
}
template <u32 Kernel::*kMember>
i64 sys_set_identities(Kernel& k, const Args& a) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (a.u(i) != ~u32{0} && a.u(i) != k.*kMember) return -EPERM;
  }
  return 0;
}
template <u32 Kernel::*kReal, u32 Kernel::*kEffective>
i64 sys_get_identities(Kernel& k, const Args& a) {
  const bool good = k.memory.write(a[0], k.*kReal) && k.memory.write(a[1], k.*kEffective) &&
                    k.memory.write(a[2], k.*kEffective);
  return good ? 0 : -EFAULT;
}

i64 sys_getgroups(Kernel& k, const Args& a) {
  std::array<gid_t, 65536> groups{};
  const int n = ::getgroups(static_cast<int>(groups.size()), groups.data());
  if (n < 0) return -errno;
  if (a.i(0) == 0) return n;
  if (a.i(0) < n) return -EINVAL;
  return k.memory.copy_out(a[1], groups.data(), static_cast<u64>(n) * sizeof(gid_t)) ? n : -EFAULT;
}

bool names_self(i64 pid) {
  return pid == 0 || pid == kPid;
}
i64 sys_of_self(Kernel&, const Args& a) {
  return names_self(a.i(0)) ? kPid : -ESRCH;
}  // getpgid, getsid
i64 sys_setpgid(Kernel&, const Args& a) {
  return names_self(a.i(0)) && names_self(a.i(1)) ? 0 : -EPERM;
}

i64 sys_uname(Kernel& k, const Args& a) {
  utsname name{};
  if (::uname(&name) != 0) return -errno;
  constexpr char kMachine[] = "x86_64";
  std::memcpy(name.machine, kMachine, sizeof kMachine);
  return k.memory.write(a[0], name) ? 0 : -EFAULT;
}

i64 sys_arch_prctl(Kernel& k, const Args& a) {
  constexpr int kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  switch (a.i(0)) {
    case kSetFs:
    case kSetGs:
      if (a[1] >= kUserEnd) return -EPERM;
      (a.i(0) == kSetFs ? k.cpu->fs_base() : k.cpu->gs_base()) = a[1];
      return 0;
    case kGetFs:
      return k.memory.write(a[1], k.cpu->fs_base()) ? 0 : -EFAULT;
    case kGetGs:
      return k.memory.write(a[1], k.cpu->gs_base()) ? 0 : -EFAULT;
    default:
      return -EINVAL;  // CPUID faulting and shadow stacks: not on this processor
  }
}

i64 sys_prctl(Kernel& k, const Args& a) {
  std::array<char, 16> name{};
  switch (a.i(0)) {
    case PR_SET_NAME: {
      std::string text;
      const i64 error = k.memory.read_string(a[1], text, name.size() - 1);
      if (error == -EFAULT) return error;
      k.name = text;
      return 0;
    }
    case PR_GET_NAME:
      std::copy(k.name.begin(), k.name.end(), name.begin());
      return k.memory.write(a[1], name) ? 0 : -EFAULT;
    case PR_GET_DUMPABLE:
      return 1;
    case PR_SET_DUMPABLE:
    case PR_SET_PDEATHSIG:
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_TIMERSLACK:
      return 0;
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_SECCOMP:
      return 0;
    case PR_GET_TIMERSLACK:
      return 50000;
    case PR_CAPBSET_READ:
      return a[1] <= 40 ? 0 : -EINVAL;
    case PR_SET_VMA:
      return -EINVAL;  // naming anonymous memory: a kernel option, off here
    default:
      k.tally.refuse(157, fmt::format("prctl {}", a.i(0)), "Invalid argument");
      return -EINVAL;
  }
}

i64 change_limit(Kernel& k, u32 which, u64 set, u64 get) {
  if (which >= RLIM_NLIMITS) return -EINVAL;
  rlimit& limit = k.limits[which];
  const rlimit before = limit;
  if (set != 0) {
    rlimit wanted{};
    if (!k.memory.read(set, wanted)) return -EFAULT;
    if (wanted.rlim_cur > wanted.rlim_max) return -EINVAL;
    if (wanted.rlim_max > limit.rlim_max) return -EPERM;
    limit = wanted;
    if (which == RLIMIT_NOFILE) k.fds.set_limit(wanted.rlim_cur);
  }
  return get != 0 && !k.memory.write(get, before) ? -EFAULT : 0;
}
i64 sys_getrlimit(Kernel& k, const Args& a) {
  return change_limit(k, a.u(0), 0, a[1]);
}
i64 sys_setrlimit(Kernel& k, const Args& a) {
  return change_limit(k, a.u(0), a[1], 0);
}
i64 sys_prlimit64(Kernel& k, const Args& a) {
  return names_self(a.i(0)) ? change_limit(k, a.u(1), a[2], a[3]) : -ESRCH;
}

i64 sys_getrusage(Kernel& k, const Args& a) {
  if (a.i(0) < RUSAGE_CHILDREN || a.i(0) > RUSAGE_THREAD) return -EINVAL;
  rusage usage{};
  if (a.i(0) != RUSAGE_CHILDREN) {
    const u64 us = k.clock.busy() / 1000;
    usage.ru_utime = {static_cast<time_t>(us / 1000000), static_cast<suseconds_t>(us % 1000000)};
    usage.ru_maxrss = static_cast<long>(k.memory.resident_pages() * (kPageSize >> 10));
  }
  return k.memory.write(a[1], usage) ? 0 : -EFAULT;
}

i64 sys_sysinfo(Kernel& k, const Args& a) {
  struct sysinfo info {};
  const u64 used = k.memory.resident_pages() << kPageShift;
  info.uptime = static_cast<long>(k.clock.monotonic() / GuestClock::kSecond);
  info.totalram = k.config.memory_bytes;
  info.freeram = k.config.memory_bytes - std::min(k.config.memory_bytes, used);
  info.procs = 1;
  info.mem_unit = 1;
  return k.memory.write(a[0], info) ? 0 : -EFAULT;
}

/// One processor.
i64 sys_sched_getaffinity(Kernel& k, const Args& a) {
  if (!names_self(a.i(0))) return -ESRCH;
  if (a.u(1) < sizeof(u64) || a.u(1) % sizeof(u64) != 0) return -EINVAL;
  return k.memory.write(a[2], u64{1}) ? static_cast<i64>(sizeof(u64)) : -EFAULT;
}
i64 sys_sched_setaffinity(Kernel& k, const Args& a) {
  u64 set = 0;
  if (!k.memory.copy_in(&set, a[2], std::min<u64>(a.u(1), sizeof set))) return -EFAULT;
  return (set & 1) != 0 ? 0 : -EINVAL;
}
i64 sys_sched_getparam(Kernel& k, const Args& a) {
  return k.memory.write(a[1], int{0}) ? 0 : -EFAULT;
}
i64 sys_getcpu(Kernel& k, const Args& a) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (a[i] != 0 && !k.memory.write(a[i], u32{0})) return -EFAULT;
  }
  return 0;
}
i64 sys_getpriority(Kernel&, const Args&) {
  return 20;
}  // nice 0, as the call encodes it

i64 sys_getrandom(Kernel& k, const Args& a) {
  if (a.u(2) > 7) return -EINVAL;
  std::vector<iovec> parts;
  const u64 reachable = k.memory.collect(a[0], std::min<u64>(a[1], INT32_MAX), cpu::Access::kWrite, parts);
  if (reachable == 0 && a[1] != 0) return -EFAULT;
  for (const iovec& part : parts) k.randomize(static_cast<u8*>(part.iov_base), part.iov_len);
  k.memory.written(a[0], reachable);
  return static_cast<i64>(reachable);
}

/// Nobody else can wake us: a wait on an unchanged word would never end, so it is refused and counted.
i64 sys_futex(Kernel& k, const Args& a) {
  constexpr int kCommand = 0x7f, kWait = 0, kWake = 1, kRequeue = 3, kCompareRequeue = 4, kWakeOp = 5,
                kWaitBitset = 9, kWakeBitset = 10;
  u32 word = 0;
  switch (a.i(1) & kCommand) {
    case kWake:
    case kRequeue:
    case kCompareRequeue:
    case kWakeOp:
    case kWakeBitset:
      return k.memory.read(a[0], word) ? 0 : -EFAULT;
    case kWait:
    case kWaitBitset:
      break;
    default:
      k.tally.refuse(202, fmt::format("futex {}", a.i(1)), "Function not implemented");
      return -ENOSYS;
  }
  if (!k.memory.read(a[0], word)) return -EFAULT;
  if (word != a.u(2)) return -EAGAIN;
  timespec timeout{};
  if (a[3] == 0) {
    k.tally.refuse(202, "futex wait without end", "Interrupted system call");
    return -EINTR;
  }
  if (!k.memory.read(a[3], timeout)) return -EFAULT;
  if ((a.i(1) & kCommand) == kWait)
    k.clock.sleep(static_cast<u64>(timeout.tv_sec) * GuestClock::kSecond + static_cast<u64>(timeout.tv_nsec));
  return -ETIMEDOUT;
}

i64 sys_zero(Kernel&, const Args&) {
  return 0;
}
i64 sys_capget(Kernel& k, const Args& a) {
  constexpr u32 kVersion3 = 0x20080522;
  std::array<u32, 2> header{};
  if (!k.memory.read(a[0], header)) return -EFAULT;
  if (header[0] != kVersion3) {
    header[0] = kVersion3;
    return k.memory.write(a[0], header) ? -EINVAL : -EFAULT;
  }
  return a[1] == 0 || k.memory.write(a[1], std::array<u32, 6>{}) ? 0 : -EFAULT;
}

constexpr SyscallRow kRows[] = {
    {24, "sched_yield", sys_zero},
    {39, "getpid", sys_constant<kPid>},
    {60, "exit", sys_exit},
    {63, "uname", sys_uname},
    {97, "getrlimit", sys_getrlimit},
    {98, "getrusage", sys_getrusage},
    {99, "sysinfo", sys_sysinfo},
    {102, "getuid", sys_identity<&Kernel::uid>},
    {104, "getgid", sys_identity<&Kernel::gid>},
    {105, "setuid", sys_set_identity<&Kernel::uid>},
    {106, "setgid", sys_set_identity<&Kernel::gid>},
    {107, "geteuid", sys_identity<&Kernel::euid>},
    {108, "getegid", sys_identity<&Kernel::egid>},
    {109, "setpgid", sys_setpgid},
    {110, "getppid", sys_constant<kParentPid>},
    {111, "getpgrp", sys_constant<kPid>},
    {112, "setsid", sys_constant<-EPERM>},
    {113, "setreuid", sys_set_identities<&Kernel::uid>},
    {114, "setregid", sys_set_identities<&Kernel::gid>},
    {115, "getgroups", sys_getgroups},
    {116, "setgroups", sys_constant<-EPERM>},
    {117, "setresuid", sys_set_identities<&Kernel::uid>},
    {118, "getresuid", sys_get_identities<&Kernel::uid, &Kernel::euid>},
    {119, "setresgid", sys_set_identities<&Kernel::gid>},
    {120, "getresgid", sys_get_identities<&Kernel::gid, &Kernel::egid>},
    {121, "getpgid", sys_of_self},
    {124, "getsid", sys_of_self},
    {125, "capget", sys_capget},
    {135, "personality", sys_zero},
    {140, "getpriority", sys_getpriority},
    {141, "setpriority", sys_zero},
    {143, "sched_getparam", sys_sched_getparam},
    {145, "sched_getscheduler", sys_zero},
    {146, "sched_get_priority_max", sys_zero},
    {147, "sched_get_priority_min", sys_zero},
    {157, "prctl", sys_prctl},
    {158, "arch_prctl", sys_arch_prctl},
    {160, "setrlimit", sys_setrlimit},
    {186, "gettid", sys_constant<kPid>},
    {202, "futex", sys_futex},
    {203, "sched_setaffinity", sys_sched_setaffinity},
    {204, "sched_getaffinity", sys_sched_getaffinity},
    {218, "set_tid_address", sys_constant<kPid>},
    {231, "exit_group", sys_exit},
    {273, "set_robust_list", sys_zero},
    {302, "prlimit64", sys_prlimit64},
    {309, "getcpu", sys_getcpu},
    {318, "getrandom", sys_getrandom},
    {334, "rseq",
     sys_constant<-ENOSYS>},  // as a kernel built without it: every C library asks, none needs it
};

}  // namespace

std::span<const SyscallRow> process_calls() {
  return kRows;
}

}  // namespace lastbranch::user
