#include "models/lbr/lbr_format.h"

#include "sim/base/field.h"

namespace lastbranch::lbr {
namespace {

// The flags have the same places in FROM (formats 3, 4 and 6) and in INFO.
using Mispredicted = Field<63>;
using InTx = Field<62>;
using Abort = Field<61>;

namespace info {
using Cycles = Field<15, 0>;
}

/// Format 6 keeps the count above the target's 48 bits.
namespace to_time {
using Address = Field<47, 0>;
using Cycles = Field<63, 48>;
}  // namespace to_time

/// Format 0: both 32-bit offsets in one register.
namespace pair {
using From = Field<31, 0>;
using To = Field<63, 32>;
}  // namespace pair

/// Bits of FROM that are flags, not address.
constexpr u64 from_flags(LbrFormat f) {
  switch (f) {
    case LbrFormat::kFlags:
    case LbrFormat::kTime:
      return Mispredicted::kMask;
    case LbrFormat::kFlagsTsx:
      return Mispredicted::kMask | InTx::kMask | Abort::kMask;
    default:
      return 0;
  }
}

/// Bits of INFO that exist.
constexpr u64 info_bits(LbrFormat f) {
  const u64 tx = has_tx(f) ? InTx::kMask | Abort::kMask : 0;
  return info::Cycles::kMask | Mispredicted::kMask | tx;
}

constexpr u64 flags(const Entry& e) {
  return Mispredicted::of(e.mispredicted ? 1 : 0) | InTx::of(e.in_tx ? 1 : 0) | Abort::of(e.abort ? 1 : 0);
}

/// `value` with the bits of `holes` filled by the address bit below them: flags lie where sign bits would.
constexpr u64 fill_sign(u64 value, u64 holes) {
  if (holes == 0) return value;
  const unsigned lowest = static_cast<unsigned>(__builtin_ctzll(holes));
  return ((value >> (lowest - 1)) & 1) != 0 ? value | holes : value & ~holes;
}

void set_flags(LbrFormat f, u64 value, u64 defined, Entry& e) {
  if ((defined & Mispredicted::kMask) != 0) e.mispredicted = Mispredicted::any(value);
  if (has_tx(f)) {
    e.in_tx = InTx::any(value);
    e.abort = Abort::any(value);
  }
}

}  // namespace

u64 encode_from(LbrFormat f, const Entry& e) {
  if (f == LbrFormat::kOffsets32) return pair::From::of(e.from) | pair::To::of(e.to);
  const u64 holes = from_flags(f);
  return (e.from & ~holes) | (flags(e) & holes);
}

u64 encode_to(LbrFormat f, const Entry& e) {
  return f == LbrFormat::kTime ? to_time::Cycles::set(e.to, e.cycles) : e.to;
}

u64 encode_info(LbrFormat f, const Entry& e) {
  return (info::Cycles::of(e.cycles) | flags(e)) & info_bits(f);
}

MsrFault decode_from(LbrFormat f, u64 value, unsigned va_bits, Entry& e, bool tsx_disabled) {
  if (f == LbrFormat::kOffsets32) {
    e.from = pair::From::get(value);
    e.to = pair::To::get(value);
    return MsrFault::kNone;
  }
  const u64 holes = from_flags(f);
  const u64 address = fill_sign(value, tsx_disabled ? holes & Mispredicted::kMask : holes);
  if (!is_canonical(address, va_bits)) return MsrFault::kNonCanonical;
  e.from = address;
  if (holes != 0) set_flags(f, value, holes, e);
  return MsrFault::kNone;
}

MsrFault decode_to(LbrFormat f, u64 value, unsigned va_bits, Entry& e) {
  if (f == LbrFormat::kTime) {
    e.to = sign_extend(to_time::Address::get(value), to_time::Address::kWidth);
    e.cycles = static_cast<u16>(to_time::Cycles::get(value));
    return MsrFault::kNone;
  }
  if (!is_canonical(value, va_bits)) return MsrFault::kNonCanonical;
  e.to = value;
  return MsrFault::kNone;
}

MsrFault decode_info(LbrFormat f, u64 value, Entry& e) {
  if ((value & ~info_bits(f)) != 0) return MsrFault::kReserved;
  e.cycles = static_cast<u16>(info::Cycles::get(value));
  set_flags(f, value, info_bits(f), e);
  return MsrFault::kNone;
}

}  // namespace lastbranch::lbr
