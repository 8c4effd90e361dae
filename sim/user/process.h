#pragma once
// The user-mode board: one process of Linux on one processor. Loads a program, and answers what leaves the
// interpreter: system calls and faults.
//
// Modelled: what the table of system calls serves, start-up, a vDSO whose functions make their system calls,
// synchronous signals, exit. Not: threads, fork, exec, sockets, signals from outside. Kernel time is not
// simulated: a system call takes one instruction of the program. Sources: psABI x86-64; man section 2; Linux
// for what they leave open.
#include <memory>
#include <string>

#include "sim/base/far_branches.h"
#include "sim/user/kernel.h"

namespace lastbranch::user {

/// Why a process died of a signal.
struct Death {
  int signal = 0;
  u64 rip = 0;            ///< where: the faulting instruction, or after the system call
  bool by_fault = false;  ///< false: it sent the signal to itself
  Fault fault{};
  std::string reason;  ///< "read at 0x10, not mapped": for messages
};

class Process {
 public:
  enum class Next : u8 { kContinue, kExited, kKilled };

  /// Loads the program into `memory`. Throws Error when it cannot be started: the message is one line.
  Process(const ProcessConfig& config, PhysMem& memory);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Where `Core` translates: give it to the core before `start`.
  [[nodiscard]] AddressSpace& memory();

  /// Sets `cpu` to the first instruction and has system calls intercepted. Both must outlive the process.
  void start(cpu::Cpu& cpu, FarBranches& branches);

  /// Deals with the reason why the interpreter stopped: Exit::kFault, or Exit::kIntercept of SYSCALL. After
  /// kContinue run it again.
  [[nodiscard]] Next handle();

  /// After kExited 0..255; after kKilled 128 + the signal.
  [[nodiscard]] int exit_status() const;
  /// After kKilled.
  [[nodiscard]] const Death& death() const { return death_; }
  /// Writes back shared file mappings. Happens at the end by itself; call it when a run is cut short.
  void flush();

  /// System calls that were refused, by number.
  [[nodiscard]] std::vector<RefusedCall> refused_calls() const;
  /// All system calls so far.
  [[nodiscard]] u64 system_calls() const;
  /// "main+0x12 (/bin/true)", or the bare address where nothing is known. Reads symbols from the file: slow.
  [[nodiscard]] std::string describe(u64 address) const;
  /// Guest path of the program and its name as in /proc/self/comm.
  [[nodiscard]] const std::string& executable() const;
  [[nodiscard]] const std::string& name() const;

 private:
  Next system_call();
  Next fault();
  /// Pending signals on the way back to the program; false when it died. `handlers` counts frames built.
  bool deliver_signals(int& handlers);
  bool deliver(const SigInfo& info);
  void die(int signal);

  ProcessConfig config_;
  std::unique_ptr<Kernel> kernel_;
  FarBranches* branches_ = nullptr;
  Death death_;
};

}  // namespace lastbranch::user
