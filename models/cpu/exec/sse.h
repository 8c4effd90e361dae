#pragma once
// What the SSE execution files share: XMM operands, the templates that make execution functions of an
// operation, and the binders that choose among them.
//
// An operation is a struct with `static R run(...)` on __m128i values, for most mnemonics the host's own
// instruction (LASTBRANCH_SSE_*). The templates add operand fetch, the alignment check and exceptions:
//   run(b)          destination = f(source)
//   run(a, b)       destination = f(destination, source)
//   run(a, b, imm)  the same with the immediate as the decoder left it; operations mask the bits they use
//
// Why inline assembly and not intrinsics for floating point: the compiler may swap the operands of an
// addition, which changes the NaN that results, and move it across reads of MXCSR.
// Not modelled: the #UD and #NM of CR0.EM, CR0.TS and CR4.OSFXSR = 0.
//
// Sources: SDM vol. 2, the page of each mnemonic; vol. 2, "AVX and SSE
// Instruction Exception Classification"; vol. 1, "SIMD Floating-Point Exceptions".
#include <array>
#include <concepts>
#include <utility>

#include <nmmintrin.h>

#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/sse_mxcsr.h"

namespace lastbranch::cpu {

/// An XMM value, whatever its elements are.
using Vec = __m128i;

[[gnu::always_inline]] inline Vec get_xmm(Cpu& c, u8 field) {
  return _mm_load_si128(reinterpret_cast<const Vec*>(xmm(c, field)));
}
/// Always writes all 16 bytes: a later read of the whole register would wait for a narrower store to leave
/// the store buffer.
[[gnu::always_inline]] inline void set_xmm(Cpu& c, u8 field, Vec v) {
  _mm_store_si128(reinterpret_cast<Vec*>(xmm(c, field)), v);
}

/// `kBytes` bytes at `p` (16, 8, 4 or 2) as the low part of a vector, the rest zero.
template <unsigned kBytes>
[[gnu::always_inline]] inline Vec get_vec(const u8* p) {
  if constexpr (kBytes == 16) {
    return _mm_loadu_si128(reinterpret_cast<const Vec*>(p));
  } else if constexpr (kBytes == 8) {
    return _mm_loadl_epi64(reinterpret_cast<const Vec*>(p));
  } else if constexpr (kBytes == 4) {
    return _mm_cvtsi32_si128(get<i32>(p));
  } else {
    static_assert(kBytes == 2);
    return _mm_cvtsi32_si128(get<u16>(p));
  }
}
/// The 16 bytes of a mask table entry.
[[gnu::always_inline]] inline Vec get_mask(const u8* p) {
  return get_vec<16>(p);
}

/// #GP(0), for 16-byte operands that are not aligned; out of line, so that no address of a local is taken.
[[gnu::noinline, gnu::cold]] inline const Insn* general_protection_at(Cpu& c, const Insn* i) {
  raise(c, general_protection());
  return trap(c, i);
}

template <unsigned kBytes>
using BytesOf = std::array<u8, kBytes>;

/// The arithmetic of an operation whose results can leave the range of their format: what each element of the
/// result is made of. kNone: results stay in range (comparisons, minimum, square root, conversions to
/// integers, ...).
enum class Arith : u8 {
  kNone,
  kAdd,
  kSub,
  kAddSub,  ///< a - b in even elements, a + b in odd ones
  kHadd,    ///< sums of neighbours, first those of a
  kHsub,
  kMul,
  kDiv,
  kNarrow,  ///< double to single precision
};
/// Format and number of the elements of a result.
enum class Elements : u8 { kSs, kSd, kPs, kPd };
struct Range {
  Arith arith = Arith::kNone;
  Elements elements = Elements::kPs;
};

/// Operations that can raise SIMD floating-point exceptions say so by a member kRange.
template <class F>
concept FloatingPoint = requires {
  { F::kRange } -> std::convertible_to<Range>;
};

/// MXCSR for a trial run: as the guest's, nothing sticky, all masked. An unmasked underflow overrides FTZ.
[[nodiscard]] constexpr u32 trial_mxcsr(u32 guest) {
  return (guest & ~mxcsr::kFlags & ~(mxcsr::traps(guest, mxcsr::kUnderflow) ? mxcsr::kFtz : 0)) |
         mxcsr::kMasks;
}
/// What a trial run's `flags` would have been with the guest's own masks: an unmasked overflow or underflow
/// is judged, and its precision flag set, as if the exponent had no bounds.
///
/// Source: SDM vol. 1, "Numeric
/// Overflow Exception (#O)", "Numeric Underflow Exception (#U)".
u32 range_flags(u32 guest, u32 flags, Range range, Vec result, Vec a, Vec b);
inline u32 range_flags(u32 guest, u32 flags, Range range, Vec result, Vec b) {
  return range_flags(guest, flags, range, result, b, b);
}
/// Ends a trial run of an instruction that raised `flags` on its own: merges them into the guest's MXCSR
/// `guest` as the hardware does, makes #XM pending (#UD without CR4.OSXMMEXCPT) when one of them is unmasked,
/// and says whether.
bool raise_unmasked(Cpu& c, u32 guest, u32 flags);

/// Tries the operation for its exceptions alone; true when one is unmasked, which is then pending.
template <FloatingPoint F, class... A>
[[gnu::noinline, gnu::cold]] bool raises(Cpu& c, A... args) {
  if constexpr (requires { F::raises(c, args...); }) {
    return F::raises(c, args...);
  } else {
    const u32 guest = guest_mxcsr(c);
    _mm_setcsr(trial_mxcsr(guest));
    [[maybe_unused]] const auto result = F::run(args...);
    u32 flags = _mm_getcsr() & mxcsr::kFlags;
    if constexpr (F::kRange.arith != Arith::kNone) {
      if (mxcsr::traps(guest, mxcsr::kOverflow | mxcsr::kUnderflow)) {
        flags = range_flags(guest, flags, F::kRange, result, args...);
      }
    }
    return raise_unmasked(c, guest, flags);
  }
}

// Where a result goes.
struct ToXmm {
  [[gnu::always_inline]] static void put(Cpu& c, const Insn* i, Vec v) { set_xmm(c, i->r0, v); }
};
struct ToGpr {
  template <class T>
  [[gnu::always_inline]] static void put(Cpu& c, const Insn* i, T v) {
    set_reg<T>(c, i->r0, v);
  }
};
/// The status flags as RFLAGS bits; those that are not given become 0.
struct ToFlags {
  [[gnu::always_inline]] static void put(Cpu& c, const Insn*, u32 v) { c.f.set_status(v); }
};

/// finish() where the guest has unmasked an exception. A function of its own, so that the usual path needs no
/// frame.
template <class V, class F, class Sink, class... A>
[[gnu::noinline, gnu::cold]] const Insn* finish_carefully(Cpu& c, const Insn* i, A... args) {
  if (raises<F>(c, args...)) return trap(c, i);
  Sink::put(c, i, F::run(args...));
  return next<V>(c, i);
}
/// Computes, writes the result and goes on; the end of nearly every function here.
template <class V, class F, class Sink, class... A>
[[gnu::always_inline]] inline const Insn* finish(Cpu& c, const Insn* i, A... args) {
  if constexpr (FloatingPoint<F>) {
    if (unmasked(c)) [[unlikely]]
      return finish_carefully<V, F, Sink>(c, i, args...);
  }
  Sink::put(c, i, F::run(args...));
  return next<V>(c, i);
}
/// finish() with source `b`, and with register operand 0 and the immediate as far as F takes them.
template <class V, class F, class Sink>
[[gnu::always_inline]] inline const Insn* finish_with(Cpu& c, const Insn* i, Vec b) {
  if constexpr (requires { F::run(b); }) {
    return finish<V, F, Sink>(c, i, b);
  } else if constexpr (requires { F::run(b, b); }) {
    return finish<V, F, Sink>(c, i, get_xmm(c, i->r0), b);
  } else {
    return finish<V, F, Sink>(c, i, get_xmm(c, i->r0), b, i->imm);
  }
}

template <class V, class F, class Sink = ToXmm>
const Insn* from_xmm(Cpu& c, const Insn* i) {
  return finish_with<V, F, Sink>(c, i, get_xmm(c, i->r1));
}

/// 16-byte operands must be aligned unless kAligned says otherwise; shorter ones need not.
template <class V, class F, unsigned kBytes, class Form = FullForm, class Sink = ToXmm, bool kAligned = true>
const Insn* from_mem(Cpu& c, const Insn* i) {
  const u64 a = Form::template address<V>(c, i);
  if constexpr (kBytes == 16 && kAligned) {
    if ((a & 15) != 0) [[unlikely]]
      return general_protection_at(c, i);
  }
  const u8* p = load_ptr<BytesOf<kBytes>>(c, a);
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  return finish_with<V, F, Sink>(c, i, get_vec<kBytes>(p));
}

/// Binds comparisons whose F::run(a, b) answers in flags.
template <class V, class F, unsigned kBytes>
Op flags_from(const Shape& s, Insn&) {
  return s.kind(1) == Kind::kXmm ? &from_xmm<V, F, ToFlags> : &from_mem<V, F, kBytes, FullForm, ToFlags>;
}

/// Binds `xmm, xmm/m` [, imm8] with a memory operand of kBytes.
template <class V, class F, unsigned kBytes = 16>
Op packed(const Shape& s, Insn&) {
  if (s.kind(0) != Kind::kXmm) return nullptr;
  if (s.kind(1) == Kind::kXmm) return &from_xmm<V, F>;
  if (s.kind(1) == Kind::kMem) return &from_mem<V, F, kBytes>;
  return nullptr;
}

/// The same with a shorter path for base + displacement: for the mnemonics that programs are full of.
template <class V, class F, unsigned kBytes = 16>
Op packed_hot(const Shape& s, Insn& i) {
  if (s.is(Kind::kXmm, Kind::kMem) && s.base_only) return &from_mem<V, F, kBytes, BaseForm>;
  return packed<V, F, kBytes>(s, i);
}

/// Binds an instruction whose immediate's low bits choose the operation: F<0>, F<1>, ... (a power of two of
/// them).
template <class V, template <int> class F, unsigned kBytes, int... kImm>
Op packed_by_imm(const Shape& s, Insn& i, std::integer_sequence<int, kImm...>) {
  static constexpr Bind kBinds[] = {&packed<V, F<kImm>, kBytes>...};
  return kBinds[static_cast<u64>(i.imm) % sizeof...(kImm)](s, i);
}
template <class V, template <int> class F, int kCount, unsigned kBytes = 16>
Op packed_imm(const Shape& s, Insn& i) {
  return packed_by_imm<V, F, kBytes>(s, i, std::make_integer_sequence<int, kCount>());
}

}  // namespace lastbranch::cpu

