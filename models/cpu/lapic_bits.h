#pragma once
// Bits of the local APIC's registers, for its own files. Source: SDM vol. 3A, figures of the chapter
// "Advanced Programmable Interrupt Controller (APIC)".
#include "sim/base/units.h"

namespace lastbranch::cpu {

namespace apic_base {
inline constexpr u64 kBsp = 1 << 8;
inline constexpr u64 kX2apic = 1 << 10;
inline constexpr u64 kEnable = 1 << 11;
inline constexpr u64 kAddress = ~u64{0xfff};
}  // namespace apic_base

namespace svr {
inline constexpr u32 kEnable = 1 << 8;
inline constexpr u32 kWritable = 0x1ff;
}  // namespace svr

namespace lvt {
inline constexpr u32 kStatus = 1 << 12;  ///< read-only, always idle
inline constexpr u32 kMasked = 1 << 16;
inline constexpr u32 kPlain = 0xff | kMasked;
inline constexpr u32 kWithMode = kPlain | 0x700;
inline constexpr u32 kPin = kWithMode | 1 << 13 | 1 << 15;  ///< polarity, trigger mode
inline constexpr u32 kTimer = kPlain | 3 << 17;
}  // namespace lvt

namespace icr {
inline constexpr u32 kLogical = 1 << 11;
inline constexpr u32 kAssert = 1 << 14;
inline constexpr u32 kWritable = 0x7ff | kLogical | kAssert | 1 << 15 | 3 << 18;
}  // namespace icr

namespace esr {
inline constexpr u32 kSendIllegalVector = 1 << 5;
inline constexpr u32 kReceivedIllegalVector = 1 << 6;
inline constexpr u32 kIllegalRegister = 1 << 7;
}  // namespace esr

}  // namespace lastbranch::cpu
