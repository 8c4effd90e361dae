#pragma once
// Endless loops of guest code, one per kind of instruction, assembled with the benchmark itself.
#include <span>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::bench {

struct GuestLoop {
  std::string_view name;
  std::span<const u8> code;  ///< position-independent; entered at its first byte, never left
};

/// What is expected in registers at entry: RSI points to data that may be written, RSP to a stack.
[[nodiscard]] std::span<const GuestLoop> guest_loops();

/// The loop of that name. Throws Error when there is none.
[[nodiscard]] const GuestLoop& guest_loop(std::string_view name);

}  // namespace lastbranch::bench
