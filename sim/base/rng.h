#pragma once
// The one source of randomness: seeded, the same on every host, passed down to whoever needs it.
// Generator: xoshiro256** of Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators" (2018),
// its state filled by SplitMix64 as they recommend.
#include <array>
#include <bit>

#include "sim/base/units.h"

namespace lastbranch {

/// Next output of SplitMix64; advances `state`.
[[nodiscard]] constexpr u64 split_mix(u64& state) {
  state += 0x9e3779b97f4a7c15;
  u64 z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// xoshiro256**; also a UniformRandomBitGenerator for <algorithm>. Not for cryptography.
class Rng {
 public:
  using result_type = u64;

  explicit constexpr Rng(u64 seed) {
    for (u64& word : state_) word = split_mix(seed);
  }

  /// 64 random bits.
  constexpr u64 operator()() {
    const u64 result = std::rotl(state_[1] * 5, 7) * 9;
    const u64 t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in 0..bound-1, without bias; `bound` must not be 0.
  constexpr u64 below(u64 bound) {
    // Values under 2^64 mod bound would make the first residues likelier: draw again.
    const u64 reject = (0 - bound) % bound;
    u64 x = (*this)();
    while (x < reject) x = (*this)();
    return x % bound;
  }

  /// True with probability `numerator` / `denominator`.
  constexpr bool chance(u64 numerator, u64 denominator) { return below(denominator) < numerator; }

  static constexpr u64 min() { return 0; }
  static constexpr u64 max() { return ~u64{0}; }

 private:
  std::array<u64, 4> state_{};
};

}  // namespace lastbranch