// Each of these defines one operation that is the host's instruction of the same name.

/// Integer or logic: destination = instruction(destination, source).
#define LASTBRANCH_SSE_BINARY(Name, text)                 \
  struct Name {                                           \
    [[gnu::always_inline]] static Vec run(Vec a, Vec b) { \
      asm(text " %1, %0" : "+x"(a) : "x"(b));             \
      return a;                                           \
    }                                                     \
  }
/// Integer or logic: destination = instruction(source).
#define LASTBRANCH_SSE_UNARY(Name, text)           \
  struct Name {                                    \
    [[gnu::always_inline]] static Vec run(Vec b) { \
      Vec r;                                       \
      asm(text " %1, %0" : "=x"(r) : "x"(b));      \
      return r;                                    \
    }                                              \
  }
/// Floating point: volatile, because it reads and writes MXCSR. The further arguments are those of Range.
#define LASTBRANCH_SSE_FP_BINARY(Name, text, ...)                \
  struct Name {                                                  \
    [[maybe_unused]] static constexpr Range kRange{__VA_ARGS__}; \
    [[gnu::always_inline]] static Vec run(Vec a, Vec b) {        \
      asm volatile(text " %1, %0" : "+x"(a) : "x"(b));           \
      return a;                                                  \
    }                                                            \
  }
#define LASTBRANCH_SSE_FP_UNARY(Name, text, ...)                 \
  struct Name {                                                  \
    [[maybe_unused]] static constexpr Range kRange{__VA_ARGS__}; \
    [[gnu::always_inline]] static Vec run(Vec b) {               \
      Vec r;                                                     \
      asm volatile(text " %1, %0" : "=x"(r) : "x"(b));           \
      return r;                                                  \
    }                                                            \
  }
/// Floating point with an immediate that must be known when compiling: Name<imm>.
#define LASTBRANCH_SSE_FP_BINARY_IMM(Name, text)                      \
  template <int kImm>                                                 \
  struct Name {                                                       \
    [[maybe_unused]] static constexpr Range kRange{};                 \
    [[gnu::always_inline]] static Vec run(Vec a, Vec b) {             \
      asm volatile(text " %2, %1, %0" : "+x"(a) : "x"(b), "i"(kImm)); \
      return a;                                                       \
    }                                                                 \
  }
