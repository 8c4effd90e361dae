#pragma once
// The guest's MXCSR in the host's: while the interpreter runs, the host's register holds the guest's rounding
// mode, DAZ, FTZ and sticky flags, with every exception masked, so that a guest's floating-point instruction
// is one of the host's.
//
// Code that the interpreter calls (slow paths of memory, branch observers) therefore runs in the guest's mode
// and would leave its sticky flags in it: it does no floating-point arithmetic, or saves MXCSR around it.
// Guests that unmask exceptions are served by raises() in sse.h.
// Not modelled: AMD's misaligned mode (MXCSR bit 17).
// Source: SDM vol. 1, "MXCSR Control and Status Register", "SIMD Floating-Point Exceptions".
#include <xmmintrin.h>

#include "models/cpu/cpu.h"

namespace lastbranch::cpu {

namespace mxcsr {
inline constexpr u32 kInvalid = 1u << 0, kDenormal = 1u << 1, kDivideByZero = 1u << 2;
inline constexpr u32 kOverflow = 1u << 3, kUnderflow = 1u << 4, kPrecision = 1u << 5;
inline constexpr u32 kFlags = 0x3f;        ///< the six sticky flags
inline constexpr u32 kDaz = 1u << 6;       ///< denormals are zeros
inline constexpr unsigned kMaskShift = 7;  ///< from a flag to its mask
inline constexpr u32 kMasks = kFlags << kMaskShift;
inline constexpr u32 kFtz = 1u << 15;         ///< flush to zero, where underflow is masked
inline constexpr u32 kReserved = 0xffff0000;  ///< setting one is #GP(0)
inline constexpr u32 kReset = 0x1f80;         ///< after reset: all masked, to nearest

/// Whether MXCSR `v` leaves one of the exceptions in `flags` unmasked.
[[nodiscard]] constexpr bool traps(u32 v, u32 flags) {
  return (~(v >> kMaskShift) & flags) != 0;
}
}  // namespace mxcsr

/// The guest's MXCSR up to date, while the interpreter runs.
[[gnu::always_inline]] inline u32 guest_mxcsr(Cpu& c) {
  c.mxcsr |= _mm_getcsr() & mxcsr::kFlags;
  return c.mxcsr;
}

/// Sets the guest's MXCSR while the interpreter runs; `v` has no reserved bits.
[[gnu::always_inline]] inline void set_guest_mxcsr(Cpu& c, u32 v) {
  c.mxcsr = v;
  _mm_setcsr(v | mxcsr::kMasks);
}

/// Whether some exception is unmasked: floating-point instructions must then look before they write.
[[gnu::always_inline]] inline bool unmasked(const Cpu& c) {
  return mxcsr::traps(c.mxcsr, mxcsr::kFlags);
}

/// Puts the guest's MXCSR into the host's for the lifetime of the object; at its end `Cpu::mxcsr` has the
/// sticky flags.
class HostMxcsr {
 public:
  explicit HostMxcsr(Cpu& c) : cpu_(c), host_(_mm_getcsr()) { _mm_setcsr(c.mxcsr | mxcsr::kMasks); }
  ~HostMxcsr() {
    guest_mxcsr(cpu_);
    _mm_setcsr(host_);
  }
  HostMxcsr(const HostMxcsr&) = delete;
  HostMxcsr& operator=(const HostMxcsr&) = delete;

 private:
  Cpu& cpu_;
  u32 host_;
};

}  // namespace lastbranch::cpu
