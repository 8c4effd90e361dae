#pragma once
// Memory operands for generated instructions: every addressing form, pointing where the test wants it.
#include <Zydis/Zydis.h>

#include "tests/cpu/machine_state.h"
#include "tests/cpu/rng.h"

namespace lastbranch::host {

/// Register `n` of the class that begins with `first`.
inline ZydisRegister zydis(ZydisRegister first, u64 n) {
  return static_cast<ZydisRegister>(first + static_cast<int>(n));
}

/// GPR `n` of that width (16, 32 or 64 bits).
inline ZydisRegister gpr(unsigned bits, u64 n) {
  switch (bits) {
    case 16:
      return zydis(ZYDIS_REGISTER_AX, n);
    case 32:
      return zydis(ZYDIS_REGISTER_EAX, n);
    default:
      return zydis(ZYDIS_REGISTER_RAX, n);
  }
}

/// The memory operand of one instruction: where it is to point, and with which registers.
class Addressing {
 public:
  /// `pointers` as in Generator::encode; `reserved`: not to be touched.
  Addressing(Rng& rng, Regs& regs, u32 pointers, u32 reserved)
      : rng_(rng), regs_(regs), pointers_(pointers), reserved_(reserved) {}

  void choose(ZydisEncoderOperand& op, u64 target, u64& prefixes) {
    if (pointers_ != 0) return from_pointers(op, target);
    const bool gs = rng_.one_in(12);
    if (gs) {
      regs_.gs_base = 0x1000 * rng_.below(0x1000) + rng_.below(3);
      prefixes |= ZYDIS_ATTRIB_HAS_SEGMENT_GS;
      target -= regs_.gs_base;
    }
    switch (rng_.below(8)) {
      case 0:
        if (!gs) {
          op.mem.base = ZYDIS_REGISTER_RIP;
          op.mem.displacement = static_cast<i64>(target);
          return;
        }
        [[fallthrough]];
      case 1:
        op.mem.displacement = static_cast<i32>(target);
        return;
      case 2:
        return with_index(op, target, false);
      case 3:
      case 4:
        return with_index(op, target, true);
      default:
        return base_only(op, target);
    }
  }

 private:
  [[nodiscard]] unsigned width() { return rng_.one_in(6) ? 32 : 64; }
  [[nodiscard]] i64 small_displacement() {
    switch (rng_.below(4)) {
      case 0:
        return 0;
      case 1:
        return static_cast<i8>(rng_.next());
      case 2:
        return static_cast<i32>(rng_.next()) / 2;
      default:
        return static_cast<i16>(rng_.next());
    }
  }
  unsigned free_register() {
    unsigned r = static_cast<unsigned>(rng_.below(16));
    while ((reserved_ >> r & 1) != 0) r = static_cast<unsigned>(rng_.below(16));
    return r;
  }
  /// Sets the address part of a register; with 32-bit addressing the upper half is noise.
  void set(unsigned reg, unsigned bits, u64 value) {
    regs_.gpr[reg] = bits == 32 ? (rng_.next() << 32) | static_cast<u32>(value) : value;
  }
  void base_only(ZydisEncoderOperand& op, u64 target) {
    const unsigned bits = width();
    const unsigned base = free_register();
    op.mem.base = gpr(bits, base);
    if (base == RSP) {
      // What the instruction does with the stack stays in the window.
      op.mem.displacement = static_cast<i64>(target - regs_.gpr[RSP]);
      return;
    }
    op.mem.displacement = small_displacement();
    set(base, bits, target - static_cast<u64>(op.mem.displacement));
  }
  void with_index(ZydisEncoderOperand& op, u64 target, bool with_base) {
    const unsigned bits = width();
    unsigned index = free_register();
    while (index == RSP) index = free_register();
    op.mem.scale = rng_.pick<u8>({1, 2, 4, 8});
    op.mem.index = gpr(bits, index);
    const unsigned base = free_register();
    if (!with_base || base == index) {
      const u64 times = op.mem.scale + (with_base ? 1u : 0u);
      const u64 value = target / times - rng_.below(1000);
      if (with_base) op.mem.base = gpr(bits, base);
      op.mem.displacement = static_cast<i64>(target - value * times);
      set(index, bits, value);
      return;
    }
    op.mem.base = gpr(bits, base);
    if (base == RSP) {
      const u64 value = rng_.below(0x1000);
      set(index, bits, value);
      op.mem.displacement = static_cast<i64>(target - regs_.gpr[RSP] - value * op.mem.scale);
      return;
    }
    op.mem.displacement = small_displacement();
    if (rng_.one_in(2)) set(index, bits, rng_.interesting(64));
    set(base, bits, target - static_cast<u64>(op.mem.displacement) - regs_.gpr[index] * op.mem.scale);
  }
  void from_pointers(ZydisEncoderOperand& op, u64 target) {
    const unsigned base = pointer();
    u64 sum = regs_.gpr[base];
    op.mem.base = gpr(64, base);
    if (rng_.one_in(3)) {
      const unsigned index = pointer();
      op.mem.index = gpr(64, index);
      op.mem.scale = rng_.pick<u8>({1, 2, 4});
      sum += regs_.gpr[index] * op.mem.scale;
    }
    op.mem.displacement = static_cast<i64>(target - sum);
  }
  unsigned pointer() {
    for (;;) {
      const unsigned r = static_cast<unsigned>(rng_.below(16));
      if ((pointers_ >> r & 1) != 0 && r != RSP) return r;
    }
  }

  Rng& rng_;
  Regs& regs_;
  u32 pointers_;
  u32 reserved_;
};

}  // namespace lastbranch::host
