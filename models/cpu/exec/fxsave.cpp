// FXSAVE, FXRSTOR and their REX.W forms, which keep 64-bit instruction and operand pointers.
// Not modelled: XSAVE, which is not advertised; CR4.OSFXSR = 0 (XMM state is always saved and restored).
// Source: SDM vol. 2, FXSAVE, FXRSTOR; vol. 1 "FXSAVE Area", "MXCSR Control and Status Register".
#include "models/cpu/exec/sse_mxcsr.h"
#include "models/cpu/exec/x87_image.h"

namespace lastbranch::cpu::x87 {
namespace {

// Byte offsets in the area.
constexpr u32 kFcw = 0, kFsw = 2, kFtw = 4, kFop = 6, kFip = 8, kFdp = 16, kMxcsr = 24, kMxcsrMask = 28;
constexpr u32 kSt = 32, kXmm = 160;
constexpr u32 kUsed = kXmm + 16 * 16;
constexpr u32 kArea = 512;

template <bool kWide>
[[gnu::noinline]] bool save(Cpu& c, u64 a) {
  std::array<u8, kUsed> image{};
  u8* p = image.data();
  const X87& f = c.x87;
  put<u16>(p + kFcw, f.control);
  put<u16>(p + kFsw, status_word(f));
  put<u8>(p + kFtw, f.valid);
  put<u16>(p + kFop, f.opcode);
  put<u64>(p + kFip, kWide ? f.instruction : static_cast<u32>(f.instruction));
  put<u64>(p + kFdp, kWide ? f.data : static_cast<u32>(f.data));
  put<u32>(p + kMxcsr, guest_mxcsr(c));
  put<u32>(p + kMxcsrMask, ~mxcsr::kReserved);
  for (u32 n = 0; n < 8; ++n) put_register(p + kSt + 16 * n, f.physical[(f.top + n) & 7]);
  std::memcpy(p + kXmm, c.xmm.data(), sizeof c.xmm);
  return store_area(c, a, p, kUsed, kArea);
}

template <bool kWide>
[[gnu::noinline]] bool restore(Cpu& c, u64 a) {
  std::array<u8, kArea> image;
  const u8* p = image.data();
  if (!load_area(c, a, image.data(), kArea)) return false;
  const u32 control = get<u32>(p + kMxcsr);
  if ((control & mxcsr::kReserved) != 0) {
    raise(c, general_protection());
    return false;
  }
  X87& f = c.x87;
  set_words(f, get<u16>(p + kFcw), get<u16>(p + kFsw));
  f.valid = get<u8>(p + kFtw);
  f.opcode = get<u16>(p + kFop) & 0x7ff;
  f.instruction = kWide ? get<u64>(p + kFip) : get<u32>(p + kFip);
  f.data = kWide ? get<u64>(p + kFdp) : get<u32>(p + kFdp);
  set_guest_mxcsr(c, control);
  for (u32 n = 0; n < 8; ++n) st(f, n) = get_register(p + kSt + 16 * n);
  std::memcpy(c.xmm.data(), p + kXmm, sizeof c.xmm);
  return true;
}

template <class V, auto Body>
const Insn* area_form(Cpu& c, const Insn* i) {
  if ((c.cr0 & (kCr0Em | kCr0Ts)) != 0) [[unlikely]]
    return trap(c, i, {Vector::kNM, false, 0, 0});
  const u64 a = ea<V>(c, i);
  if ((a & 15) != 0) [[unlikely]]
    return trap(c, i, general_protection());
  if (!Body(c, a)) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}

template <class V, auto Body>
Op bind_area(const Shape&, Insn&) {
  return &area_form<V, Body>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"fxsave", bind_area<V, save<false>>},
    {"fxsave64", bind_area<V, save<true>>},
    {"fxrstor", bind_area<V, restore<false>>},
    {"fxrstor64", bind_area<V, restore<true>>},
};

}  // namespace
}  // namespace lastbranch::cpu::x87

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> fxsave_rows() {
  return x87::kRows<V>;
}
template std::span<const OpRow> fxsave_rows<Fast>();
template std::span<const OpRow> fxsave_rows<Observed>();

}  // namespace lastbranch::cpu
