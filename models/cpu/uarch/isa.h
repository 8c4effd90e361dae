#pragma once
// Instruction-set extensions, as CPUID enumerates them: what a part's silicon has, and a set type for them.
// Whether the simulator executes an extension is another question, answered in cpuid.cpp: CPUID shows the
// intersection.
// Source: SDM vol. 2A, "CPUID—CPU Identification".
#include <initializer_list>

#include "sim/base/units.h"

namespace lastbranch::cpu {

// clang-format off
enum class Isa : u8 {
  // CPUID.1:EDX
  kFpu, kPse, kTsc, kMsr, kPae, kCx8, kSep, kPge, kCmov, kClfsh, kMmx, kFxsr, kSse, kSse2,
  // CPUID.1:ECX
  kSse3, kPclmulqdq, kSsse3, kFma, kCx16, kPcid, kSse41, kSse42, kMovbe, kPopcnt, kAes, kXsave, kAvx, kF16c, kRdrand,
  // CPUID.7.0:EBX
  kFsgsbase, kBmi1, kHle, kAvx2, kSmep, kBmi2, kErms, kInvpcid, kRtm, kMpx, kAvx512f, kAvx512dq, kRdseed, kAdx, kSmap,
  kClflushopt, kClwb, kAvx512cd, kAvx512bw, kAvx512vl,
  // CPUID.80000001H:EDX, ECX
  kSyscall, kNx, kPage1gb, kRdtscp, kLm, kLahf, kLzcnt, kPrefetchw,
  kCount,
};
// clang-format on
static_assert(static_cast<unsigned>(Isa::kCount) <= 64, "an IsaSet is one word");

/// A set of extensions.
class IsaSet {
 public:
  constexpr IsaSet() = default;
  constexpr IsaSet(std::initializer_list<Isa> members) {
    for (const Isa isa : members) bits_ |= u64{1} << static_cast<unsigned>(isa);
  }

  [[nodiscard]] constexpr bool has(Isa isa) const { return ((bits_ >> static_cast<unsigned>(isa)) & 1) != 0; }
  [[nodiscard]] constexpr IsaSet operator|(IsaSet other) const { return IsaSet(bits_ | other.bits_); }
  [[nodiscard]] constexpr IsaSet operator&(IsaSet other) const { return IsaSet(bits_ & other.bits_); }
  /// Without the members of `other`.
  [[nodiscard]] constexpr IsaSet operator-(IsaSet other) const { return IsaSet(bits_ & ~other.bits_); }
  [[nodiscard]] constexpr bool contains(IsaSet other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr bool operator==(const IsaSet&) const = default;

 private:
  explicit constexpr IsaSet(u64 bits) : bits_(bits) {}
  u64 bits_ = 0;
};

}  // namespace lastbranch::cpu
