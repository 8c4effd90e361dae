#include "sim/base/field.h"

#include <gtest/gtest.h>

namespace lastbranch {
namespace {

/// The definition, bit by bit.
u64 bits_of(u64 reg, unsigned hi, unsigned lo) {
  u64 value = 0;
  for (unsigned b = lo; b <= hi; ++b) value |= ((reg >> b) & 1) << (b - lo);
  return value;
}

template <unsigned Hi, unsigned Lo>
void check() {
  using F = Field<Hi, Lo>;
  for (const u64 reg : {u64{0}, ~u64{0}, u64{0x0123456789abcdef}, u64{0xaaaaaaaaaaaaaaaa}}) {
    EXPECT_EQ(F::get(reg), bits_of(reg, Hi, Lo)) << Hi << ':' << Lo;
    for (const u64 value : {u64{0}, ~u64{0}, u64{5}}) {
      const u64 changed = F::set(reg, value);
      EXPECT_EQ(F::get(changed), bits_of(value, Hi - Lo, 0));
      EXPECT_EQ(changed & ~F::kMask, reg & ~F::kMask) << "other bits must stay";
      EXPECT_EQ(F::of(value), F::set(0, value));
    }
    EXPECT_EQ(F::any(reg), F::get(reg) != 0);
  }
}

TEST(Field, reads_and_writes_only_its_bits) {
  check<0, 0>();
  check<63, 63>();
  check<63, 0>();
  check<15, 8>();
  check<47, 1>();
}

TEST(Field, sign_extends_from_the_given_width) {
  for (const unsigned bits : {1u, 8u, 48u, 57u, 64u}) {
    const u64 top = u64{1} << (bits - 1);
    EXPECT_EQ(sign_extend(top - 1, bits), top - 1);
    EXPECT_EQ(sign_extend(top, bits), ~u64{0} << (bits - 1));
  }
}

}  // namespace
}  // namespace lastbranch
