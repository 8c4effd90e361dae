#pragma once
// A retired taken branch, as the core announces it to whoever records branches.
// Source: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording Overview".
#include "sim/base/units.h"

namespace lastbranch {

/// What transferred control. The first six are near branches of user code, the rest the "far" class of
/// LBR_SELECT.
enum class BranchKind : u8 {
  kJcc,        ///< conditional: Jcc, LOOPcc, JRCXZ
  kRelJmp,     ///< direct near JMP
  kIndJmp,     ///< near JMP r/m
  kRelCall,    ///< direct near CALL
  kIndCall,    ///< near CALL r/m
  kRet,        ///< near RET
  kFar,        ///< far JMP, CALL, RET
  kSyscall,    ///< SYSCALL, SYSENTER
  kSysret,     ///< SYSRET, SYSEXIT
  kIret,       ///< IRET
  kSoftInt,    ///< INT n, INT3, INTO, INT1
  kException,  ///< fault or trap delivery
  kInterrupt,  ///< external interrupt or NMI
  kCount,
};

/// Facts about one retired taken branch. `time` is absolute, in core cycles: each observer takes its own
/// differences.
struct RetiredBranch {
  u64 from;  ///< linear address of the branch's first byte (of the next instruction for interrupts)
  u64 to;    ///< linear address of the target
  u64 time;  ///< core cycles since reset
  BranchKind kind;
  u8 length;    ///< bytes of the branch instruction, 0 where there is none
  u8 cpl_from;  ///< privilege before, 0..3
  u8 cpl_to;    ///< privilege after, 0..3
  bool taken = true;
  bool mispredicted = false;
  bool in_tx = false;
  bool abort = false;
};

}  // namespace lastbranch
