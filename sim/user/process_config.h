#pragma once
// What a user process is started with.
#include <functional>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/user/vma.h"

namespace lastbranch::user {

/// The processor as /proc/cpuinfo and the auxiliary vector describe it: filled from the microarchitecture's
/// CPUID.
struct ProcessorIdentity {
  std::string vendor = "GenuineIntel";
  std::string model_name = "lastbranch";
  u32 family = 6, model = 0, stepping = 0;
  std::string flags = "fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm";
  u64 hwcap = 0x078bfbff;  ///< CPUID.1:EDX
  u64 hwcap2 = 0;          ///< bit 1: FSGSBASE usable in user mode
  u32 mhz = 1000;          ///< nominal frequency
};

struct ProcessConfig {
  std::vector<std::string> arguments;  ///< argv; the first names the program unless `program` does
  std::string program;  ///< guest path; empty: arguments[0], looked up in PATH when it has no '/'
  std::vector<std::string> environment;  ///< NAME=value, passed as they are
  std::string root;                      ///< host folder that is "/" for the guest; empty: the host's own
  bool read_only = false;                ///< refuse (EROFS) every call that would change files of the host
  u64 seed = 1;                          ///< of AT_RANDOM, getrandom() and /dev/urandom
  u64 memory_bytes = u64{16} << 30;  ///< simulated RAM; costs what is touched. For whoever makes the PhysMem
  u64 stack_bytes = u64{8} << 20;    ///< RLIMIT_STACK, at least 256 KiB
  ProcessorIdentity processor;
  std::function<u64()> now_ns;  ///< simulated nanoseconds since start; empty: time stands still
  std::function<void(const ExecMapping&)> on_executable;  ///< each mapping that is or becomes executable
};

}  // namespace lastbranch::user
