#pragma once
// Which general-purpose instructions are compared with the host, in which shapes, and which flags the manual
// leaves undefined for them. Every mnemonic of the integer operation tables must be here.
#include <set>
#include <string>

#include "tests/cpu/host_oracle.h"

namespace lastbranch::host {

std::span<const Row> arithmetic_rows();
std::span<const Row> shift_rows();
std::span<const Row> multiply_rows();
std::span<const Row> move_rows();
std::span<const Row> condition_rows();
std::span<const Row> bit_rows();
std::span<const Row> stack_rows();
const std::vector<BytesRow>& plain_bytes();  ///< no or implicit operands, odd encodings
const std::vector<BytesRow>& stack_bytes();
const std::vector<BytesRow>& string_bytes();
const std::vector<BytesRow>& branch_bytes();
const std::vector<BytesRow>& refused_bytes();  ///< what must raise #GP or #UD in a user program

/// The mnemonics of all tables above.
std::set<std::string> tested_integer_mnemonics();

}  // namespace lastbranch::host
