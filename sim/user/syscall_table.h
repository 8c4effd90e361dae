#pragma once
// The system calls: one table of rows, written area by area.
#include <span>

#include "sim/user/kernel.h"

namespace lastbranch::user {

/// One system call of x86-64 Linux. With a handler it is served; without, it fails with `fails` and is
/// counted.
struct SyscallRow {
  u16 number;
  const char* name;
  i64 (*serve)(Kernel& kernel, const Args& args);  ///< result, -errno or kRestart
  int fails = 0;
};

std::span<const SyscallRow> file_calls();
std::span<const SyscallRow> io_calls();
std::span<const SyscallRow> path_calls();
std::span<const SyscallRow> stat_calls();
std::span<const SyscallRow> memory_calls();
std::span<const SyscallRow> process_calls();
std::span<const SyscallRow> signal_calls();
std::span<const SyscallRow> time_calls();
std::span<const SyscallRow> wait_calls();
/// Those that need threads, other processes, sockets or asynchronous signals.
std::span<const SyscallRow> later_calls();

/// The row of `number`, or nullptr when it is unknown.
[[nodiscard]] const SyscallRow* find_syscall(u64 number);

/// Serves one call, counting it when it is refused.
i64 serve_syscall(Kernel& kernel, u64 number, const Args& args);

}  // namespace lastbranch::user
