#pragma once
// The stack a program starts with: strings, auxiliary vector, environment, arguments, argument count.
// Source: psABI x86-64 "Initial Stack and Register State"; Linux fs/binfmt_elf.c (create_elf_tables),
// fs/exec.c.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "sim/user/address_space.h"
#include "sim/user/program.h"

namespace lastbranch::user {

struct StackContents {
  std::vector<std::string> arguments, environment;
  std::string executable;        ///< AT_EXECFN
  std::array<u8, 16> random{};   ///< what AT_RANDOM points to
  u64 hwcap = 0, hwcap2 = 0;     ///< AT_HWCAP (CPUID.1:EDX), AT_HWCAP2
  u64 vdso = 0;                  ///< AT_SYSINFO_EHDR
  u64 minimum_signal_stack = 0;  ///< AT_MINSIGSTKSZ
  u32 uid = 0, euid = 0, gid = 0, egid = 0;
};

struct InitialStack {
  u64 pointer = 0;                                            ///< RSP at entry: address of argc
  std::vector<u8> auxv;                                       ///< contents of /proc/self/auxv
  u64 arguments = 0, arguments_end = 0, environment_end = 0;  ///< strings, for /proc/self/stat
};

/// Maps the stack and fills it. Throws Error when arguments and environment exceed a quarter of
/// `stack_limit`.
[[nodiscard]] InitialStack build_stack(AddressSpace& space, const Program& program,
                                       const StackContents& contents, u64 stack_limit);

}  // namespace lastbranch::user
