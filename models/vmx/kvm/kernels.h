#pragma once
// The kernels whose KVM is modelled, and sets of them as a rule's row carries them.
// Source: kvm-lbr-semantics.md, "Versions" (what each tag is).
#include <array>
#include <string>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::kvm {

/// v5-series:0..8 is KVM before the series and after each of its eight patches; the others are releases.
enum class Kernel : u8 {
  kS0,
  kS1,
  kS2,
  kS3,
  kS4,
  kS5,
  kS6,
  kS7,
  kS8,
  k6_1_4,
  k6_1_192,
  k6_12_8,
  k6_12_117,
  k7_3
};

inline constexpr std::size_t kKernelCount = 14;

/// A set of kernels; `|` and `&` as usual.
class KernelSet {
 public:
  constexpr KernelSet() = default;
  constexpr KernelSet(Kernel kernel)  // NOLINT(google-explicit-constructor): a kernel is the set of itself
      : bits_(static_cast<u16>(1u << static_cast<unsigned>(kernel))) {}

  [[nodiscard]] constexpr bool contains(Kernel kernel) const {
    return ((bits_ >> static_cast<unsigned>(kernel)) & 1) != 0;
  }
  friend constexpr KernelSet operator|(KernelSet a, KernelSet b) { return from(a.bits_ | b.bits_); }
  friend constexpr KernelSet operator&(KernelSet a, KernelSet b) { return from(a.bits_ & b.bits_); }
  constexpr KernelSet operator~() const { return from(~unsigned{bits_} & kAllBits); }
  constexpr bool operator==(const KernelSet&) const = default;
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }

  /// Kernels `first` to `last` in the order of the enumeration.
  [[nodiscard]] static constexpr KernelSet range(Kernel first, Kernel last) {
    const unsigned above = 2u << static_cast<unsigned>(last);
    return from((above - 1) & ~((1u << static_cast<unsigned>(first)) - 1));
  }

 private:
  static constexpr unsigned kAllBits = (1u << kKernelCount) - 1;
  static constexpr KernelSet from(unsigned bits) {
    KernelSet set;
    set.bits_ = static_cast<u16>(bits);
    return set;
  }
  u16 bits_ = 0;
};

inline constexpr KernelSet kAllKernels = KernelSet::range(Kernel::kS0, Kernel::k7_3);
/// The 6.1 base: the series and its stable releases.
inline constexpr KernelSet k61 = KernelSet::range(Kernel::kS0, Kernel::k6_1_192);
inline constexpr KernelSet k612 = Kernel::k6_12_8 | KernelSet(Kernel::k6_12_117);
inline constexpr KernelSet kFrom612 = KernelSet::range(Kernel::k6_12_8, Kernel::k7_3);
inline constexpr KernelSet k73 = Kernel::k7_3;
/// The rework of DEBUGCTL: values masked instead of bits dropped, RTM_DEBUG, nested checks.
inline constexpr KernelSet kDebugctlRework = Kernel::k6_1_192 | KernelSet(Kernel::k6_12_117) | Kernel::k7_3;
/// Hosts with architectural LBRs and adaptive PEBS are out; hybrid parts get no vPMU.
inline constexpr KernelSet kLate = KernelSet::range(Kernel::k6_1_192, Kernel::k7_3);

/// Kernels that have patch `number` (1..8) of the series. 6.1.4 took only 2, 3 and 4; 6.1.192 lacks 6 to 8.
[[nodiscard]] constexpr KernelSet with_patch(unsigned number) {
  KernelSet set = KernelSet::range(static_cast<Kernel>(number), Kernel::kS8) | kFrom612;
  if (number >= 2 && number <= 4) set = set | Kernel::k6_1_4;
  if (number <= 5) set = set | Kernel::k6_1_192;
  return set;
}

struct KernelName {
  Kernel kernel;
  std::string_view name;   ///< "v5-series:4"
  std::string_view alias;  ///< the specification's tag, "s4"
  std::string_view what;   ///< what it is, in words
};

[[nodiscard]] const std::array<KernelName, kKernelCount>& kernel_names();
[[nodiscard]] std::string_view name(Kernel kernel);
/// By name, tag, or "6.2". Throws Error that lists the known ones.
[[nodiscard]] Kernel kernel_of(std::string_view name);
/// "v5-series:4..8, 6.1.4"; "all" for all.
[[nodiscard]] std::string describe(KernelSet set);

}  // namespace lastbranch::kvm
