#pragma once
// Segment descriptors and gates as 64-bit mode reads them.
// Source: SDM vol. 3A, "Segment Descriptors", "64-Bit Mode IDT", "TSS Descriptor in 64-bit mode".
#include "sim/base/units.h"

namespace lastbranch::cpu {

/// Error code of a selector: the selector without RPL, EXT in bit 0.
[[nodiscard]] constexpr u32 selector_error(u64 selector, bool external = false) {
  return static_cast<u32>((selector & 0xfffc) | (external ? 1 : 0));
}
/// No segment: index 0 of the GDT.
[[nodiscard]] constexpr bool is_null(u64 selector) {
  return (selector & 0xfffc) == 0;
}

/// An 8-byte descriptor; system descriptors have 8 more bytes, which only hold the base's upper half.
struct Descriptor {
  u64 low = 0, high = 0;

  [[nodiscard]] unsigned type() const { return low >> 40 & 0xf; }
  [[nodiscard]] bool is_system() const { return (low >> 44 & 1) == 0; }
  [[nodiscard]] u8 dpl() const { return low >> 45 & 3; }
  [[nodiscard]] bool present() const { return (low >> 47 & 1) != 0; }
  [[nodiscard]] bool long_mode() const { return (low >> 53 & 1) != 0; }
  [[nodiscard]] bool default_32() const { return (low >> 54 & 1) != 0; }
  [[nodiscard]] bool is_code() const { return !is_system() && (type() & 8) != 0; }
  [[nodiscard]] bool conforming() const { return (type() & 0xc) == 0xc; }
  [[nodiscard]] bool readable() const { return !is_system() && ((type() & 8) == 0 || (type() & 2) != 0); }
  [[nodiscard]] bool writable_data() const { return !is_system() && (type() & 0xa) == 2; }
  [[nodiscard]] u64 base32() const { return (low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24; }
  [[nodiscard]] u64 base64() const { return base32() | (high & 0xffffffff) << 32; }
  /// In bytes, the granularity applied.
  [[nodiscard]] u32 limit() const {
    const u32 raw = static_cast<u32>((low & 0xffff) | (low >> 32 & 0xf0000));
    return (low >> 55 & 1) != 0 ? raw << 12 | 0xfff : raw;
  }
};

/// Types of system descriptors in long mode.
namespace system_type {
inline constexpr unsigned kLdt = 2, kTssAvailable = 9, kTssBusy = 11, kCallGate = 12, kInterruptGate = 14,
                          kTrapGate = 15;
}  // namespace system_type

/// A 16-byte gate of the IDT.
struct Gate {
  u64 low = 0, high = 0;

  [[nodiscard]] u16 selector() const { return static_cast<u16>(low >> 16); }
  [[nodiscard]] unsigned ist() const { return low >> 32 & 7; }
  [[nodiscard]] unsigned type() const { return low >> 40 & 0xf; }
  [[nodiscard]] bool is_system() const { return (low >> 44 & 1) == 0; }
  [[nodiscard]] u8 dpl() const { return low >> 45 & 3; }
  [[nodiscard]] bool present() const { return (low >> 47 & 1) != 0; }
  [[nodiscard]] u64 offset() const {
    return (low & 0xffff) | (low >> 32 & 0xffff0000) | (high & 0xffffffff) << 32;
  }
};

}  // namespace lastbranch::cpu
