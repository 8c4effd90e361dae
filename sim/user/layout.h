#pragma once
// Where things are in a guest process. Fixed and documented, so that two runs are identical to the byte:
// Linux's own places with address randomisation off. Source: Linux arch/x86/mm/mmap.c (mmap_base),
// fs/binfmt_elf.c (ELF_ET_DYN_BASE); checked against `setarch -R`.
#include "sim/base/units.h"

namespace lastbranch::user {

/// User addresses are below this; the page before 2^47 is never mapped.
inline constexpr u64 kUserEnd = 0x7ffffffff000;
/// End of the initial stack, which grows down from here.
inline constexpr u64 kStackTop = kUserEnd;
/// mmap() without an address goes to the highest gap that fits below: 128 MiB under the top of the stack.
inline constexpr u64 kMmapTop = kUserEnd - (u64{128} << 20);
/// The vDSO, one page: above all that mmap() places, so that it moves nothing, and far below the stack. Linux
/// itself puts it where mmap() would, hence at no fixed place.
inline constexpr u64 kVdsoBase = kMmapTop;
/// Load address of position-independent programs, and of nothing else.
inline constexpr u64 kPieBase = 0x555555554000;
/// vm.mmap_min_addr: nothing is ever mapped below.
inline constexpr u64 kLowestMapping = 0x10000;
/// MAP_32BIT looks for a gap in [kLow32, kHigh32), bottom up.
inline constexpr u64 kLow32 = 0x40000000;
inline constexpr u64 kHigh32 = 0x80000000;
/// Unmapped distance that is kept below a mapping that grows down.
inline constexpr u64 kStackGuardGap = 256 * kPageSize;
/// Bytes of stack that are mapped before the program runs, beside its arguments.
inline constexpr u64 kInitialStack = 0x21000;

/// Kernel addresses that last-branch records show for a user program's entries into and returns from the
/// kernel. No kernel code runs; they stand for these symbols of a kernel at its fixed, unrandomised base.
namespace kernel {
inline constexpr u64 kSyscallEntry = 0xffffffff81e00000;    ///< entry_SYSCALL_64
inline constexpr u64 kSysret = 0xffffffff81e00107;          ///< the SYSRET at its end
inline constexpr u64 kExceptionEntry = 0xffffffff81e00b00;  ///< the exceptions' common entry
inline constexpr u64 kIret = 0xffffffff81e011f7;            ///< the IRET of return-to-user
}  // namespace kernel

/// CLOCK_REALTIME when the program starts, seconds since 1970: 2024-01-01 00:00:00 UTC.
inline constexpr u64 kEpochSeconds = 1704067200;
/// CLOCK_MONOTONIC and CLOCK_BOOTTIME when the program starts, in seconds.
inline constexpr u64 kUptimeSeconds = 100;

/// Process identity as the guest sees it.
inline constexpr int kPid = 1000;
inline constexpr int kParentPid = 999;

}  // namespace lastbranch::user
