#pragma once
// Architectural last-branch records: MSR numbers, IA32_LBR_CTL, the INFO layout, and the registers' state as
// one value.
//
// Modelled: enable-polarity filters, depths, branch types, valid bits, event counts. Undefined INFO bits read
// 0 and are ignored when written. "Other" branches have type 8, as no source tells their types apart.
// Source: SDM vol. 3B, "Architectural Last Branch Records"; vol. 4, "Architectural MSRs"; Linux 6.12
// arch/x86/events/intel/lbr.c, arch/x86/include/asm/msr-index.h.
#include <array>

#include "models/lbr/lbr_format.h"
#include "models/lbr/lbr_select.h"
#include "sim/base/debugctl.h"
#include "sim/base/lbr_params.h"
#include "sim/base/msr.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

namespace arch {
inline constexpr u32 kCtl = 0x14ce;
inline constexpr u32 kDepth = 0x14cf;
inline constexpr u32 kFrom = 0x1500;
inline constexpr u32 kTo = 0x1600;
inline constexpr u32 kInfo = 0x1200;
inline constexpr u32 kLerFrom = 0x1dd;
inline constexpr u32 kLerTo = 0x1de;
inline constexpr u32 kLerInfo = 0x1e0;
}  // namespace arch

/// Bits of IA32_LBR_CTL; classes are recorded where their bit is 1.
namespace ctl {
inline constexpr u64 kEnable = 1 << 0;
inline constexpr u64 kOs = 1 << 1;
inline constexpr u64 kUsr = 1 << 2;
inline constexpr u64 kCallStack = 1 << 3;
inline constexpr u64 kJcc = 1 << 16;
inline constexpr u64 kNearRelJmp = 1 << 17;
inline constexpr u64 kNearIndJmp = 1 << 18;
inline constexpr u64 kNearRelCall = 1 << 19;
inline constexpr u64 kNearIndCall = 1 << 20;
inline constexpr u64 kNearRet = 1 << 21;
inline constexpr u64 kOther = 1 << 22;
inline constexpr u64 kClasses = 0x7f << 16;
}  // namespace ctl

/// Bits of IA32_LBR_CTL that a part takes.
[[nodiscard]] u64 ctl_writable(const ArchLbrParams& part);
/// The branches that a value of IA32_LBR_CTL lets through; what the part cannot filter always passes.
[[nodiscard]] KeepMask arch_keep_mask(const ArchLbrParams& part, u64 value);
/// IA32_LBR_CTL, without its enable, that selects what `select` of MSR_LBR_SELECT does.
[[nodiscard]] u64 ctl_of_select(u64 select);
/// Whether IA32_LBR_DEPTH takes `depth`.
[[nodiscard]] constexpr bool allows_depth(const ArchLbrParams& part, u64 depth) {
  return depth != 0 && depth % 8 == 0 && depth <= 64 && ((part.depth_mask >> (depth / 8 - 1)) & 1) != 0;
}

/// Fields of `e` that the part's INFO has no bits for, cleared.
[[nodiscard]] Entry visible(const ArchLbrParams& part, const Entry& e);
[[nodiscard]] u64 encode_info(const ArchLbrParams& part, const Entry& e);
void decode_info(const ArchLbrParams& part, u64 value, Entry& e);

/// All of an architectural part's LBR registers: what XSAVES saves.
struct LbrState {
  u64 ctl = 0;
  u64 depth = 0;
  u64 ler_from = 0, ler_to = 0, ler_info = 0;
  std::array<LbrRecord, 32> records{};  ///< newest first

  bool operator==(const LbrState&) const = default;
};

class Lbr;

/// The registers of an architectural part as they are now.
[[nodiscard]] LbrState save(const Lbr& lbr);
/// As XRSTORS: a reserved bit or an address that is not canonical is refused, then nothing has changed. A
/// depth other than the current one leaves the initial state, everything but IA32_LBR_DEPTH zero.
MsrFault restore(Lbr& lbr, const LbrState& state);

}  // namespace lastbranch::lbr
