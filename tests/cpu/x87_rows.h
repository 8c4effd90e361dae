#pragma once
// Which x87 instructions are compared with the host, in which shapes. Every mnemonic of the x87 operation
// tables must be here.
#include <set>
#include <string>

#include "tests/cpu/host_oracle.h"

namespace lastbranch::host {

/// Arithmetic, transcendental functions, loads, stores, exchanges.
std::span<const Row> x87_value_rows();
/// What writes condition codes or RFLAGS from a comparison.
std::span<const Row> x87_compare_rows();
/// Control instructions, and those on the stack's bookkeeping.
std::span<const Row> x87_control_rows();
/// What the encoder does not make.
const std::vector<BytesRow>& x87_bytes();

std::set<std::string> tested_x87_mnemonics();

/// Any occupancy of the stack, also full and empty; everything masked; any sticky flags.
void x87_masked(Image& image, Rng& rng);
/// Some exceptions unmasked, none of them pending.
void x87_unmasked(Image& image, Rng& rng);
/// An unmasked exception pending.
void x87_pending(Image& image, Rng& rng);

}  // namespace lastbranch::host
