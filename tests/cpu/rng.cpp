#include "tests/cpu/rng.h"

#include <bit>
#include <cstring>

namespace lastbranch::host {

u64 Rng::next() {
  // splitmix64
  u64 z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

u64 Rng::interesting(unsigned bits) {
  const u64 mask = bits >= 64 ? ~u64{0} : (u64{1} << bits) - 1;
  const unsigned n = static_cast<unsigned>(below(bits));
  switch (below(14)) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return mask;
    case 3:
      return mask >> 1;
    case 4:
      return (mask >> 1) + 1;
    case 5:
      return mask - below(16);
    case 6:
      return below(16) & mask;
    case 7:
      return u64{1} << n;
    case 8:
      return (u64{1} << n) - 1;
    case 9:
      return mask & ~(u64{1} << n);
    // A narrow value inside a wide one: what partial registers and sign extension trip over.
    case 10:
      return ((next() << 8) | interesting(8)) & mask;
    case 11:
      return ((next() << 16) | (bits > 8 ? interesting(bits > 16 ? 16 : 8) : 0)) & mask;
    default:
      return next() & mask;
  }
}

u32 Rng::interesting_f32() {
  const u32 sign = one_in(2) ? 0x80000000u : 0;
  switch (below(16)) {
    case 0:
      return sign;
    case 1:
      return sign | 0x3f800000;
    case 2:
      return sign | 0x7f800000;
    case 3:
      return sign | 0x7fc00000 | static_cast<u32>(below(0x400000));
    case 4:
      return sign | 0x7f800001 | static_cast<u32>(below(0x3fffff));
    case 5:
      return sign | static_cast<u32>(below(0x7fffff) + 1);
    case 6:
      return sign | 1;
    case 7:
      return sign | 0x7f7fffff;
    case 8:
      return sign | 0x00800000 | static_cast<u32>(below(16));
    case 9:
      return sign | std::bit_cast<u32>(static_cast<float>(below(1000)) * 0.5f);
    case 10:
      return sign | std::bit_cast<u32>(static_cast<float>(interesting(64)));
    case 11:
      return sign | std::bit_cast<u32>(static_cast<float>(interesting(32)) + 0.5f);
    case 12:
      return sign | static_cast<u32>((127 + below(9) - 4) << 23) | static_cast<u32>(below(0x800000));
    default:
      return static_cast<u32>(next());
  }
}

u64 Rng::interesting_f64() {
  const u64 sign = one_in(2) ? u64{1} << 63 : 0;
  constexpr u64 kExponent = u64{0x7ff} << 52;
  constexpr u64 kFraction = (u64{1} << 52) - 1;
  switch (below(17)) {
    case 0:
      return sign;
    case 1:
      return sign | u64{1023} << 52;
    case 2:
      return sign | kExponent;
    case 3:
      return sign | kExponent | u64{1} << 51 | (next() & kFraction >> 1);
    case 4:
      return sign | kExponent | ((next() & kFraction >> 1) + 1);
    case 5:
      return sign | ((next() & kFraction) + 1);
    case 6:
      return sign | 1;
    case 7:
      return sign | (kExponent - 1);
    case 8:
      return sign | u64{1} << 52 | below(16);
    case 9:
      return sign | std::bit_cast<u64>(static_cast<double>(below(1000)) * 0.5);
    case 10:
      return sign | std::bit_cast<u64>(static_cast<double>(interesting(64)));
    case 11:
      return sign | std::bit_cast<u64>(static_cast<double>(interesting(32)) + 0.5);
    // Around the limits of single precision, where conversions overflow, underflow and tie.
    case 12:
      return sign | (1023 - 152 + below(30)) << 52 | (next() & kFraction);
    case 13:
      return sign | (1023 + 126 + below(4)) << 52 | (next() & (kFraction << 20) & kFraction);
    case 14:
      return sign | (1023 + below(9) - 4) << 52 | (next() & kFraction);
    default:
      return next();
  }
}

void Rng::interesting_f80(u8* ten_bytes) {
  u64 mantissa = next() | u64{1} << 63;
  u16 exponent = static_cast<u16>(0x3fff + below(16) - 8);
  switch (below(20)) {
    case 0:
      mantissa = 0, exponent = 0;
      break;
    case 1:
      mantissa = u64{1} << 63, exponent = 0x3fff;
      break;
    case 2:
      mantissa = u64{1} << 63, exponent = 0x7fff;
      break;
    case 3:
      mantissa |= u64{1} << 62, exponent = 0x7fff;
      break;
    case 4:
      mantissa = (mantissa & ~(u64{1} << 62)) | 1, exponent = 0x7fff;
      break;
    case 5:
      mantissa &= ~(u64{1} << 63), exponent = 0;
      break;
    case 6:
      exponent = 0;
      break;  // pseudo-denormal
    case 7:
      mantissa &= ~(u64{1} << 63);
      break;  // unnormal
    case 8:
      mantissa &= ~(u64{1} << 63), exponent = 0x7fff;
      break;  // pseudo-NaN, pseudo-infinity
    case 9:
      mantissa = ~u64{0}, exponent = 0x7ffe;
      break;
    case 10:
      exponent = static_cast<u16>(1 + below(70));
      break;
    case 11:
      exponent = static_cast<u16>(0x7ffe - below(70));
      break;
    case 12:
      exponent = static_cast<u16>(0x3fff + 1020 + below(8));
      break;  // limits of double precision
    case 13:
      exponent = static_cast<u16>(0x3fff - 1080 + below(62));
      break;
    case 14:
      exponent = static_cast<u16>(0x3fff + below(70));
      break;  // limits of the integer conversions
    case 15:
      exponent = static_cast<u16>(0x3fff + below(70)), mantissa &= ~u64{0} << below(64);
      break;
    case 16:
      exponent = static_cast<u16>(next() & 0x7fff);
      break;
    case 17:
      mantissa &= ~u64{0} << below(63), mantissa |= u64{1} << 63;
      break;
    default:
      break;
  }
  if (one_in(2)) exponent |= 0x8000;
  std::memcpy(ten_bytes, &mantissa, 8);
  std::memcpy(ten_bytes + 8, &exponent, 2);
}

}  // namespace lastbranch::host
