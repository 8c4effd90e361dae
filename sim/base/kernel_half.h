#pragma once
/// Whose an address is. Source: Linux, Documentation/arch/x86/x86_64/mm.rst, "Complete virtual memory map".
#include "sim/base/units.h"

namespace lastbranch {

/// Linux on x86-64 keeps the upper half of the linear addresses for itself.
[[nodiscard]] constexpr bool in_kernel(u64 address) {
  return address >> 63 != 0;
}

}  // namespace lastbranch
