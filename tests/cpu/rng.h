#pragma once
// Reproducible random values, with a preference for those at which instructions go wrong.
#include <initializer_list>

#include "sim/base/units.h"

namespace lastbranch::host {

class Rng {
 public:
  explicit Rng(u64 seed) : state_(seed) {}
  u64 next();
  /// Uniform in [0, n), n > 0.
  u64 below(u64 n) { return next() % n; }
  bool one_in(u64 n) { return below(n) == 0; }
  template <class T>
  T pick(std::initializer_list<T> list) {
    return *(list.begin() + below(list.size()));
  }
  /// An interesting integer of `bits` bits, zero-extended.
  u64 interesting(unsigned bits = 64);
  /// Bit patterns of interesting floating-point values.
  u32 interesting_f32();
  u64 interesting_f64();
  void interesting_f80(u8* ten_bytes);

 private:
  u64 state_;
};

}  // namespace lastbranch::host
