// Time: all of it simulated.
#include <cerrno>
#include <ctime>

#include <sys/time.h>
#include <sys/times.h>

#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

constexpr u64 kSecond = GuestClock::kSecond;

timespec as_timespec(u64 ns) {
  return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
}
bool valid(const timespec& t) {
  return t.tv_sec >= 0 && t.tv_nsec >= 0 && static_cast<u64>(t.tv_nsec) < kSecond;
}
u64 as_ns(const timespec& t) {
  return static_cast<u64>(t.tv_sec) * kSecond + static_cast<u64>(t.tv_nsec);
}

/// ns on clock `id`, or nothing when there is no such clock.
std::optional<u64> read_clock(const Kernel& k, int id) {
  constexpr int kTai = 11;
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case kTai:
      return k.clock.realtime();
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return k.clock.monotonic();
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      return k.clock.busy();
    default:
      break;
  }
  // Processor clocks of a process or thread: ours is the only one. Source: clock_getcpuclockid(3).
  if (id < 0 && (~(id >> 3) == 0 || ~(id >> 3) == kPid)) return k.clock.busy();
  return std::nullopt;
}

i64 sys_clock_gettime(Kernel& k, const Args& a) {
  const std::optional<u64> now = read_clock(k, a.i(0));
  if (!now) return -EINVAL;
  return k.memory.write(a[1], as_timespec(*now)) ? 0 : -EFAULT;
}
i64 sys_clock_getres(Kernel& k, const Args& a) {
  if (!read_clock(k, a.i(0))) return -EINVAL;
  const bool coarse = a.i(0) == CLOCK_REALTIME_COARSE || a.i(0) == CLOCK_MONOTONIC_COARSE;
  return a[1] == 0 || k.memory.write(a[1], timespec{0, coarse ? 4000000 : 1}) ? 0 : -EFAULT;
}
i64 sys_gettimeofday(Kernel& k, const Args& a) {
  const u64 us = k.clock.realtime() / 1000;
  const timeval now{static_cast<time_t>(us / 1000000), static_cast<suseconds_t>(us % 1000000)};
  if (a[0] != 0 && !k.memory.write(a[0], now)) return -EFAULT;
  return a[1] == 0 || k.memory.write(a[1], u64{0}) ? 0 : -EFAULT;
}
i64 sys_time(Kernel& k, const Args& a) {
  const i64 now = static_cast<i64>(k.clock.realtime() / kSecond);
  return a[0] == 0 || k.memory.write(a[0], now) ? now : -EFAULT;
}
i64 sys_times(Kernel& k, const Args& a) {
  constexpr u64 kTick = kSecond / 100;
  tms t{};
  t.tms_utime = static_cast<clock_t>(k.clock.busy() / kTick);
  if (a[0] != 0 && !k.memory.write(a[0], t)) return -EFAULT;
  return static_cast<i64>(k.clock.monotonic() / kTick);
}

i64 sys_nanosleep(Kernel& k, const Args& a) {
  timespec wanted{};
  if (!k.memory.read(a[0], wanted)) return -EFAULT;
  if (!valid(wanted)) return -EINVAL;
  k.clock.sleep(as_ns(wanted));
  return 0;
}
i64 sys_clock_nanosleep(Kernel& k, const Args& a) {
  timespec wanted{};
  const std::optional<u64> now = read_clock(k, a.i(0));
  if (!now || a.i(0) == CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
  if (!k.memory.read(a[2], wanted)) return -EFAULT;
  if (!valid(wanted)) return -EINVAL;
  const u64 ns = as_ns(wanted);
  const bool absolute = (a.i(1) & TIMER_ABSTIME) != 0;
  k.clock.sleep(!absolute ? ns : ns > *now ? ns - *now : 0);
  return 0;
}

/// Timers that are off can be asked for and switched off; setting one needs asynchronous signals.
i64 sys_getitimer(Kernel& k, const Args& a) {
  if (a.i(0) < ITIMER_REAL || a.i(0) > ITIMER_PROF) return -EINVAL;
  return k.memory.write(a[1], itimerval{}) ? 0 : -EFAULT;
}
i64 sys_setitimer(Kernel& k, const Args& a) {
  if (a.i(0) < ITIMER_REAL || a.i(0) > ITIMER_PROF) return -EINVAL;
  itimerval wanted{};
  if (a[1] != 0 && !k.memory.read(a[1], wanted)) return -EFAULT;
  if (wanted.it_value.tv_sec != 0 || wanted.it_value.tv_usec != 0) {
    k.tally.refuse(38, "setitimer", "Function not implemented");
    return -ENOSYS;
  }
  return a[2] == 0 || k.memory.write(a[2], itimerval{}) ? 0 : -EFAULT;
}
i64 sys_alarm(Kernel& k, const Args& a) {
  if (a.u(0) != 0) k.tally.refuse(37, "alarm", "no alarm will come");
  return 0;
}

constexpr SyscallRow kRows[] = {
    {35, "nanosleep", sys_nanosleep},
    {36, "getitimer", sys_getitimer},
    {37, "alarm", sys_alarm},
    {38, "setitimer", sys_setitimer},
    {96, "gettimeofday", sys_gettimeofday},
    {100, "times", sys_times},
    {201, "time", sys_time},
    {228, "clock_gettime", sys_clock_gettime},
    {229, "clock_getres", sys_clock_getres},
    {230, "clock_nanosleep", sys_clock_nanosleep},
};

}  // namespace

std::span<const SyscallRow> time_calls() {
  return kRows;
}

}  // namespace lastbranch::user
