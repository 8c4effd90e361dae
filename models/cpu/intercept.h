#pragma once
// The one table that decides for every sensitive instruction and event whether it executes, faults or exits.
// VMX controls and boards only fill it; the execution code only asks it.
// Source of the list: SDM vol. 3C, "Instructions That Cause VM Exits", "Other Causes of VM Exits".
#include <array>

#include "sim/base/units.h"

namespace lastbranch::cpu {

enum class Sensitive : u8 {
  kCpuid,
  kRdmsr,
  kWrmsr,
  kRdpmc,
  kRdtsc,
  kHlt,
  kMovCr,
  kMovDr,
  kInvlpg,
  kIo,
  kSyscall,
  kSoftInt,
  kIret,
  kXsetbv,
  kDescriptorTable,  ///< LGDT, LIDT, LLDT, LTR, SGDT, SIDT, SLDT, STR
  kCacheFlush,       ///< INVD, WBINVD
  kVmx,
  kException,
  kInterrupt,
  kCount,
};

enum class Action : u8 {
  kExecute,  ///< architecturally: with its privilege checks, by the core itself or cpu::System
  kFault,    ///< #GP(0), or #UD for instructions the mode does not have
  kExit,     ///< leave run() with Exit::kIntercept before any effect
};

using InterceptTable = std::array<Action, static_cast<std::size_t>(Sensitive::kCount)>;

}  // namespace lastbranch::cpu
