#pragma once
// Bits of the control registers, EFER and the debug registers.
// Sources: SDM vol. 3A, "Control Registers", "IA32_EFER MSR"; vol. 3B, "Debug Registers".
#include "sim/base/units.h"

namespace lastbranch::cpu {

namespace cr0 {
inline constexpr u64 kPe = 1u << 0, kMp = 1u << 1, kEm = 1u << 2, kTs = 1u << 3, kEt = 1u << 4, kNe = 1u << 5,
                     kWp = 1u << 16, kAm = 1u << 18, kNw = 1u << 29, kCd = 1u << 30, kPg = 1u << 31;
}  // namespace cr0

namespace cr4 {
inline constexpr u64 kTsd = 1u << 2, kDe = 1u << 3, kPae = 1u << 5, kPge = 1u << 7, kPce = 1u << 8,
                     kOsfxsr = 1u << 9, kOsxmmexcpt = 1u << 10, kUmip = 1u << 11, kVmxe = 1u << 13,
                     kFsgsbase = 1u << 16, kPcide = 1u << 17, kOsxsave = 1u << 18, kSmep = 1u << 20,
                     kSmap = 1u << 21;
/// Bits every core of the x86-64-v2 level has: VME to OSXMMEXCPT.
inline constexpr u64 kAlways = 0x7ff;
}  // namespace cr4

namespace efer {
inline constexpr u64 kSce = 1u << 0, kLme = 1u << 8, kLma = 1u << 10, kNxe = 1u << 11;
}  // namespace efer

namespace dr6 {
inline constexpr u64 kBd = 1u << 13, kBs = 1u << 14;
inline constexpr u64 kFixed = 0xffff0ff0;     ///< read as 1
inline constexpr u64 kWritable = 0x0000e00f;  ///< B0-B3, BD, BS, BT
}  // namespace dr6

namespace dr7 {
inline constexpr u64 kGd = 1u << 13, kFixed = 1u << 10;
inline constexpr u64 kWritable = 0xffff23ff;  ///< L0-GE, GD, the conditions and lengths
}  // namespace dr7

}  // namespace lastbranch::cpu
