#pragma once
// Which SSE instructions are compared with the host, and in which shapes. Every mnemonic of the SSE operation
// tables must be here or among the byte sequences of sse_host_test.cpp.
#include <span>

#include "tests/cpu/host_oracle.h"

namespace lastbranch::host {

std::span<const Row> xmm_move_rows();
std::span<const Row> xmm_integer_rows();
std::span<const Row> xmm_shuffle_rows();
std::span<const Row> xmm_float_rows();
std::span<const Row> xmm_convert_rows();
std::span<const Row> xmm_string_rows();
std::span<const Row> xmm_control_rows();

/// Strings of few different elements, so that they match, and lengths around the number of elements.
void prepare_strings(Image& image, Rng& rng);

}  // namespace lastbranch::host
