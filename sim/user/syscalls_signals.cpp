// Signals that a process sends itself, and their handling.
#include <cerrno>
#include <csignal>
#include <ctime>

#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

bool valid_signal(int signal) {
  return signal >= 1 && signal <= kSignals;
}
/// pid, process group or "all": there is one process.
bool names_self(int pid) {
  return pid == kPid || pid == 0 || pid == -1 || pid == -kPid;
}

i64 sys_rt_sigaction(Kernel& k, const Args& a) {
  const int signal = a.i(0);
  if (a[3] != sizeof(u64) || !valid_signal(signal)) return -EINVAL;
  SigAction action;
  if (a[1] != 0) {
    if (!k.memory.read(a[1], action)) return -EFAULT;
    if (signal == SIGKILL || signal == SIGSTOP) return -EINVAL;
  }
  if (a[2] != 0 && !k.memory.write(a[2], k.signals.action(signal))) return -EFAULT;
  if (a[1] != 0) k.signals.set_action(signal, action);
  return 0;
}

i64 sys_rt_sigprocmask(Kernel& k, const Args& a) {
  if (a[3] != sizeof(u64)) return -EINVAL;
  const u64 before = k.signals.mask();
  u64 set = 0;
  if (a[1] != 0) {
    if (!k.memory.read(a[1], set)) return -EFAULT;
    switch (a.i(0)) {
      case SIG_BLOCK:
        set |= before;
        break;
      case SIG_UNBLOCK:
        set = before & ~set;
        break;
      case SIG_SETMASK:
        break;
      default:
        return -EINVAL;
    }
  }
  if (a[2] != 0 && !k.memory.write(a[2], before)) return -EFAULT;
  if (a[1] != 0) k.signals.set_mask(set);
  return 0;
}

i64 sys_rt_sigpending(Kernel& k, const Args& a) {
  if (a[1] > sizeof(u64)) return -EINVAL;
  const u64 set = k.signals.pending() & k.signals.mask();
  return k.memory.copy_out(a[0], &set, a[1]) ? 0 : -EFAULT;
}

i64 sys_rt_sigreturn(Kernel& k, const Args&) {
  k.context_restored = true;
  if (leave_handler(*k.cpu, k.memory, k.signals)) return 0;
  k.signals.force({.number = SIGSEGV, .code = si::kKernel});
  return 0;
}

i64 sys_sigaltstack(Kernel& k, const Args& a) {
  constexpr i32 kOnStack = 1, kDisable = 2, kAutoDisarm = INT32_MIN;
  constexpr u64 kLeastAlternateStack = 2048;  // MINSIGSTKSZ
  const AltStack before = k.signals.alternate;
  const u64 sp = k.cpu->r[cpu::kRsp];
  const bool on_it = (before.flags & kDisable) == 0 && sp > before.base && sp - before.base <= before.size;
  if (a[0] != 0) {
    AltStack wanted;
    if (!k.memory.read(a[0], wanted)) return -EFAULT;
    if (on_it) return -EPERM;
    const i32 mode = wanted.flags & ~kAutoDisarm;
    if (mode != 0 && mode != kOnStack && mode != kDisable) return -EINVAL;
    if (mode == kDisable) {
      wanted = {};
    } else if (wanted.size < kLeastAlternateStack) {
      return -ENOMEM;
    }
    wanted.flags &= kDisable;
    k.signals.alternate = wanted;
  }
  if (a[1] == 0) return 0;
  AltStack shown = before;
  if (on_it) shown.flags |= kOnStack;
  return k.memory.write(a[1], shown) ? 0 : -EFAULT;
}

SigInfo from_self(const Kernel& k, int signal, i32 code) {
  SigInfo info;
  info.number = signal;
  info.code = code;
  info.first = u64{kPid} | (u64{k.uid} << 32);
  return info;
}
i64 send(Kernel& k, int signal, i32 code) {
  if (signal < 0 || signal > kSignals) return -EINVAL;
  if (signal != 0) k.signals.send(from_self(k, signal, code));
  return 0;
}
i64 sys_kill(Kernel& k, const Args& a) {
  return names_self(a.i(0)) ? send(k, a.i(1), si::kUser) : -ESRCH;
}
i64 sys_tkill(Kernel& k, const Args& a) {
  if (a.i(0) <= 0) return -EINVAL;
  return a.i(0) == kPid ? send(k, a.i(1), si::kTkill) : -ESRCH;
}
i64 sys_tgkill(Kernel& k, const Args& a) {
  if (a.i(0) <= 0 || a.i(1) <= 0) return -EINVAL;
  return a.i(0) == kPid && a.i(1) == kPid ? send(k, a.i(2), si::kTkill) : -ESRCH;
}
i64 queue_signal(Kernel& k, int pid, int signal, u64 pointer) {
  SigInfo info;
  if (!k.memory.read(pointer, info)) return -EFAULT;
  if (pid != kPid) return -ESRCH;
  if (signal == 0) return 0;
  if (!valid_signal(signal)) return -EINVAL;
  info.number = signal;
  k.signals.send(info);
  return 0;
}
i64 sys_rt_sigqueueinfo(Kernel& k, const Args& a) {
  return queue_signal(k, a.i(0), a.i(1), a[2]);
}
i64 sys_rt_tgsigqueueinfo(Kernel& k, const Args& a) {
  return a.i(0) == kPid ? queue_signal(k, a.i(1), a.i(2), a[3]) : -ESRCH;
}

/// Takes what is pending; otherwise the time passes, or there would be nothing to wait for.
i64 sys_rt_sigtimedwait(Kernel& k, const Args& a) {
  u64 set = 0;
  if (a[3] != sizeof(u64)) return -EINVAL;
  if (!k.memory.read(a[0], set)) return -EFAULT;
  timespec timeout{};
  if (a[2] != 0 && !k.memory.read(a[2], timeout)) return -EFAULT;
  if (const std::optional<SigInfo> info = k.signals.take(set)) {
    if (a[1] != 0 && !k.memory.write(a[1], *info)) return -EFAULT;
    return info->number;
  }
  if (a[2] == 0) {
    k.tally.refuse(128, "rt_sigtimedwait without end", "Interrupted system call");
    return -EINTR;
  }
  k.clock.sleep(static_cast<u64>(timeout.tv_sec) * GuestClock::kSecond + static_cast<u64>(timeout.tv_nsec));
  return -EAGAIN;
}

constexpr SyscallRow kRows[] = {
    {13, "rt_sigaction", sys_rt_sigaction},
    {14, "rt_sigprocmask", sys_rt_sigprocmask},
    {15, "rt_sigreturn", sys_rt_sigreturn},
    {62, "kill", sys_kill},
    {127, "rt_sigpending", sys_rt_sigpending},
    {128, "rt_sigtimedwait", sys_rt_sigtimedwait},
    {129, "rt_sigqueueinfo", sys_rt_sigqueueinfo},
    {131, "sigaltstack", sys_sigaltstack},
    {200, "tkill", sys_tkill},
    {234, "tgkill", sys_tgkill},
    {297, "rt_tgsigqueueinfo", sys_rt_tgsigqueueinfo},
};

}  // namespace

std::span<const SyscallRow> signal_calls() {
  return kRows;
}

}  // namespace lastbranch::user
