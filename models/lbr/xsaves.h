#pragma once
// The XSAVES image of architectural LBR state: component 15, 808 bytes.
//
// Modelled: the component's own bytes, as a pure function of the registers. Not modelled: XSAVES, XRSTORS and
// the header and compaction around it. Sources: SDM vol. 1, "Architectural LBR State"; CPUID leaf 0DH,
// sub-leaf 0FH; Linux 6.12 arch/x86/include/asm/fpu/types.h.
#include <array>
#include <span>

#include "models/lbr/arch_lbr.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

/// XCR0 | IA32_XSS bit of the component, and its size in bytes for 32 records.
inline constexpr unsigned kXsavesComponent = 15;
inline constexpr std::size_t kXsavesSize = 5 * 8 + 32 * 24;
static_assert(kXsavesSize == 0x328);

/// IA32_LBR_CTL, IA32_LBR_DEPTH, IA32_LER_FROM_IP, _TO_IP, _INFO, then {FROM, TO, INFO} newest first.
[[nodiscard]] std::array<u8, kXsavesSize> xsaves_encode(const LbrState& state);
[[nodiscard]] LbrState xsaves_decode(std::span<const u8, kXsavesSize> image);

}  // namespace lastbranch::lbr
