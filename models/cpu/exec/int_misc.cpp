// Flag instructions, no-operations and the decoder's own functions.
// Source: SDM vol. 2, the page of each mnemonic.
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

template <class V>
const Insn* nop(Cpu& c, const Insn* i) {
  return next<V>(c, i);
}

template <class V>
const Insn* clc(Cpu& c, const Insn* i) {
  c.f.set_status(c.f.status() & ~rflags::kCF);
  return next<V>(c, i);
}
template <class V>
const Insn* stc(Cpu& c, const Insn* i) {
  c.f.set_status(c.f.status() | rflags::kCF);
  return next<V>(c, i);
}
template <class V>
const Insn* cmc(Cpu& c, const Insn* i) {
  c.f.set_status(c.f.status() ^ rflags::kCF);
  return next<V>(c, i);
}
template <class V>
const Insn* cld(Cpu& c, const Insn* i) {
  c.system_flags &= ~rflags::kDF;
  return next<V>(c, i);
}
template <class V>
const Insn* set_direction(Cpu& c, const Insn* i) {
  c.system_flags |= rflags::kDF;
  return next<V>(c, i);
}
/// AH := SF ZF 0 AF 0 PF 1 CF.
template <class V>
const Insn* lahf(Cpu& c, const Insn* i) {
  set_reg<u8>(c, kRax * 8 + 1, static_cast<u8>((c.f.status() & 0xff) | rflags::kFixed1));
  return next<V>(c, i);
}
template <class V>
const Insn* sahf(Cpu& c, const Insn* i) {
  c.f.set_status((c.f.status() & rflags::kOF) | (reg<u8>(c, kRax * 8 + 1) & rflags::kStatus));
  return next<V>(c, i);
}
template <Op op>
Op bind_plain(const Shape&, Insn&) {
  return op;
}

template <class V>
constexpr OpRow kRows[] = {
    {"nop", bind_plain<&nop<V>>},   {"endbr64", bind_plain<&nop<V>>},       {"endbr32", bind_plain<&nop<V>>},
    {"clc", bind_plain<&clc<V>>},   {"stc", bind_plain<&stc<V>>},           {"cmc", bind_plain<&cmc<V>>},
    {"cld", bind_plain<&cld<V>>},   {"std", bind_plain<&set_direction<V>>}, {"lahf", bind_plain<&lahf<V>>},
    {"sahf", bind_plain<&sahf<V>>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_misc_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_misc_rows<Fast>();
template std::span<const OpRow> int_misc_rows<Observed>();

}  // namespace lastbranch::cpu
