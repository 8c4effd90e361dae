// Floating-point arithmetic, comparison and rounding in XMM registers, packed and scalar.
//
// RCPPS, RCPSS, RSQRTPS and RSQRTSS give what the host's give: the manual bounds only their relative error
// (1.5 * 2^-12), and processors differ within it.
// Source: SDM vol. 1, "SSE Packed Arithmetic Instructions", "SSE Comparison Instructions" and their
// counterparts for SSE2, SSE3, SSE4.1; vol. 2.
#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"
#include "models/cpu/exec/sse_tables.h"

namespace lastbranch::cpu {
namespace {

using enum Arith;
using enum Elements;

LASTBRANCH_SSE_FP_BINARY(Addps, "addps", kAdd, kPs);
LASTBRANCH_SSE_FP_BINARY(Addpd, "addpd", kAdd, kPd);
LASTBRANCH_SSE_FP_BINARY(Addss, "addss", kAdd, kSs);
LASTBRANCH_SSE_FP_BINARY(Addsd, "addsd", kAdd, kSd);
LASTBRANCH_SSE_FP_BINARY(Subps, "subps", kSub, kPs);
LASTBRANCH_SSE_FP_BINARY(Subpd, "subpd", kSub, kPd);
LASTBRANCH_SSE_FP_BINARY(Subss, "subss", kSub, kSs);
LASTBRANCH_SSE_FP_BINARY(Subsd, "subsd", kSub, kSd);
LASTBRANCH_SSE_FP_BINARY(Mulps, "mulps", kMul, kPs);
LASTBRANCH_SSE_FP_BINARY(Mulpd, "mulpd", kMul, kPd);
LASTBRANCH_SSE_FP_BINARY(Mulss, "mulss", kMul, kSs);
LASTBRANCH_SSE_FP_BINARY(Mulsd, "mulsd", kMul, kSd);
LASTBRANCH_SSE_FP_BINARY(Divps, "divps", kDiv, kPs);
LASTBRANCH_SSE_FP_BINARY(Divpd, "divpd", kDiv, kPd);
LASTBRANCH_SSE_FP_BINARY(Divss, "divss", kDiv, kSs);
LASTBRANCH_SSE_FP_BINARY(Divsd, "divsd", kDiv, kSd);
LASTBRANCH_SSE_FP_BINARY(Minps, "minps");
LASTBRANCH_SSE_FP_BINARY(Minpd, "minpd");
LASTBRANCH_SSE_FP_BINARY(Minss, "minss");
LASTBRANCH_SSE_FP_BINARY(Minsd, "minsd");
LASTBRANCH_SSE_FP_BINARY(Maxps, "maxps");
LASTBRANCH_SSE_FP_BINARY(Maxpd, "maxpd");
LASTBRANCH_SSE_FP_BINARY(Maxss, "maxss");
LASTBRANCH_SSE_FP_BINARY(Maxsd, "maxsd");
LASTBRANCH_SSE_FP_UNARY(Sqrtps, "sqrtps");
LASTBRANCH_SSE_FP_UNARY(Sqrtpd, "sqrtpd");
LASTBRANCH_SSE_FP_BINARY(Sqrtss, "sqrtss");
LASTBRANCH_SSE_FP_BINARY(Sqrtsd, "sqrtsd");
LASTBRANCH_SSE_FP_BINARY(Addsubps, "addsubps", kAddSub, kPs);
LASTBRANCH_SSE_FP_BINARY(Addsubpd, "addsubpd", kAddSub, kPd);
LASTBRANCH_SSE_FP_BINARY(Haddps, "haddps", kHadd, kPs);
LASTBRANCH_SSE_FP_BINARY(Haddpd, "haddpd", kHadd, kPd);
LASTBRANCH_SSE_FP_BINARY(Hsubps, "hsubps", kHsub, kPs);
LASTBRANCH_SSE_FP_BINARY(Hsubpd, "hsubpd", kHsub, kPd);

// These four raise no exceptions and do not depend on the rounding mode.
LASTBRANCH_SSE_UNARY(Rcpps, "rcpps");
LASTBRANCH_SSE_BINARY(Rcpss, "rcpss");
LASTBRANCH_SSE_UNARY(Rsqrtps, "rsqrtps");
LASTBRANCH_SSE_BINARY(Rsqrtss, "rsqrtss");

LASTBRANCH_SSE_FP_BINARY_IMM(Cmpps, "cmpps");
LASTBRANCH_SSE_FP_BINARY_IMM(Cmppd, "cmppd");
LASTBRANCH_SSE_FP_BINARY_IMM(Cmpss, "cmpss");
LASTBRANCH_SSE_FP_BINARY_IMM(Cmpsd, "cmpsd");
LASTBRANCH_SSE_FP_BINARY_IMM(Roundps, "roundps");
LASTBRANCH_SSE_FP_BINARY_IMM(Roundpd, "roundpd");
LASTBRANCH_SSE_FP_BINARY_IMM(Roundss, "roundss");
LASTBRANCH_SSE_FP_BINARY_IMM(Roundsd, "roundsd");
/// Predicates of CMPxx and rounding controls of ROUNDxx: the immediate bits above are ignored.
constexpr int kPredicates = 8;
constexpr int kRoundings = 16;

/// COMISS and its kind: unordered sets ZF, PF and CF, less CF, equal ZF.
#define LASTBRANCH_SSE_COMPARE(Name, text)                                                            \
  struct Name {                                                                                       \
    static constexpr Range kRange{};                                                                  \
    [[gnu::always_inline]] static u32 run(Vec a, Vec b) {                                             \
      bool zero, parity, carry;                                                                       \
      asm volatile(text " %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b)); \
      return u32{zero} << 6 | u32{parity} << 2 | u32{carry};                                          \
    }                                                                                                 \
  }
LASTBRANCH_SSE_COMPARE(Comiss, "comiss");
LASTBRANCH_SSE_COMPARE(Comisd, "comisd");
LASTBRANCH_SSE_COMPARE(Ucomiss, "ucomiss");
LASTBRANCH_SSE_COMPARE(Ucomisd, "ucomisd");

// DPPS, DPPD: immediate bits 7:4 choose the products that are summed, bits 3:0 the elements that receive the
// sum. A product that is not chosen counts as +0, which is what the product of zeros is. An unmasked
// exception of the products ends the instruction before it sums: raises() takes the stages one by one.
struct Dpps {
  static constexpr Range kRange{};
  static Vec run(Vec a, Vec b, i64 imm) {
    const Vec chosen = get_mask(sse_tables::kDwords[imm >> 4 & 15].data());
    a = _mm_and_si128(a, chosen);
    b = _mm_and_si128(b, chosen);
    asm volatile("dpps $0xff, %1, %0" : "+x"(a) : "x"(b));
    return _mm_and_si128(a, get_mask(sse_tables::kDwords[imm & 15].data()));
  }
  static bool raises(Cpu& c, Vec a, Vec b, i64 imm) {
    const Vec chosen = get_mask(sse_tables::kDwords[imm >> 4 & 15].data());
    a = _mm_and_si128(a, chosen);
    b = _mm_and_si128(b, chosen);
    if (cpu::raises<Mulps>(c, a, b)) return true;
    const Vec products = Mulps::run(a, b);
    if (cpu::raises<Haddps>(c, products, products)) return true;
    const Vec sums = Haddps::run(products, products);
    return cpu::raises<Haddps>(c, sums, sums);
  }
};
struct Dppd {
  static constexpr Range kRange{};
  static Vec run(Vec a, Vec b, i64 imm) {
    const Vec chosen = doubles(imm >> 4);
    a = _mm_and_si128(a, chosen);
    b = _mm_and_si128(b, chosen);
    asm volatile("dppd $0xff, %1, %0" : "+x"(a) : "x"(b));
    return _mm_and_si128(a, doubles(imm));
  }
  static bool raises(Cpu& c, Vec a, Vec b, i64 imm) {
    const Vec chosen = doubles(imm >> 4);
    a = _mm_and_si128(a, chosen);
    b = _mm_and_si128(b, chosen);
    if (cpu::raises<Mulpd>(c, a, b)) return true;
    const Vec products = Mulpd::run(a, b);
    return cpu::raises<Haddpd>(c, products, products);
  }
  static Vec doubles(i64 imm) {
    constexpr u8 kDwordsOf[] = {0b0000, 0b0011, 0b1100, 0b1111};
    return get_mask(sse_tables::kDwords[kDwordsOf[imm & 3]].data());
  }
};

template <class V>
constexpr OpRow kRows[] = {
    {"addps", packed_hot<V, Addps>},
    {"addpd", packed_hot<V, Addpd>},
    {"addss", packed_hot<V, Addss, 4>},
    {"addsd", packed_hot<V, Addsd, 8>},
    {"subps", packed_hot<V, Subps>},
    {"subpd", packed_hot<V, Subpd>},
    {"subss", packed_hot<V, Subss, 4>},
    {"subsd", packed_hot<V, Subsd, 8>},
    {"mulps", packed_hot<V, Mulps>},
    {"mulpd", packed_hot<V, Mulpd>},
    {"mulss", packed_hot<V, Mulss, 4>},
    {"mulsd", packed_hot<V, Mulsd, 8>},
    {"divps", packed<V, Divps>},
    {"divpd", packed<V, Divpd>},
    {"divss", packed<V, Divss, 4>},
    {"divsd", packed<V, Divsd, 8>},
    {"minps", packed<V, Minps>},
    {"minpd", packed<V, Minpd>},
    {"minss", packed<V, Minss, 4>},
    {"minsd", packed<V, Minsd, 8>},
    {"maxps", packed<V, Maxps>},
    {"maxpd", packed<V, Maxpd>},
    {"maxss", packed<V, Maxss, 4>},
    {"maxsd", packed<V, Maxsd, 8>},
    {"sqrtps", packed<V, Sqrtps>},
    {"sqrtpd", packed<V, Sqrtpd>},
    {"sqrtss", packed<V, Sqrtss, 4>},
    {"sqrtsd", packed<V, Sqrtsd, 8>},
    {"addsubps", packed<V, Addsubps>},
    {"addsubpd", packed<V, Addsubpd>},
    {"haddps", packed<V, Haddps>},
    {"haddpd", packed<V, Haddpd>},
    {"hsubps", packed<V, Hsubps>},
    {"hsubpd", packed<V, Hsubpd>},
    {"rcpps", packed<V, Rcpps>},
    {"rcpss", packed<V, Rcpss, 4>},
    {"rsqrtps", packed<V, Rsqrtps>},
    {"rsqrtss", packed<V, Rsqrtss, 4>},
    {"dpps", packed<V, Dpps>},
    {"dppd", packed<V, Dppd>},
    {"cmpps", packed_imm<V, Cmpps, kPredicates>},
    {"cmppd", packed_imm<V, Cmppd, kPredicates>},
    {"cmpss", packed_imm<V, Cmpss, kPredicates, 4>},
    {"cmpsd", packed_imm<V, Cmpsd, kPredicates, 8>},
    {"roundps", packed_imm<V, Roundps, kRoundings>},
    {"roundpd", packed_imm<V, Roundpd, kRoundings>},
    {"roundss", packed_imm<V, Roundss, kRoundings, 4>},
    {"roundsd", packed_imm<V, Roundsd, kRoundings, 8>},
    {"comiss", flags_from<V, Comiss, 4>},
    {"comisd", flags_from<V, Comisd, 8>},
    {"ucomiss", flags_from<V, Ucomiss, 4>},
    {"ucomisd", flags_from<V, Ucomisd, 8>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_float_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_float_rows<Fast>();
template std::span<const OpRow> sse_float_rows<Observed>();

}  // namespace lastbranch::cpu
