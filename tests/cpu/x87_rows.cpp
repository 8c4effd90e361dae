#include "tests/cpu/x87_rows.h"

namespace lastbranch::host {
namespace {

constexpr u16 kC1 = 0x200;
constexpr RowOptions kReal{.fill = Fill::kF80};
constexpr RowOptions kDecimal{.fill = Fill::kBcd};
/// The manual clears C1, the host's processor may not.
constexpr RowOptions kFlagsCompare{.ignore = {.fsw = kC1}, .fill = Fill::kF80};

constexpr Row kValues[] = {
    {"fadd", "m32|m64|st0,st|st,st0", kReal},
    {"fmul", "m32|m64|st0,st|st,st0", kReal},
    {"fsub", "m32|m64|st0,st|st,st0", kReal},
    {"fsubr", "m32|m64|st0,st|st,st0", kReal},
    {"fdiv", "m32|m64|st0,st|st,st0", kReal},
    {"fdivr", "m32|m64|st0,st|st,st0", kReal},
    {"faddp", "st,st0", kReal},
    {"fmulp", "st,st0", kReal},
    {"fsubp", "st,st0", kReal},
    {"fsubrp", "st,st0", kReal},
    {"fdivp", "st,st0", kReal},
    {"fdivrp", "st,st0", kReal},
    {"fiadd", "m16|m32"},
    {"fimul", "m16|m32"},
    {"fisub", "m16|m32"},
    {"fisubr", "m16|m32"},
    {"fidiv", "m16|m32"},
    {"fidivr", "m16|m32"},
    {"fabs", "", kReal},
    {"fchs", "", kReal},
    {"fsqrt", "", kReal},
    {"frndint", "", kReal},
    {"fscale", "", kReal},
    {"fprem", "", kReal},
    {"fprem1", "", kReal},
    {"fxtract", "", kReal},
    {"f2xm1", "", kReal},
    {"fsin", "", kReal},
    {"fcos", "", kReal},
    {"fsincos", "", kReal},
    {"fptan", "", kReal},
    {"fyl2x", "", kReal},
    {"fyl2xp1", "", kReal},
    {"fpatan", "", kReal},
    {"fld", "m32|m64|m80|st", kReal},
    {"fst", "m32|m64|st", kReal},
    {"fstp", "m32|m64|m80|st", kReal},
    {"fild", "m16|m32|m64"},
    {"fist", "m16|m32", kReal},
    {"fistp", "m16|m32|m64", kReal},
    {"fisttp", "m16|m32|m64", kReal},
    {"fbld", "m80", kDecimal},
    {"fbstp", "m80", kReal},
    {"fld1", ""},
    {"fldl2t", ""},
    {"fldl2e", ""},
    {"fldpi", ""},
    {"fldlg2", ""},
    {"fldln2", ""},
    {"fldz", ""},
    {"fxch", "st", kReal},
    {"fcmovb", "st0,st", kReal},
    {"fcmove", "st0,st", kReal},
    {"fcmovbe", "st0,st", kReal},
    {"fcmovu", "st0,st", kReal},
    {"fcmovnb", "st0,st", kReal},
    {"fcmovne", "st0,st", kReal},
    {"fcmovnbe", "st0,st", kReal},
    {"fcmovnu", "st0,st", kReal},
};

constexpr Row kCompares[] = {
    {"fcom", "m32|m64|st", kReal},
    {"fcomp", "m32|m64|st", kReal},
    {"fcompp", "", kReal},
    {"fucom", "st", kReal},
    {"fucomp", "st0,st", kReal},
    {"fucompp", "", kReal},
    {"ficom", "m16|m32"},
    {"ficomp", "m16|m32"},
    {"fcomi", "st0,st", kFlagsCompare},
    {"fcomip", "st0,st", kFlagsCompare},
    {"fucomi", "st0,st", kFlagsCompare},
    {"fucomip", "st0,st", kFlagsCompare},
    {"ftst", "", kReal},
    {"fxam", "", kReal},
};

constexpr Row kControls[] = {
    {"fninit", "", kReal},       {"fnclex", "", kReal},  {"fnstcw", "m16", kReal}, {"fldcw", "m16"},
    {"fnstsw", "m16|ax", kReal}, {"fincstp", "", kReal}, {"fdecstp", "", kReal},   {"ffree", "st", kReal},
    {"ffreep", "st", kReal},     {"fnop", "", kReal},    {"fwait", "", kReal},
};

/// RBX in the window, sometimes so that the area crosses pages or touches one that refuses it.
void area(Image& i, Rng& r) {
  u64& rbx = i.regs.gpr[RBX];
  rbx = kData + r.below(kPageSize + 0x400);
  if (r.one_in(24)) rbx = kData + kDataSize - 1 - r.below(0x6c);
}

}  // namespace

std::span<const Row> x87_value_rows() {
  return kValues;
}
std::span<const Row> x87_compare_rows() {
  return kCompares;
}
std::span<const Row> x87_control_rows() {
  return kControls;
}

const std::vector<BytesRow>& x87_bytes() {
  constexpr RowOptions kArea{.fill = Fill::kF80, .prepare = area};
  static const std::vector<BytesRow> kRows = {
      {"fnstenv", {0xd9, 0x33}, kArea},
      {"fnstenv 16-bit", {0x66, 0xd9, 0x33}, kArea},
      {"fldenv", {0xd9, 0x23}, kArea},
      {"fldenv 16-bit", {0x66, 0xd9, 0x23}, kArea},
      {"fnsave", {0xdd, 0x33}, kArea},
      {"fnsave 16-bit", {0x66, 0xdd, 0x33}, kArea},
      {"frstor", {0xdd, 0x23}, kArea},
      {"frstor 16-bit", {0x66, 0xdd, 0x23}, kArea},
      {"feni8087_nop", {0xdb, 0xe0}, kReal},
      {"fdisi8087_nop", {0xdb, 0xe1}, kReal},
      {"fsetpm287_nop", {0xdb, 0xe4}, kReal},
      // Second encodings, which the encoder never chooses.
      {"fcom DC", {0xdc, 0xd2}, kReal},
      {"fcomp DC", {0xdc, 0xdb}, kReal},
      {"fcomp DE", {0xde, 0xd1}, kReal},
      {"fxch DD", {0xdd, 0xcb}, kReal},
      {"fxch DF", {0xdf, 0xca}, kReal},
      {"fstp DF D0", {0xdf, 0xd2}, kReal},
      {"fstp DF D8", {0xdf, 0xda}, kReal},
  };
  return kRows;
}

std::set<std::string> tested_x87_mnemonics() {
  std::set<std::string> all = names(std::span<const BytesRow>(x87_bytes()));
  for (const auto rows : {x87_value_rows(), x87_compare_rows(), x87_control_rows()}) all.merge(names(rows));
  return all;
}

void x87_masked(Image& image, Rng& rng) {
  Regs& r = image.regs;
  const unsigned top = r.fsw >> 11 & 7;
  const auto physical = [&](unsigned n) { return 1u << ((top + n) & 7); };
  unsigned valid = 0xff;
  switch (rng.below(8)) {
    case 0:
      break;
    case 1:
      valid = 0;
      break;
    case 2:
      valid = static_cast<unsigned>(rng.below(256));
      break;
    case 3:
      valid &= ~physical(static_cast<unsigned>(rng.below(2)));
      break;
    default:
      valid &= ~physical(7);
      break;  // room for a push
  }
  r.valid = static_cast<u8>(valid);
  if (rng.one_in(2)) r.fsw |= 0x40;
  if (rng.one_in(8)) r.st[1] = r.st[0];
}

void x87_unmasked(Image& image, Rng& rng) {
  x87_masked(image, rng);
  Regs& r = image.regs;
  const u64 open = rng.one_in(2) ? u64{1} << rng.below(6) : rng.below(64);
  r.fcw = static_cast<u16>(r.fcw & ~open);
  r.fsw = static_cast<u16>(r.fsw & ~open);
}

void x87_pending(Image& image, Rng& rng) {
  x87_masked(image, rng);
  Regs& r = image.regs;
  const u64 open = u64{1} << rng.below(6) | rng.below(64);
  r.fcw = static_cast<u16>(r.fcw & ~open);
  r.fsw = static_cast<u16>(r.fsw | open | 0x8080);
}

}  // namespace lastbranch::host
