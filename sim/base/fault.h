#pragma once
// Guest-visible faults are values: what an instruction or a table walk returns instead of throwing.
// Source: SDM vol. 3A, "Exception and Interrupt Reference", "Page-Fault Exception (#PF)".
#include "sim/base/units.h"

namespace lastbranch {

/// Exception vectors under the manual's mnemonics.
enum class Vector : u8 {
  kDE = 0,
  kDB = 1,
  kNMI = 2,
  kBP = 3,
  kOF = 4,
  kBR = 5,
  kUD = 6,
  kNM = 7,
  kDF = 8,
  kTS = 10,
  kNP = 11,
  kSS = 12,
  kGP = 13,
  kPF = 14,
  kMF = 16,
  kAC = 17,
  kMC = 18,
  kXM = 19,
};

/// Bits of a page fault's error code.
namespace pf {
inline constexpr u32 kPresent = 1u << 0;
inline constexpr u32 kWrite = 1u << 1;
inline constexpr u32 kUser = 1u << 2;
inline constexpr u32 kReserved = 1u << 3;
inline constexpr u32 kFetch = 1u << 4;
}  // namespace pf

/// One exception to be delivered; `address` is CR2 for #PF, otherwise 0.
struct Fault {
  Vector vector = Vector::kUD;
  bool has_error = false;
  u32 error = 0;
  u64 address = 0;
};

/// #GP(error).
[[nodiscard]] constexpr Fault general_protection(u32 error = 0) {
  return {Vector::kGP, true, error, 0};
}
/// #PF with its error code, CR2 = `address`.
[[nodiscard]] constexpr Fault page_fault(u64 address, u32 error) {
  return {Vector::kPF, true, error, address};
}

}  // namespace lastbranch
