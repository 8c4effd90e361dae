#include "tests/cpu/int_rows.h"

#include <array>

namespace lastbranch::host {
namespace {

constexpr u64 kCF = 0x1, kPF = 0x4, kAF = 0x10, kZF = 0x40, kSF = 0x80, kOF = 0x800;
constexpr u64 kStatus = kCF | kPF | kAF | kZF | kSF | kOF;
constexpr u32 kRaxRdx = 1u << RAX | 1u << RDX;
constexpr u32 kRcx = 1u << RCX;

constexpr std::string_view kAlu = "rmb,rb|rmv,rv|rb,mb|rv,mv|rmb,ib|rmv,ib|rmv,iv|al,ib|av,iv";

void set_cl(Image& i, u64 v) {
  i.regs.gpr[RCX] = (i.regs.gpr[RCX] & ~u64{0xff}) | (v & 0xff);
}

// Counts, always with noise in the bits that the processor masks off.
void count_zero(Image& i, Rng& r) {
  set_cl(i, r.below(4) << 6);
}
void count_one(Image& i, Rng& r) {
  set_cl(i, 1 | r.below(4) << 6);
}
void count_below_8(Image& i, Rng& r) {
  set_cl(i, (1 + r.below(7)) | r.below(4) << 6);
}
void count_below_16(Image& i, Rng& r) {
  set_cl(i, r.below(16) | r.below(4) << 6);
}
void count_any(Image& i, Rng& r) {
  set_cl(i, r.next());
}

/// Dividends whose quotient mostly fits.
void dividend(Image& i, Rng& r) {
  auto& g = i.regs.gpr;
  if (r.one_in(4)) return;
  switch (r.below(3)) {
    case 0:
      g[RDX] = 0;
      break;
    case 1:
      g[RDX] = r.below(8);
      break;
    default:
      g[RDX] = static_cast<i64>(g[RAX]) < 0 ? ~u64{0} : 0;
      break;
  }
  if (r.one_in(2)) g[RAX] = (g[RAX] & ~u64{0xff00}) | r.below(4) << 8;
  // Divisors are mostly not tiny.
  for (const unsigned n : {RCX, RBX, RBP, RSI, RDI, R8, R9, R10, R11}) {
    if (!r.one_in(3)) g[n] |= r.interesting(64) << 32 | 0x4000;
  }
}

constexpr Row kArithmetic[] = {
    {"add", kAlu, {.lock = true}},
    {"adc", kAlu, {.lock = true}},
    {"sub", kAlu, {.lock = true}},
    {"sbb", kAlu, {.lock = true}},
    {"and", kAlu, {.ignore = {.flags = kAF}, .lock = true}},
    {"or", kAlu, {.ignore = {.flags = kAF}, .lock = true}},
    {"xor", kAlu, {.ignore = {.flags = kAF}, .lock = true}},
    {"cmp", kAlu},
    {"test", "rmb,rb|rmv,rv|rmb,ib|rmv,iv|al,ib|av,iv", {.ignore = {.flags = kAF}}},
    {"inc", "rmb|rmv", {.lock = true}},
    {"dec", "rmb|rmv", {.lock = true}},
    {"neg", "rmb|rmv", {.lock = true}},
    {"not", "rmb|rmv", {.lock = true}},
};

// CF after a shift by more than an 8- or 16-bit operand's width is undefined, OF after any count but 1.
#define LASTBRANCH_SHIFT_ROWS(name)                                                                   \
  {name, "rmb,1|rmv,1", {.ignore = {.flags = kAF}}},                                                  \
      {name, "rmb,cl|rmv,cl", {.alone = true, .reserved = kRcx, .prepare = count_zero}},              \
      {name,                                                                                          \
       "rmb,cl|rmv,cl",                                                                               \
       {.ignore = {.flags = kAF}, .alone = true, .reserved = kRcx, .prepare = count_one}},            \
      {name,                                                                                          \
       "rmb,cl",                                                                                      \
       {.ignore = {.flags = kAF | kOF}, .alone = true, .reserved = kRcx, .prepare = count_below_8}},  \
      {name,                                                                                          \
       "rmw,cl",                                                                                      \
       {.ignore = {.flags = kAF | kOF}, .alone = true, .reserved = kRcx, .prepare = count_below_16}}, \
      {name,                                                                                          \
       "rmd,cl|rmq,cl|rmd,ub|rmq,ub",                                                                 \
       {.ignore = {.flags = kAF | kOF}, .weight = 2, .prepare = count_any}},                          \
  {                                                                                                   \
    name, "rmb,cl|rmw,cl|rmb,ub|rmw,ub", {                                                            \
      .ignore = {.flags = kAF | kOF | kCF}, .weight = 2, .prepare = count_any                         \
    }                                                                                                 \
  }
#define LASTBRANCH_ROTATE_ROWS(name)                                                                        \
  {name, "rmb,1|rmv,1"}, {name, "rmb,cl|rmv,cl", {.alone = true, .reserved = kRcx, .prepare = count_zero}}, \
      {name, "rmb,cl|rmv,cl", {.reserved = kRcx, .prepare = count_one}}, {                                  \
    name, "rmb,cl|rmv,cl|rmb,ub|rmv,ub", {                                                                  \
      .ignore = {.flags = kOF}, .weight = 4, .prepare = count_any                                           \
    }                                                                                                       \
  }
#define LASTBRANCH_DOUBLE_SHIFT_ROWS(name)                                                            \
  {name, "rmv,rv,cl", {.alone = true, .reserved = kRcx, .prepare = count_zero}},                      \
      {name,                                                                                          \
       "rmv,rv,cl",                                                                                   \
       {.ignore = {.flags = kAF}, .alone = true, .reserved = kRcx, .prepare = count_one}},            \
      {name, "rmw,rw,u4", {.ignore = {.flags = kAF | kOF}}},                                          \
      {name,                                                                                          \
       "rmw,rw,cl",                                                                                   \
       {.ignore = {.flags = kAF | kOF}, .alone = true, .reserved = kRcx, .prepare = count_below_16}}, \
  {                                                                                                   \
    name, "rmd,rd,cl|rmq,rq,cl|rmd,rd,ub|rmq,rq,ub", {                                                \
      .ignore = {.flags = kAF | kOF}, .prepare = count_any                                            \
    }                                                                                                 \
  }

const Row kShift[] = {
    LASTBRANCH_SHIFT_ROWS("shl"),  LASTBRANCH_SHIFT_ROWS("shr"),         LASTBRANCH_SHIFT_ROWS("sar"),
    LASTBRANCH_ROTATE_ROWS("rol"), LASTBRANCH_ROTATE_ROWS("ror"),        LASTBRANCH_ROTATE_ROWS("rcl"),
    LASTBRANCH_ROTATE_ROWS("rcr"), LASTBRANCH_DOUBLE_SHIFT_ROWS("shld"), LASTBRANCH_DOUBLE_SHIFT_ROWS("shrd"),
};
#undef LASTBRANCH_SHIFT_ROWS
#undef LASTBRANCH_ROTATE_ROWS
#undef LASTBRANCH_DOUBLE_SHIFT_ROWS

constexpr u64 kProduct = kSF | kZF | kAF | kPF;
constexpr Row kMultiply[] = {
    {"mul", "rmb|rmv", {.ignore = {.flags = kProduct}, .weight = 2}},
    {"imul", "rmb|rmv|rv,rmv|rv,rmv,ib|rv,rmv,iv", {.ignore = {.flags = kProduct}, .weight = 2}},
    {"div", "rmb|rmv", {.ignore = {.flags = kStatus}, .weight = 6, .reserved = kRaxRdx, .prepare = dividend}},
    {"idiv",
     "rmb|rmv",
     {.ignore = {.flags = kStatus}, .weight = 6, .reserved = kRaxRdx, .prepare = dividend}},
};

/// Comparands that are equal half of the time.
void equal_registers(Image& i, Rng& r) {
  if (!r.one_in(2)) return;
  for (unsigned n = 0; n < 16; ++n) {
    if (n != RSP) i.regs.gpr[n] = i.regs.gpr[RAX];
  }
}

/// When the comparison of a 32-bit register fails, Intel's processors clear its upper half and AMD's leave
/// it.
void equal_or_narrow(Image& i, Rng& r) {
  equal_registers(i, r);
  for (u64& v : i.regs.gpr) v = static_cast<u32>(v);
}

constexpr Row kMove[] = {
    {"mov", "rmb,rb|rmv,rv|rb,mb|rv,mv|rmb,ib|rmv,iv|rq,iq|rd,id", {.weight = 2}},
    {"movzx", "rv,rmb|rd,rmw|rq,rmw"},
    {"movsx", "rv,rmb|rd,rmw|rq,rmw"},
    {"movsxd", "rq,rmd"},
    {"lea", "rw,m0|rd,m0|rq,m0", {.weight = 8}},
    {"xchg", "rmb,rb|rmv,rv", {.lock = true}},
    {"xadd", "rmb,rb|rmv,rv", {.lock = true}},
    {"cmpxchg",
     "rmb,rb|rmw,rw|md,rd|rmq,rq",
     {.lock = true, .weight = 2, .reserved = 1u << RAX, .prepare = equal_registers}},
    {"cmpxchg", "rd,rd", {.alone = true, .weight = 2, .prepare = equal_or_narrow}},
    {"cmpxchg8b", "m64", {.lock = true}},
    {"cmpxchg16b", "m128", {.lock = true}},
    {"bswap", "rd|rq"},
    {"movnti", "md,rd|mq,rq"},
};

constexpr std::array kConditions = {"o", "no", "b", "nb", "z", "nz", "be", "nbe",
                                    "s", "ns", "p", "np", "l", "nl", "le", "nle"};

std::vector<Row> make_condition_rows() {
  static std::vector<std::string> kept;
  kept.reserve(2 * kConditions.size());
  std::vector<Row> rows;
  for (const char* c : kConditions) {
    rows.push_back({kept.emplace_back(std::string("cmov") + c), "rv,rmv"});
    rows.push_back({kept.emplace_back(std::string("set") + c), "rmb"});
  }
  return rows;
}

constexpr u64 kBitTest = kOF | kSF | kAF | kPF;
constexpr u64 kScan = kCF | kOF | kSF | kAF | kPF;
/// Zero sources half of the time: their result is not defined but the same on all processors.
void zero_registers(Image& i, Rng& r) {
  for (unsigned n = 0; n < 16; ++n) {
    if (n != RSP && r.one_in(4)) i.regs.gpr[n] = 0;
  }
}
constexpr Row kBit[] = {
    // Memory with a register as offset reaches beyond the operand: in plain_bytes().
    {"bt", "rv,rv|rmv,ub", {.ignore = {.flags = kBitTest}}},
    {"bts", "rv,rv|rmv,ub", {.ignore = {.flags = kBitTest}, .lock = true}},
    {"btr", "rv,rv|rmv,ub", {.ignore = {.flags = kBitTest}, .lock = true}},
    {"btc", "rv,rv|rmv,ub", {.ignore = {.flags = kBitTest}, .lock = true}},
    {"bsf", "rv,rmv", {.ignore = {.flags = kScan}, .weight = 2, .prepare = zero_registers}},
    {"bsr", "rv,rmv", {.ignore = {.flags = kScan}, .weight = 2, .prepare = zero_registers}},
    {"popcnt", "rv,rmv", {.prepare = zero_registers}},
};

constexpr Row kStackRows[] = {
    {"push", "rw|rq|mw|mq|ib|id", {.weight = 2}},
    {"pop", "rw|rq|mw|mq", {.weight = 2}},
};

}  // namespace

std::span<const Row> arithmetic_rows() {
  return kArithmetic;
}
std::span<const Row> shift_rows() {
  return kShift;
}
std::span<const Row> multiply_rows() {
  return kMultiply;
}
std::span<const Row> move_rows() {
  return kMove;
}
std::span<const Row> condition_rows() {
  static const std::vector<Row> kRows = make_condition_rows();
  return kRows;
}
std::span<const Row> bit_rows() {
  return kBit;
}
std::span<const Row> stack_rows() {
  return kStackRows;
}

std::set<std::string> tested_integer_mnemonics() {
  std::set<std::string> all;
  for (const auto rows : {arithmetic_rows(), shift_rows(), multiply_rows(), move_rows(), condition_rows(),
                          bit_rows(), stack_rows()}) {
    all.merge(names(rows));
  }
  for (const auto* rows :
       {&plain_bytes(), &stack_bytes(), &string_bytes(), &branch_bytes(), &refused_bytes()}) {
    all.merge(names(*rows));
  }
  return all;
}

}  // namespace lastbranch::host
