// x87 control: initialization, control and status words, environment and full state, stack pointer and tags,
// WAIT. Control instructions leave FIP, FDP and FOP alone; those written FN... do not look for pending
// exceptions.
//
// Source: SDM vol. 1 "x87 FPU Control Instructions", "Waiting vs. Non-Waiting Instructions"; vol. 2.
#include "models/cpu/exec/x87_image.h"

namespace lastbranch::cpu::x87 {
namespace {

enum class Waits : u8 { kNo, kYes };

template <Waits kWaits>
[[gnu::always_inline]] inline bool refused(const Cpu& c) {
  if constexpr (kWaits == Waits::kYes) return blocked(c);
  return (c.cr0 & (kCr0Em | kCr0Ts)) != 0;
}

/// A control instruction without memory operand; `Body(Cpu&)`.
template <class V, Waits kWaits, auto Body>
const Insn* control_form(Cpu& c, const Insn* i) {
  if (refused<kWaits>(c)) [[unlikely]]
    return trap(c, i, block_reason(c));
  Body(c);
  return next<V>(c, i);
}
/// With memory operand; `Body(Cpu&, u64 address)` answers false, without effect, when the access fails.
template <class V, Waits kWaits, auto Body>
const Insn* control_memory_form(Cpu& c, const Insn* i) {
  if (refused<kWaits>(c)) [[unlikely]]
    return trap(c, i, block_reason(c));
  if (!Body(c, ea<V>(c, i))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}

void init(Cpu& c) {
  initialize(c.x87);
}
void clear_exceptions(Cpu& c) {
  c.x87.status &= fsw::kCodes;
}
void nothing(Cpu&) {}
void status_to_ax(Cpu& c) {
  set_reg<u16>(c, 0, status_word(c.x87));
}

bool store_control(Cpu& c, u64 a) {
  return store<u16>(c, a, c.x87.control);
}
bool store_status(Cpu& c, u64 a) {
  return store<u16>(c, a, status_word(c.x87));
}
bool load_control(Cpu& c, u64 a) {
  const u8* p = load_ptr<u16>(c, a);
  if (p == nullptr) return false;
  c.x87.control = control_word(get<u16>(p));
  summarize(c.x87);
  return true;
}

// Environment: seven words of 16 or 32 bits. Upper halves that hold nothing are ones.
enum class Width : u8 { k16, k32 };
template <Width kWidth>
constexpr u32 kEnvironment = kWidth == Width::k16 ? 14 : 28;
constexpr u32 kRegisters = 80;

template <Width kWidth>
void put_environment(const X87& f, u8* p) {
  if constexpr (kWidth == Width::k16) {
    put<u16>(p, f.control);
    put<u16>(p + 2, status_word(f));
    put<u16>(p + 4, tag_word(f));
    put<u16>(p + 6, static_cast<u16>(f.instruction));
    put<u16>(p + 8, 0);
    put<u16>(p + 10, static_cast<u16>(f.data));
    put<u16>(p + 12, 0);
  } else {
    constexpr u32 kOnes = 0xffff0000;
    put<u32>(p, kOnes | f.control);
    put<u32>(p + 4, kOnes | status_word(f));
    put<u32>(p + 8, kOnes | tag_word(f));
    put<u32>(p + 12, static_cast<u32>(f.instruction));
    put<u32>(p + 16, u32{f.opcode} << 16);
    put<u32>(p + 20, static_cast<u32>(f.data));
    put<u32>(p + 24, kOnes);
  }
}
template <Width kWidth>
void get_environment(X87& f, const u8* p) {
  constexpr u32 kStep = kEnvironment<kWidth> / 7;
  set_words(f, get<u16>(p), get<u16>(p + kStep));
  set_tag_word(f, get<u16>(p + 2 * kStep));
  if constexpr (kWidth == Width::k16) {
    f.instruction = get<u16>(p + 6);
    f.data = get<u16>(p + 10);
  } else {
    f.instruction = get<u32>(p + 12);
    f.opcode = get<u16>(p + 18) & 0x7ff;
    f.data = get<u32>(p + 20);
  }
}

template <Width kWidth>
[[gnu::noinline]] bool store_environment(Cpu& c, u64 a) {
  constexpr u32 kSize = kEnvironment<kWidth>;
  std::array<u8, kSize> image;
  put_environment<kWidth>(c.x87, image.data());
  if (!store_area(c, a, image.data(), kSize, kSize)) return false;
  c.x87.control |= fsw::kExceptions;
  summarize(c.x87);
  return true;
}
template <Width kWidth>
[[gnu::noinline]] bool load_environment(Cpu& c, u64 a) {
  constexpr u32 kSize = kEnvironment<kWidth>;
  std::array<u8, kSize> image;
  if (!load_area(c, a, image.data(), kSize)) return false;
  get_environment<kWidth>(c.x87, image.data());
  return true;
}
template <Width kWidth>
[[gnu::noinline]] bool save(Cpu& c, u64 a) {
  constexpr u32 kAt = kEnvironment<kWidth>, kSize = kAt + kRegisters;
  std::array<u8, kSize> image;
  put_environment<kWidth>(c.x87, image.data());
  for (unsigned n = 0; n < 8; ++n) put_register(image.data() + kAt + 10 * n, st(c.x87, n));
  if (!store_area(c, a, image.data(), kSize, kSize)) return false;
  initialize(c.x87);
  return true;
}
template <Width kWidth>
[[gnu::noinline]] bool restore(Cpu& c, u64 a) {
  constexpr u32 kAt = kEnvironment<kWidth>, kSize = kAt + kRegisters;
  std::array<u8, kSize> image;
  if (!load_area(c, a, image.data(), kSize)) return false;
  get_environment<kWidth>(c.x87, image.data());
  for (unsigned n = 0; n < 8; ++n) st(c.x87, n) = get_register(image.data() + kAt + 10 * n);
  return true;
}

// Waiting, but not control instructions: they set FIP.
template <unsigned kBy>
void turn(Cpu& c, unsigned) {
  c.x87.top = (c.x87.top + kBy) & 7;
  c.x87.status &= static_cast<u16>(~fsw::kC1);
}
template <bool kPop>
void free_nth(Cpu& c, unsigned n) {
  free_register(c.x87, n);
  c.x87.status &= static_cast<u16>(~fsw::kC1);
  if constexpr (kPop) pop(c.x87);
}
void no_operation(Cpu&, unsigned) {}

/// WAIT: unlike the others it looks at TS only together with MP, and not at EM.
template <class V>
const Insn* wait(Cpu& c, const Insn* i) {
  constexpr u64 kBoth = kCr0Mp | kCr0Ts;
  if ((c.cr0 & kBoth) == kBoth) [[unlikely]]
    return trap(c, i, {Vector::kNM, false, 0, 0});
  if ((c.x87.status & fsw::kES) != 0) [[unlikely]]
    return trap(c, i, {Vector::kMF, false, 0, 0});
  return next<V>(c, i);
}

template <class V, Waits kWaits, auto Body>
Op bind_control(const Shape&, Insn&) {
  return &control_form<V, kWaits, Body>;
}
template <class V, Waits kWaits, auto Body>
Op bind_control_memory(const Shape&, Insn&) {
  return &control_memory_form<V, kWaits, Body>;
}
template <class V, Waits kWaits, auto Narrow, auto Wide>
Op bind_by_width(const Shape& s, Insn&) {
  return s.size == 2 ? &control_memory_form<V, kWaits, Narrow> : &control_memory_form<V, kWaits, Wide>;
}
template <class V>
Op bind_store_status(const Shape& s, Insn&) {
  if (s.kind(0) == Kind::kMem) return &control_memory_form<V, Waits::kNo, store_status>;
  return &control_form<V, Waits::kNo, status_to_ax>;
}
template <class V>
Op bind_wait(const Shape&, Insn&) {
  return &wait<V>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"fninit", bind_control<V, Waits::kNo, init>},
    {"fnclex", bind_control<V, Waits::kNo, clear_exceptions>},
    {"feni8087_nop", bind_control<V, Waits::kNo, nothing>},
    {"fdisi8087_nop", bind_control<V, Waits::kNo, nothing>},
    {"fsetpm287_nop", bind_control<V, Waits::kNo, nothing>},
    {"fnstcw", bind_control_memory<V, Waits::kNo, store_control>},
    {"fldcw", bind_control_memory<V, Waits::kYes, load_control>},
    {"fnstsw", bind_store_status<V>},
    {"fnstenv", bind_by_width<V, Waits::kNo, store_environment<Width::k16>, store_environment<Width::k32>>},
    {"fldenv", bind_by_width<V, Waits::kYes, load_environment<Width::k16>, load_environment<Width::k32>>},
    {"fnsave", bind_by_width<V, Waits::kNo, save<Width::k16>, save<Width::k32>>},
    {"frstor", bind_by_width<V, Waits::kYes, restore<Width::k16>, restore<Width::k32>>},
    {"fincstp", bind_register<V, turn<1>>},
    {"fdecstp", bind_register<V, turn<7>>},
    {"ffree", bind_register<V, free_nth<false>>},
    {"ffreep", bind_register<V, free_nth<true>>},
    {"fnop", bind_register<V, no_operation>},
    {"fwait", bind_wait<V>},
};

}  // namespace
}  // namespace lastbranch::cpu::x87

namespace lastbranch::cpu {

template <class V>
std::span<const OpRow> x87_control_rows() {
  return x87::kRows<V>;
}
template std::span<const OpRow> x87_control_rows<Fast>();
template std::span<const OpRow> x87_control_rows<Observed>();

}  // namespace lastbranch::cpu
