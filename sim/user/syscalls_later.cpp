// Calls that need what is not modelled yet. Each fails with the error that programs know how to live with.
#include <cerrno>

#include <sys/stat.h>

#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

/// A thread answers "try again", which libraries turn into running without it; a process "not implemented",
/// as shells would repeat "try again" for seconds.
i64 sys_clone(Kernel& k, const Args& a) {
  constexpr u64 kThread = 0x10000;
  const bool thread = (a[0] & kThread) != 0;
  k.tally.refuse(56, thread ? "clone (thread)" : "clone (process)",
                 thread ? "Resource temporarily unavailable" : "Function not implemented");
  return thread ? -EAGAIN : -ENOSYS;
}

/// There are no children: the answer is the kernel's own.
i64 sys_no_child(Kernel&, const Args&) {
  return -ECHILD;
}

/// No descriptor is a socket, unless a standard one was inherited as one: only then is something missing.
i64 sys_no_socket(Kernel& k, const Args& a) {
  const OpenFile* file = k.fds.get(a.u(0));
  if (file == nullptr) return -EBADF;
  struct stat st {};
  if (::fstat(file->fd(), &st) == 0 && S_ISSOCK(st.st_mode)) {
    k.tally.refuse(41, "calls on an inherited socket", "Socket operation on non-socket");
  }
  return -ENOTSOCK;
}

constexpr SyscallRow kRows[] = {
    // Processes and threads.
    {56, "clone", sys_clone},
    {57, "fork", nullptr, ENOSYS},
    {58, "vfork", nullptr, ENOSYS},
    {59, "execve", nullptr, ENOSYS},
    {61, "wait4", sys_no_child},
    {101, "ptrace", nullptr, EPERM},
    {247, "waitid", sys_no_child},
    {272, "unshare", nullptr, EPERM},
    {310, "process_vm_readv", nullptr, ENOSYS},
    {311, "process_vm_writev", nullptr, ENOSYS},
    {317, "seccomp", nullptr, EINVAL},
    {322, "execveat", nullptr, ENOSYS},
    {324, "membarrier", nullptr, ENOSYS},
    {434, "pidfd_open", nullptr, ENOSYS},
    {435, "clone3", nullptr, ENOSYS},
    // Asynchronous signals and timers.
    {34, "pause", nullptr, ENOSYS},
    {130, "rt_sigsuspend", nullptr, ENOSYS},
    {222, "timer_create", nullptr, ENOSYS},
    {282, "signalfd", nullptr, ENOSYS},
    {283, "timerfd_create", nullptr, ENOSYS},
    {289, "signalfd4", nullptr, ENOSYS},
    // Sockets and other conversations.
    {41, "socket", nullptr, EAFNOSUPPORT},
    {42, "connect", sys_no_socket},
    {43, "accept", sys_no_socket},
    {44, "sendto", sys_no_socket},
    {45, "recvfrom", sys_no_socket},
    {46, "sendmsg", sys_no_socket},
    {47, "recvmsg", sys_no_socket},
    {48, "shutdown", sys_no_socket},
    {49, "bind", sys_no_socket},
    {50, "listen", sys_no_socket},
    {51, "getsockname", sys_no_socket},
    {52, "getpeername", sys_no_socket},
    {53, "socketpair", nullptr, EAFNOSUPPORT},
    {54, "setsockopt", sys_no_socket},
    {55, "getsockopt", sys_no_socket},
    {213, "epoll_create", nullptr, ENOSYS},
    {253, "inotify_init", nullptr, ENOSYS},
    {288, "accept4", sys_no_socket},
    {291, "epoll_create1", nullptr, ENOSYS},
    {294, "inotify_init1", nullptr, ENOSYS},
    {425, "io_uring_setup", nullptr, ENOSYS},
    // Shared memory and message queues of System V.
    {29, "shmget", nullptr, ENOSYS},
    {64, "semget", nullptr, ENOSYS},
    {68, "msgget", nullptr, ENOSYS},
    // Others that programs probe for.
    {161, "chroot", nullptr, EPERM},
    {165, "mount", nullptr, EPERM},
    {166, "umount2", nullptr, EPERM},
    {237, "mbind", nullptr, ENOSYS},
    {238, "set_mempolicy", nullptr, ENOSYS},
    {239, "get_mempolicy", nullptr, ENOSYS},
    {275, "splice", nullptr, EINVAL},
    {276, "tee", nullptr, EINVAL},
    {298, "perf_event_open", nullptr, ENOSYS},
    {321, "bpf", nullptr, EPERM},
    {323, "userfaultfd", nullptr, ENOSYS},
    {437, "openat2", nullptr, ENOSYS},
};

}  // namespace

std::span<const SyscallRow> later_calls() {
  return kRows;
}

}  // namespace lastbranch::user
