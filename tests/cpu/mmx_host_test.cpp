// MMX against the host: every mnemonic in every shape, from any x87 state, and with exceptions pending.
#include <gtest/gtest.h>

#include "models/cpu/exec/exec.h"
#include "models/cpu/exec/rows.h"
#include "tests/cpu/host_oracle.h"

namespace lastbranch::host {
namespace {

constexpr unsigned kCount = 150;

constexpr Row kInteger[] = {
    {"paddb", "y,ym64"},      {"paddw", "y,ym64"},      {"paddd", "y,ym64"},      {"paddq", "y,ym64"},
    {"paddsb", "y,ym64"},     {"paddsw", "y,ym64"},     {"paddusb", "y,ym64"},    {"paddusw", "y,ym64"},
    {"psubb", "y,ym64"},      {"psubw", "y,ym64"},      {"psubd", "y,ym64"},      {"psubq", "y,ym64"},
    {"psubsb", "y,ym64"},     {"psubsw", "y,ym64"},     {"psubusb", "y,ym64"},    {"psubusw", "y,ym64"},
    {"pmullw", "y,ym64"},     {"pmulhw", "y,ym64"},     {"pmulhuw", "y,ym64"},    {"pmuludq", "y,ym64"},
    {"pmaddwd", "y,ym64"},    {"pavgb", "y,ym64"},      {"pavgw", "y,ym64"},      {"pmaxsw", "y,ym64"},
    {"pmaxub", "y,ym64"},     {"pminsw", "y,ym64"},     {"pminub", "y,ym64"},     {"psadbw", "y,ym64"},
    {"pand", "y,ym64"},       {"pandn", "y,ym64"},      {"por", "y,ym64"},        {"pxor", "y,ym64"},
    {"pcmpeqb", "y,ym64"},    {"pcmpeqw", "y,ym64"},    {"pcmpeqd", "y,ym64"},    {"pcmpgtb", "y,ym64"},
    {"pcmpgtw", "y,ym64"},    {"pcmpgtd", "y,ym64"},    {"psignb", "y,ym64"},     {"psignw", "y,ym64"},
    {"psignd", "y,ym64"},     {"pmaddubsw", "y,ym64"},  {"pmulhrsw", "y,ym64"},   {"pabsb", "y,ym64"},
    {"pabsw", "y,ym64"},      {"pabsd", "y,ym64"},      {"packsswb", "y,ym64"},   {"packssdw", "y,ym64"},
    {"packuswb", "y,ym64"},   {"phaddw", "y,ym64"},     {"phaddd", "y,ym64"},     {"phaddsw", "y,ym64"},
    {"phsubw", "y,ym64"},     {"phsubd", "y,ym64"},     {"phsubsw", "y,ym64"},    {"punpcklbw", "y,ym32"},
    {"punpcklwd", "y,ym32"},  {"punpckldq", "y,ym32"},  {"punpckhbw", "y,ym64"},  {"punpckhwd", "y,ym64"},
    {"punpckhdq", "y,ym64"},  {"pshufb", "y,ym64"},     {"pshufw", "y,ym64,ub"},  {"palignr", "y,ym64,ub"},
    {"psllw", "y,ym64|y,ub"}, {"pslld", "y,ym64|y,ub"}, {"psllq", "y,ym64|y,ub"}, {"psrlw", "y,ym64|y,ub"},
    {"psrld", "y,ym64|y,ub"}, {"psrlq", "y,ym64|y,ub"}, {"psraw", "y,ym64|y,ub"}, {"psrad", "y,ym64|y,ub"},
};

constexpr Row kMoves[] = {
    {"movd", "y,rm32|rm32,y"},
    {"movq", "y,rm64|rm64,y|y,y"},
    {"movntq", "m64,y"},
    {"movq2dq", "x,y"},
    {"movdq2q", "y,x"},
    {"pmovmskb", "rd,y"},
    {"pextrw", "rd,y,ub"},
    {"pinsrw", "y,rd,ub|y,m16,ub"},
    {"emms", ""},
};

constexpr RowOptions kSingles{.fill = Fill::kF32};
constexpr RowOptions kDoubles{.fill = Fill::kF64};
/// Whether an instruction that faults has left x87 mode already differs between processors; here it has not.
constexpr Ignore kAfterFault{.x87 = true};
constexpr Row kConversions[] = {
    {"cvtps2pi", "y,xm64", kSingles},
    {"cvttps2pi", "y,xm64", kSingles},
    {"cvtpd2pi", "y,xm128", kDoubles},
    {"cvttpd2pi", "y,xm128", kDoubles},
    {"cvtpi2ps", "x,ym64"},
    {"cvtpi2pd", "x,ym64"},
};

/// RDI somewhere in the window; some masks of all bytes.
void mask_target(Image& i, Rng& r) {
  u64& rdi = i.regs.gpr[RDI];
  rdi = kData + r.below(kPageSize + 0x400);
  if (r.one_in(6)) rdi = kData + kPageSize - r.below(8);
  if (r.one_in(3)) i.regs.st[(8 - (i.regs.fsw >> 11 & 7) + 1) & 7].fill(0x80);
}
void refused_target(Image& i, Rng& r) {
  mask_target(i, r);
  i.regs.gpr[RDI] = r.one_in(2) ? kReadOnly + r.below(64) : kData + kDataSize - r.below(8);
}
void gs_target(Image& i, Rng& r) {
  mask_target(i, r);
  i.regs.gs_base = 0x1000;
  i.regs.gpr[RDI] -= 0x1000;
}
const std::vector<BytesRow>& implicit_operands() {
  static const std::vector<BytesRow> kRows = {
      {"maskmovq", {0x0f, 0xf7, 0xd9}, {.prepare = mask_target}},
      {"maskmovq 32-bit address", {0x67, 0x0f, 0xf7, 0xd9}, {.prepare = mask_target}},
      {"maskmovq refused", {0x0f, 0xf7, 0xd9}, {.ignore = kAfterFault, .prepare = refused_target}},
      {"maskmovq gs", {0x65, 0x0f, 0xf7, 0xd9}, {.prepare = gs_target}},
      {"movd rex", {0x4c, 0x0f, 0x6e, 0xd9}},
  };
  return kRows;
}

/// Any x87 state, with nothing pending.
void any_stack(Image& image, Rng& rng) {
  image.regs.valid = static_cast<u8>(rng.pick<unsigned>({0, 0xff, 0x0f, 0x5a}));
  if (rng.one_in(2)) image.regs.fsw |= 0x40;
}
void pending(Image& image, Rng& rng) {
  const u64 open = u64{1} << rng.below(6);
  image.regs.fcw = static_cast<u16>(image.regs.fcw & ~open);
  image.regs.fsw = static_cast<u16>(image.regs.fsw | open | 0x8080);
}

void check_prepared(std::span<const Row> rows, void (*prepare)(Image&, Rng&)) {
  std::vector<Row> prepared(rows.begin(), rows.end());
  for (Row& row : prepared) row.options.prepare = prepare;
  check_rows(prepared, kCount);
}

TEST(MmxHost, integer_instructions_agree) {
  check_prepared(kInteger, any_stack);
}
TEST(MmxHost, moves_agree) {
  check_prepared(kMoves, any_stack);
}
TEST(MmxHost, conversions_agree) {
  check_prepared(kConversions, any_stack);
}
TEST(MmxHost, conversions_agree_when_exceptions_are_unmasked) {
  std::vector<Row> rows(std::begin(kConversions), std::end(kConversions));
  for (Row& row : rows) {
    row.options.masked = false;
    row.options.ignore = kAfterFault;
  }
  check_rows(rows, 4 * kCount);
}
TEST(MmxHost, implicit_operands_agree) {
  check_bytes(implicit_operands(), kCount);
}

TEST(MmxHost, pending_x87_exceptions_come_first) {
  check_prepared(kInteger, pending);
  check_prepared(kMoves, pending);
  check_prepared(kConversions, pending);
}

TEST(MmxHost, every_row_of_the_tables_is_tested) {
  std::set<std::string> tested = names(implicit_operands());
  for (const auto rows :
       {std::span<const Row>(kInteger), std::span<const Row>(kMoves), std::span<const Row>(kConversions)}) {
    tested.merge(names(rows));
  }
  expect_covered(cpu::mmx_int_rows<cpu::Fast>(), tested);
  expect_covered(cpu::mmx_move_rows<cpu::Fast>(), tested);
  expect_covered(cpu::mmx_convert_rows<cpu::Fast>(), tested);
}

}  // namespace
}  // namespace lastbranch::host
