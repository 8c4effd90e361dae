#pragma once
// The tables of the execution files. Several tables may have rows of one mnemonic ("movsd" is a string
// instruction and an SSE2 one): the first binder that accepts the shape wins.
#include <span>

#include "models/cpu/shape.h"

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> int_alu_rows();
template <class V>
std::span<const OpRow> int_shift_rows();
template <class V>
std::span<const OpRow> int_muldiv_rows();
template <class V>
std::span<const OpRow> int_move_rows();
template <class V>
std::span<const OpRow> int_conditional_rows();
template <class V>
std::span<const OpRow> int_stack_rows();
template <class V>
std::span<const OpRow> int_bit_rows();
template <class V>
std::span<const OpRow> int_string_rows();
template <class V>
std::span<const OpRow> int_misc_rows();
template <class V>
std::span<const OpRow> system_rows();

/// OpTable::Special::undefined, no_device and fetch_fault.
const Insn* undefined(Cpu& c, const Insn* i);
const Insn* no_device(Cpu& c, const Insn* i);
const Insn* fetch_fault(Cpu& c, const Insn* i);
template <class V>
std::span<const OpRow> x87_arith_rows();
template <class V>
std::span<const OpRow> x87_compare_rows();
template <class V>
std::span<const OpRow> x87_move_rows();
template <class V>
std::span<const OpRow> x87_transcendental_rows();
template <class V>
std::span<const OpRow> x87_control_rows();
template <class V>
std::span<const OpRow> mmx_int_rows();
template <class V>
std::span<const OpRow> mmx_move_rows();
template <class V>
std::span<const OpRow> mmx_convert_rows();
template <class V>
std::span<const OpRow> fxsave_rows();
template <class V>
std::span<const OpRow> sse_move_rows();
template <class V>
std::span<const OpRow> sse_int_rows();
template <class V>
std::span<const OpRow> sse_shuffle_rows();
template <class V>
std::span<const OpRow> sse_float_rows();
template <class V>
std::span<const OpRow> sse_convert_rows();
template <class V>
std::span<const OpRow> sse_string_rows();
template <class V>
std::span<const OpRow> sse_control_rows();

}  // namespace lastbranch::cpu
