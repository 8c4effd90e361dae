// SSE4.2's string compares, and CRC32.
//
// The host's PCMPESTRM computes IntRes2, one instance for each aggregation, polarity and element type;
// lengths, index, mask and flags follow from it here, so that four mnemonics and both outputs share 64
// instances.
//
// Source: SDM vol. 1, "SSE4.2 String and Text Processing Instructions"; vol. 2, "Imm8 Control Byte Operation
// for PCMPESTRI / PCMPESTRM / PCMPISTRI / PCMPISTRM", "CRC32".
#include <algorithm>
#include <bit>

#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"

namespace lastbranch::cpu {
namespace {

// Immediate bits.
constexpr u8 kWords = 1;          // elements of 16 bits instead of 8
constexpr u8 kComparison = 0x3f;  // what decides IntRes2
constexpr u8 kLastOrExpanded =
    0x40;  // index of the last element instead of the first; mask of elements instead of bits

/// IntRes2 of `a` with `la` and `b` with `lb` valid elements.
template <int kImm>
u32 int_res2(Vec a, int la, Vec b, int lb) {
  return static_cast<u32>(_mm_cvtsi128_si32(_mm_cmpestrm(a, la, b, lb, kImm)));
}
/// The instances by the immediate's low bits.
struct IntRes2Table {
  u32 (*of[kComparison + 1])(Vec, int, Vec, int);
};
template <int... kImm>
constexpr IntRes2Table int_res2_table(std::integer_sequence<int, kImm...>) {
  return {{&int_res2<kImm>...}};
}
constexpr IntRes2Table kIntRes2 = int_res2_table(std::make_integer_sequence<int, kComparison + 1>());

/// PCMPISTRx: elements before the first zero one.
int implicit_length(Vec v, bool words) {
  const Vec zeros = words ? _mm_cmpeq_epi16(v, _mm_setzero_si128()) : _mm_cmpeq_epi8(v, _mm_setzero_si128());
  const int bytes = std::countr_zero(static_cast<u32>(_mm_movemask_epi8(zeros)) | 0x10000);
  return words ? bytes / 2 : bytes;
}
/// PCMPESTRx: the magnitude of a length register, at most all elements.
template <class T>
int explicit_length(T v, int elements) {
  const T magnitude = static_cast<std::make_signed_t<T>>(v) < 0 ? T{0} - v : v;
  return static_cast<int>(std::min(magnitude, static_cast<T>(elements)));
}

/// IntRes2 bits as a mask of bytes or words.
Vec expanded(u32 bits, bool words) {
  const Vec v = _mm_cvtsi32_si128(static_cast<int>(bits));
  if (words) {
    const Vec select = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm_cmpeq_epi16(_mm_and_si128(_mm_set1_epi16(static_cast<i16>(bits)), select), select);
  }
  const Vec select = _mm_set1_epi64x(static_cast<i64>(0x8040201008040201));
  const Vec spread = _mm_shuffle_epi8(v, _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  return _mm_cmpeq_epi8(_mm_and_si128(spread, select), select);
}

/// What differs between the four mnemonics, and between 32- and 64-bit length registers.
template <bool kImplicitLengths, bool kIndexResult, class Length>
struct Variant {
  static constexpr bool kImplicit = kImplicitLengths;
  static constexpr bool kIndex = kIndexResult;
  using Register = Length;
};

template <class S>
[[gnu::always_inline]] inline void compare(Cpu& c, const Insn* i, Vec b) {
  const Vec a = get_xmm(c, i->r0);
  const auto control = static_cast<u8>(i->imm);
  const bool words = (control & kWords) != 0;
  const int elements = words ? 8 : 16;
  int la = 0, lb = 0;
  if constexpr (S::kImplicit) {
    la = implicit_length(a, words);
    lb = implicit_length(b, words);
  } else {
    la = explicit_length(reg<typename S::Register>(c, kRax * 8), elements);
    lb = explicit_length(reg<typename S::Register>(c, kRdx * 8), elements);
  }
  const u32 bits = kIntRes2.of[control & kComparison](a, la, b, lb);
  if constexpr (S::kIndex) {
    const int first = bits == 0 ? elements : std::countr_zero(bits);
    const int last = bits == 0 ? elements : 31 - std::countl_zero(bits);
    set_reg<u32>(c, kRcx * 8, static_cast<u32>((control & kLastOrExpanded) != 0 ? last : first));
  } else {
    set_xmm(
        c, 0,
        (control & kLastOrExpanded) != 0 ? expanded(bits, words) : _mm_cvtsi32_si128(static_cast<int>(bits)));
  }
  c.f.set_status((bits != 0 ? rflags::kCF : 0) | (lb < elements ? rflags::kZF : 0) |
                 (la < elements ? rflags::kSF : 0) | ((bits & 1) != 0 ? rflags::kOF : 0));
}

template <class V, class S>
const Insn* compare_xmm(Cpu& c, const Insn* i) {
  compare<S>(c, i, get_xmm(c, i->r1));
  return next<V>(c, i);
}
/// The memory operand of these four need not be aligned.
template <class V, class S>
const Insn* compare_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<Vec>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  compare<S>(c, i, get_vec<16>(p));
  return next<V>(c, i);
}
template <class V, bool kImplicit, bool kIndex>
Op compare_strings(const Shape& s, Insn&) {
  using Narrow = Variant<kImplicit, kIndex, u32>;
  using Wide = Variant<kImplicit, kIndex, u64>;
  if constexpr (!kImplicit) {
    if (s.size == 8) return s.kind(1) == Kind::kXmm ? &compare_xmm<V, Wide> : &compare_mem<V, Wide>;
  }
  return s.kind(1) == Kind::kXmm ? &compare_xmm<V, Narrow> : &compare_mem<V, Narrow>;
}

u32 crc32_step(u32 crc, u8 v) {
  return _mm_crc32_u8(crc, v);
}
u32 crc32_step(u32 crc, u16 v) {
  return _mm_crc32_u16(crc, v);
}
u32 crc32_step(u32 crc, u32 v) {
  return _mm_crc32_u32(crc, v);
}
u32 crc32_step(u32 crc, u64 v) {
  return static_cast<u32>(_mm_crc32_u64(crc, v));
}

// CRC32: with a 64-bit destination its upper half becomes zero too, so both sizes are one function.
template <class V, class T>
const Insn* crc32_reg(Cpu& c, const Insn* i) {
  set_reg<u32>(c, i->r0, crc32_step(reg<u32>(c, i->r0), reg<T>(c, i->r1)));
  return next<V>(c, i);
}
template <class V, class T>
const Insn* crc32_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  set_reg<u32>(c, i->r0, crc32_step(reg<u32>(c, i->r0), get<T>(p)));
  return next<V>(c, i);
}
template <class V>
Op crc32(const Shape& s, Insn&) {
  return by_size(s.op[1].size, [&]<class T>() -> Op {
    if (s.is(Kind::kGpr, Kind::kGpr)) return &crc32_reg<V, T>;
    if (s.is(Kind::kGpr, Kind::kMem)) return &crc32_mem<V, T>;
    return nullptr;
  });
}

template <class V>
constexpr OpRow kRows[] = {
    {"pcmpestri", compare_strings<V, false, true>},
    {"pcmpestrm", compare_strings<V, false, false>},
    {"pcmpistri", compare_strings<V, true, true>},
    {"pcmpistrm", compare_strings<V, true, false>},
    {"crc32", crc32<V>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_string_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_string_rows<Fast>();
template std::span<const OpRow> sse_string_rows<Observed>();

}  // namespace lastbranch::cpu
