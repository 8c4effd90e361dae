#pragma once
// The modelled kernel's state for one process: what system calls read and change.
#include <array>
#include <optional>
#include <string>

#include <sys/resource.h>

#include "models/cpu/cpu.h"
#include "sim/base/rng.h"
#include "sim/user/address_space.h"
#include "sim/user/fd_table.h"
#include "sim/user/guest_clock.h"
#include "sim/user/initial_stack.h"
#include "sim/user/path_space.h"
#include "sim/user/process_config.h"
#include "sim/user/signal_frame.h"
#include "sim/user/signals.h"
#include "sim/user/syscall_tally.h"

namespace lastbranch::user {

/// The six arguments of a system call.
struct Args {
  std::array<u64, 6> value{};
  [[nodiscard]] u64 operator[](std::size_t n) const { return value[n]; }
  /// As the 32-bit integer that the call's prototype says.
  [[nodiscard]] int i(std::size_t n) const { return static_cast<int>(value[n]); }
  [[nodiscard]] u32 u(std::size_t n) const { return static_cast<u32>(value[n]); }
};

/// Answer of a handler: do the call again when the host's interruption has been dealt with.
inline constexpr i64 kRestart = INT64_MIN;

struct Kernel {
  Kernel(const ProcessConfig& settings, PhysMem& ram);

  const ProcessConfig& config;
  AddressSpace memory;
  PathSpace paths;
  FdTable fds;
  Signals signals;
  GuestClock clock;
  Rng rng;
  SyscallTally tally;
  TrapState trap;
  cpu::Cpu* cpu = nullptr;

  Program program;
  InitialStack stack;
  std::string executable;              ///< guest path of the program, links resolved
  std::vector<std::string> arguments;  ///< as on the stack
  std::string name;                    ///< comm: at most 15 bytes
  u32 uid = 0, euid = 0, gid = 0, egid = 0;
  u32 file_mask = 022;  ///< umask
  std::array<rlimit, RLIM_NLIMITS> limits{};
  u64 system_calls = 0;            ///< served or refused
  bool context_restored = false;   ///< rt_sigreturn: registers are the frame's
  std::optional<int> exit_status;  ///< exit() was called

  /// Fills `out` with seeded random bytes.
  void randomize(u8* out, u64 length);
};

}  // namespace lastbranch::user
