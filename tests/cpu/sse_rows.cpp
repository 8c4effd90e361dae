#include "tests/cpu/sse_rows.h"

namespace lastbranch::host {

void prepare_strings(Image& image, Rng& rng) {
  const u64 letters = rng.pick<u64>({2, 4, 60});
  const bool words = rng.one_in(2);
  const bool zeros = rng.one_in(2);
  const auto element = [&] { return static_cast<u8>((zeros ? 0 : 1) + rng.below(letters)); };
  for (Xmm& x : image.regs.xmm) {
    for (unsigned n = 0; n < 16; ++n) x[n] = words && n % 2 == 1 && !rng.one_in(8) ? u8{0} : element();
  }
  for (u8& b : image.data) b = element();
  for (const unsigned r : {RAX, RDX}) {
    u64& v = image.regs.gpr[r];
    if (rng.one_in(6)) continue;  // whatever it was: lengths saturate
    v = rng.below(20);
    if (rng.one_in(4)) v = u64{0} - v;
    if (rng.one_in(4)) v = (v & 0xffffffff) | rng.next() << 32;
  }
}

namespace {

// Floating-point exceptions are unmasked in some of these; without that and with it, all roundings, DAZ and
// FTZ occur.
constexpr RowOptions kF32Options{.fill = Fill::kF32, .masked = false, .weight = 6};
constexpr RowOptions kF64Options{.fill = Fill::kF64, .masked = false, .weight = 6};
constexpr RowOptions kIntsToFloat{.fill = Fill::kInt, .masked = false, .weight = 6};
constexpr RowOptions kImmediates{.weight = 6};

const Row kMoveRows[] = {
    {"movaps", "x,xm128|m128,x"},
    {"movapd", "x,xm128|m128,x"},
    {"movdqa", "x,xm128|m128,x"},
    {"movups", "x,xm128|m128,x", {.align = false}},
    {"movupd", "x,xm128|m128,x", {.align = false}},
    {"movdqu", "x,xm128|m128,x", {.align = false}},
    {"lddqu", "x,m128", {.align = false}},
    {"movntps", "m128,x"},
    {"movntpd", "m128,x"},
    {"movntdq", "m128,x"},
    {"movntdqa", "x,m128"},
    {"movnti", "m32,rd|m64,rq"},
    {"movss", "x,x|x,m32|m32,x"},
    {"movsd", "x,x|x,m64|m64,x"},
    {"movd", "x,rm32|rm32,x"},
    {"movq", "x,x|x,m64|m64,x|x,rq|rq,x"},
    {"movlps", "x,m64|m64,x"},
    {"movlpd", "x,m64|m64,x"},
    {"movhps", "x,m64|m64,x"},
    {"movhpd", "x,m64|m64,x"},
    {"movhlps", "x,x"},
    {"movlhps", "x,x"},
    {"movddup", "x,xm64"},
    {"movshdup", "x,xm128"},
    {"movsldup", "x,xm128"},
    {"movmskps", "rd,x|rq,x"},
    {"movmskpd", "rd,x|rq,x"},
    {"pmovmskb", "rd,x"},
    {"pextrb", "rd,x,ub|mb,x,ub", kImmediates},
    {"pextrw", "rd,x,ub|mw,x,ub", kImmediates},
    {"pextrd", "rm32,x,ub", kImmediates},
    {"pextrq", "rm64,x,ub", kImmediates},
    {"extractps", "rm32,x,ub", kImmediates},
    {"pinsrb", "x,rd,ub|x,mb,ub", kImmediates},
    {"pinsrw", "x,rd,ub|x,mw,ub", kImmediates},
    {"pinsrd", "x,rm32,ub", kImmediates},
    {"pinsrq", "x,rm64,ub", kImmediates},
    {"insertps", "x,xm32,ub", kImmediates},
};

/// The binary `xmm, xmm/m128` instructions on integers.
const Row kIntRows[] = {
    {"paddb", "x,xm128"},
    {"paddw", "x,xm128"},
    {"paddd", "x,xm128"},
    {"paddq", "x,xm128"},
    {"paddsb", "x,xm128"},
    {"paddsw", "x,xm128"},
    {"paddusb", "x,xm128"},
    {"paddusw", "x,xm128"},
    {"psubb", "x,xm128"},
    {"psubw", "x,xm128"},
    {"psubd", "x,xm128"},
    {"psubq", "x,xm128"},
    {"psubsb", "x,xm128"},
    {"psubsw", "x,xm128"},
    {"psubusb", "x,xm128"},
    {"psubusw", "x,xm128"},
    {"phaddw", "x,xm128"},
    {"phaddd", "x,xm128"},
    {"phaddsw", "x,xm128"},
    {"phsubw", "x,xm128"},
    {"phsubd", "x,xm128"},
    {"phsubsw", "x,xm128"},
    {"psignb", "x,xm128"},
    {"psignw", "x,xm128"},
    {"psignd", "x,xm128"},
    {"pmullw", "x,xm128"},
    {"pmulhw", "x,xm128"},
    {"pmulhuw", "x,xm128"},
    {"pmulhrsw", "x,xm128"},
    {"pmulld", "x,xm128"},
    {"pmuldq", "x,xm128"},
    {"pmuludq", "x,xm128"},
    {"pmaddwd", "x,xm128"},
    {"pmaddubsw", "x,xm128"},
    {"psadbw", "x,xm128"},
    {"pavgb", "x,xm128"},
    {"pavgw", "x,xm128"},
    {"pminsb", "x,xm128"},
    {"pminsw", "x,xm128"},
    {"pminsd", "x,xm128"},
    {"pminub", "x,xm128"},
    {"pminuw", "x,xm128"},
    {"pminud", "x,xm128"},
    {"pmaxsb", "x,xm128"},
    {"pmaxsw", "x,xm128"},
    {"pmaxsd", "x,xm128"},
    {"pmaxub", "x,xm128"},
    {"pmaxuw", "x,xm128"},
    {"pmaxud", "x,xm128"},
    {"pabsb", "x,xm128"},
    {"pabsw", "x,xm128"},
    {"pabsd", "x,xm128"},
    {"phminposuw", "x,xm128"},
    {"pand", "x,xm128"},
    {"andps", "x,xm128"},
    {"andpd", "x,xm128"},
    {"pandn", "x,xm128"},
    {"andnps", "x,xm128"},
    {"andnpd", "x,xm128"},
    {"por", "x,xm128"},
    {"orps", "x,xm128"},
    {"orpd", "x,xm128"},
    {"pxor", "x,xm128"},
    {"xorps", "x,xm128"},
    {"xorpd", "x,xm128"},
    {"pcmpeqb", "x,xm128"},
    {"pcmpeqw", "x,xm128"},
    {"pcmpeqd", "x,xm128"},
    {"pcmpeqq", "x,xm128"},
    {"pcmpgtb", "x,xm128"},
    {"pcmpgtw", "x,xm128"},
    {"pcmpgtd", "x,xm128"},
    {"pcmpgtq", "x,xm128"},
    {"ptest", "x,xm128", {.weight = 4}},
    {"mpsadbw", "x,xm128,ub", kImmediates},
    {"psllw", "x,xm128|x,ub", kImmediates},
    {"pslld", "x,xm128|x,ub", kImmediates},
    {"psllq", "x,xm128|x,ub", kImmediates},
    {"psrlw", "x,xm128|x,ub", kImmediates},
    {"psrld", "x,xm128|x,ub", kImmediates},
    {"psrlq", "x,xm128|x,ub", kImmediates},
    {"psraw", "x,xm128|x,ub", kImmediates},
    {"psrad", "x,xm128|x,ub", kImmediates},
};

const Row kShuffleRows[] = {
    {"pslldq", "x,ub", kImmediates},
    {"psrldq", "x,ub", kImmediates},
    {"palignr", "x,xm128,ub", kImmediates},
    {"packsswb", "x,xm128"},
    {"packssdw", "x,xm128"},
    {"packuswb", "x,xm128"},
    {"packusdw", "x,xm128"},
    {"punpcklbw", "x,xm128"},
    {"punpcklwd", "x,xm128"},
    {"punpckldq", "x,xm128"},
    {"punpcklqdq", "x,xm128"},
    {"punpckhbw", "x,xm128"},
    {"punpckhwd", "x,xm128"},
    {"punpckhdq", "x,xm128"},
    {"punpckhqdq", "x,xm128"},
    {"unpcklps", "x,xm128"},
    {"unpcklpd", "x,xm128"},
    {"unpckhps", "x,xm128"},
    {"unpckhpd", "x,xm128"},
    {"pmovsxbw", "x,xm64"},
    {"pmovsxbd", "x,xm32"},
    {"pmovsxbq", "x,xm16"},
    {"pmovsxwd", "x,xm64"},
    {"pmovsxwq", "x,xm32"},
    {"pmovsxdq", "x,xm64"},
    {"pmovzxbw", "x,xm64"},
    {"pmovzxbd", "x,xm32"},
    {"pmovzxbq", "x,xm16"},
    {"pmovzxwd", "x,xm64"},
    {"pmovzxwq", "x,xm32"},
    {"pmovzxdq", "x,xm64"},
    {"pshufb", "x,xm128"},
    {"pshufd", "x,xm128,ub", kImmediates},
    {"pshuflw", "x,xm128,ub", kImmediates},
    {"pshufhw", "x,xm128,ub", kImmediates},
    {"shufps", "x,xm128,ub", kImmediates},
    {"shufpd", "x,xm128,ub", kImmediates},
    {"pblendw", "x,xm128,ub", kImmediates},
    {"blendps", "x,xm128,ub", kImmediates},
    {"blendpd", "x,xm128,ub", kImmediates},
};

const Row kFloatRows[] = {
    {"addps", "x,xm128", kF32Options},      {"addpd", "x,xm128", kF64Options},
    {"addss", "x,xm32", kF32Options},       {"addsd", "x,xm64", kF64Options},
    {"subps", "x,xm128", kF32Options},      {"subpd", "x,xm128", kF64Options},
    {"subss", "x,xm32", kF32Options},       {"subsd", "x,xm64", kF64Options},
    {"mulps", "x,xm128", kF32Options},      {"mulpd", "x,xm128", kF64Options},
    {"mulss", "x,xm32", kF32Options},       {"mulsd", "x,xm64", kF64Options},
    {"divps", "x,xm128", kF32Options},      {"divpd", "x,xm128", kF64Options},
    {"divss", "x,xm32", kF32Options},       {"divsd", "x,xm64", kF64Options},
    {"minps", "x,xm128", kF32Options},      {"minpd", "x,xm128", kF64Options},
    {"minss", "x,xm32", kF32Options},       {"minsd", "x,xm64", kF64Options},
    {"maxps", "x,xm128", kF32Options},      {"maxpd", "x,xm128", kF64Options},
    {"maxss", "x,xm32", kF32Options},       {"maxsd", "x,xm64", kF64Options},
    {"sqrtps", "x,xm128", kF32Options},     {"sqrtpd", "x,xm128", kF64Options},
    {"sqrtss", "x,xm32", kF32Options},      {"sqrtsd", "x,xm64", kF64Options},
    {"addsubps", "x,xm128", kF32Options},   {"addsubpd", "x,xm128", kF64Options},
    {"haddps", "x,xm128", kF32Options},     {"haddpd", "x,xm128", kF64Options},
    {"hsubps", "x,xm128", kF32Options},     {"hsubpd", "x,xm128", kF64Options},
    {"rcpps", "x,xm128", kF32Options},      {"rcpss", "x,xm32", kF32Options},
    {"rsqrtps", "x,xm128", kF32Options},    {"rsqrtss", "x,xm32", kF32Options},
    {"dpps", "x,xm128,ub", kF32Options},    {"dppd", "x,xm128,ub", kF64Options},
    {"cmpps", "x,xm128,ub", kF32Options},   {"cmppd", "x,xm128,ub", kF64Options},
    {"cmpss", "x,xm32,ub", kF32Options},    {"cmpsd", "x,xm64,ub", kF64Options},
    {"roundps", "x,xm128,ub", kF32Options}, {"roundpd", "x,xm128,ub", kF64Options},
    {"roundss", "x,xm32,ub", kF32Options},  {"roundsd", "x,xm64,ub", kF64Options},
    {"comiss", "x,xm32", kF32Options},      {"comisd", "x,xm64", kF64Options},
    {"ucomiss", "x,xm32", kF32Options},     {"ucomisd", "x,xm64", kF64Options},
};

const Row kConvertRows[] = {
    {"cvtdq2pd", "x,xm64", kIntsToFloat},         {"cvtdq2ps", "x,xm128", kIntsToFloat},
    {"cvtpd2dq", "x,xm128", kF64Options},         {"cvttpd2dq", "x,xm128", kF64Options},
    {"cvtps2dq", "x,xm128", kF32Options},         {"cvttps2dq", "x,xm128", kF32Options},
    {"cvtps2pd", "x,xm64", kF32Options},          {"cvtpd2ps", "x,xm128", kF64Options},
    {"cvtss2sd", "x,xm32", kF32Options},          {"cvtsd2ss", "x,xm64", kF64Options},
    {"cvtsi2ss", "x,rm32|x,rm64", kIntsToFloat},  {"cvtsi2sd", "x,rm32|x,rm64", kIntsToFloat},
    {"cvtss2si", "rd,xm32|rq,xm32", kF32Options}, {"cvttss2si", "rd,xm32|rq,xm32", kF32Options},
    {"cvtsd2si", "rd,xm64|rq,xm64", kF64Options}, {"cvttsd2si", "rd,xm64|rq,xm64", kF64Options},
};

constexpr u32 kLengthRegisters = 1u << RAX | 1u << RDX;

constexpr RowOptions kStrings{
    .align = false, .weight = 24, .reserved = kLengthRegisters, .prepare = prepare_strings};

const Row kStringRows[] = {
    {"pcmpestri", "x,xm128,ub", kStrings},
    {"pcmpestrm", "x,xm128,ub", kStrings},
    {"pcmpistri", "x,xm128,ub", kStrings},
    {"pcmpistrm", "x,xm128,ub", kStrings},
    {"crc32", "rd,rmb|rd,rmw|rd,rm32|rq,rmb|rq,rm64", {.weight = 4}},
};

const Row kControlRows[] = {
    {"stmxcsr", "m32"},    {"clflush", "m512", {.align = false}},
    {"prefetchnta", "mb"}, {"prefetcht0", "mb"},
    {"prefetcht1", "mb"},  {"prefetcht2", "mb"},
    {"prefetchw", "mb"},   {"prefetch", "mb"},
    {"lfence", ""},        {"mfence", ""},
    {"sfence", ""},        {"pause", ""},
};

}  // namespace

std::span<const Row> xmm_move_rows() {
  return kMoveRows;
}
std::span<const Row> xmm_integer_rows() {
  return kIntRows;
}
std::span<const Row> xmm_shuffle_rows() {
  return kShuffleRows;
}
std::span<const Row> xmm_float_rows() {
  return kFloatRows;
}
std::span<const Row> xmm_convert_rows() {
  return kConvertRows;
}
std::span<const Row> xmm_string_rows() {
  return kStringRows;
}
std::span<const Row> xmm_control_rows() {
  return kControlRows;
}

}  // namespace lastbranch::host
