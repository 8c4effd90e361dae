#pragma once
// Choosing among the instances of an execution template: by operand size and addressing form.
#include "models/cpu/exec/exec.h"

namespace lastbranch::cpu {

/// Calls `f.operator()<T>()` with the unsigned integer of `size` bytes; nullptr for a size that is none.
template <class F>
Op by_size(u8 size, F f) {
  switch (size) {
    case 1:
      return f.template operator()<u8>();
    case 2:
      return f.template operator()<u16>();
    case 4:
      return f.template operator()<u32>();
    case 8:
      return f.template operator()<u64>();
    default:
      return nullptr;
  }
}

/// As by_size, without the 8-bit form.
template <class F>
Op by_wide_size(u8 size, F f) {
  return size == 1 ? nullptr : by_size(size, f);
}

/// Base + displacement, the form of most memory operands.
struct BaseForm {
  template <class V>
  [[gnu::always_inline]] static u64 address(Cpu& c, const Insn* i) {
    return ea_base<V>(c, i);
  }
};
/// Any addressing form.
struct FullForm {
  template <class V>
  [[gnu::always_inline]] static u64 address(Cpu& c, const Insn* i) {
    return ea<V>(c, i);
  }
};

/// Calls `f.operator()<Form>()` for the addressing form of the shape's memory operand.
template <class F>
Op by_form(const Shape& s, F f) {
  return s.base_only ? f.template operator()<BaseForm>() : f.template operator()<FullForm>();
}

}  // namespace lastbranch::cpu
