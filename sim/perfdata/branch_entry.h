#pragma once
/// One entry of a sample's branch stack, and its flags word.
/// Sources: Linux UAPI linux/perf_event.h, struct perf_branch_entry; the kernel's x86 branch types map onto
/// PERF_BR_* as in arch/x86/events/utils.c of Linux 6.x.
#include <algorithm>
#include <array>
#include <string_view>

#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch::perfdata {

/// PERF_BR_*; 15 says that the kind is in BranchFlags::new_type.
enum class BranchType : u8 {
  kUnknown = 0,
  kCond,
  kUncond,
  kInd,
  kCall,
  kIndCall,
  kRet,
  kSyscall,
  kSysret,
  kCondCall,
  kCondRet,
  kEret,
  kIrq,
  kSerror,
  kNoTx,
  kExtendAbi,
};

/// The branch type that perf would store for a retired branch of this kind.
[[nodiscard]] constexpr BranchType branch_type(BranchKind kind) {
  constexpr std::array<BranchType, 13> kTypes = {
      BranchType::kCond,     // kJcc
      BranchType::kUncond,   // kRelJmp
      BranchType::kInd,      // kIndJmp
      BranchType::kCall,     // kRelCall
      BranchType::kIndCall,  // kIndCall
      BranchType::kRet,      // kRet
      BranchType::kUnknown,  // kFar: the kernel has no type for it
      BranchType::kSyscall,  // kSyscall
      BranchType::kSysret,   // kSysret
      BranchType::kEret,     // kIret
      BranchType::kUnknown,  // kSoftInt: likewise
      BranchType::kUnknown,  // kException: not a branch instruction
      BranchType::kIrq,      // kInterrupt
  };
  static_assert(kTypes.size() == static_cast<std::size_t>(BranchKind::kCount));
  return kTypes[static_cast<std::size_t>(kind)];
}

inline constexpr u64 kMaxBranchCycles = 0xffff;

/// The flags word taken apart. Both predictions false: unknown, as with branch_sample_type NO_FLAGS.
struct BranchFlags {
  bool mispredicted = false;
  bool predicted = false;
  bool in_tx = false;
  bool abort = false;
  u64 cycles = 0;  ///< core clocks since the previous entry, saturating at 65535; 0: not known
  BranchType type = BranchType::kUnknown;
  u8 spec = 0;      ///< 0..3
  u8 new_type = 0;  ///< 0..15
  u8 priv = 0;      ///< 0 unknown, 1 user, 2 kernel, 3 hypervisor

  /// As the file stores it.
  [[nodiscard]] constexpr u64 pack() const {
    return u64{mispredicted} | u64{predicted} << 1 | u64{in_tx} << 2 | u64{abort} << 3 |
           std::min(cycles, kMaxBranchCycles) << 4 | (static_cast<u64>(type) & 15) << 20 |
           (u64{spec} & 3) << 24 | (u64{new_type} & 15) << 26 | (u64{priv} & 7) << 30;
  }

  [[nodiscard]] static constexpr BranchFlags unpack(u64 word) {
    return {.mispredicted = (word & 1) != 0,
            .predicted = (word & 2) != 0,
            .in_tx = (word & 4) != 0,
            .abort = (word & 8) != 0,
            .cycles = word >> 4 & kMaxBranchCycles,
            .type = static_cast<BranchType>(word >> 20 & 15),
            .spec = static_cast<u8>(word >> 24 & 3),
            .new_type = static_cast<u8>(word >> 26 & 15),
            .priv = static_cast<u8>(word >> 30 & 7)};
  }

  friend bool operator==(const BranchFlags&, const BranchFlags&) = default;
};

/// As the file stores it; samples hold these newest first.
struct BranchEntry {
  u64 from = 0;   ///< linear address of the branch
  u64 to = 0;     ///< linear address of its target
  u64 flags = 0;  ///< BranchFlags::pack()

  friend bool operator==(const BranchEntry&, const BranchEntry&) = default;
};
static_assert(sizeof(BranchEntry) == 24);

}  // namespace lastbranch::perfdata
