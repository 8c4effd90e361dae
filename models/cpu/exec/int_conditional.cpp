// Conditional data movement: CMOVcc and SETcc.
// Source: SDM vol. 2, "CMOVcc", "SETcc".
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/condition.h"
#include "models/cpu/exec/rows.h"

namespace lastbranch::cpu {
namespace {

// CMOVcc reads its memory operand whatever the condition; a 32-bit destination is zero-extended either way.
template <class V, class T, Cond k>
const Insn* cmov_reg(Cpu& c, const Insn* i) {
  const T a = reg<T>(c, i->r0), b = reg<T>(c, i->r1);
  set_reg<T>(c, i->r0, holds<k>(c.f) ? b : a);
  return next<V>(c, i);
}
template <class V, class T, Cond k>
const Insn* cmov_mem(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<T>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const T a = reg<T>(c, i->r0), b = get<T>(p);
  set_reg<T>(c, i->r0, holds<k>(c.f) ? b : a);
  return next<V>(c, i);
}
template <class V, Cond k>
Op bind_cmov(const Shape& s, Insn&) {
  return by_wide_size(s.op[0].size, [&]<class T>() -> Op {
    return s.kind(1) == Kind::kMem ? &cmov_mem<V, T, k> : &cmov_reg<V, T, k>;
  });
}
template <class V, Cond k>
const Insn* set_reg_if(Cpu& c, const Insn* i) {
  set_reg<u8>(c, i->r0, holds<k>(c.f) ? 1 : 0);
  return next<V>(c, i);
}
template <class V, Cond k>
const Insn* set_mem_if(Cpu& c, const Insn* i) {
  if (!store<u8>(c, ea<V>(c, i), holds<k>(c.f) ? 1 : 0)) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
template <class V, Cond k>
Op bind_set(const Shape& s, Insn&) {
  return s.kind(0) == Kind::kMem ? &set_mem_if<V, k> : &set_reg_if<V, k>;
}

template <class V>
constexpr OpRow kRows[] = {
    {"cmovo", bind_cmov<V, Cond::kO>},   {"cmovno", bind_cmov<V, Cond::kNo>},
    {"cmovb", bind_cmov<V, Cond::kB>},   {"cmovnb", bind_cmov<V, Cond::kNb>},
    {"cmovz", bind_cmov<V, Cond::kZ>},   {"cmovnz", bind_cmov<V, Cond::kNz>},
    {"cmovbe", bind_cmov<V, Cond::kBe>}, {"cmovnbe", bind_cmov<V, Cond::kNbe>},
    {"cmovs", bind_cmov<V, Cond::kS>},   {"cmovns", bind_cmov<V, Cond::kNs>},
    {"cmovp", bind_cmov<V, Cond::kP>},   {"cmovnp", bind_cmov<V, Cond::kNp>},
    {"cmovl", bind_cmov<V, Cond::kL>},   {"cmovnl", bind_cmov<V, Cond::kNl>},
    {"cmovle", bind_cmov<V, Cond::kLe>}, {"cmovnle", bind_cmov<V, Cond::kNle>},
    {"seto", bind_set<V, Cond::kO>},     {"setno", bind_set<V, Cond::kNo>},
    {"setb", bind_set<V, Cond::kB>},     {"setnb", bind_set<V, Cond::kNb>},
    {"setz", bind_set<V, Cond::kZ>},     {"setnz", bind_set<V, Cond::kNz>},
    {"setbe", bind_set<V, Cond::kBe>},   {"setnbe", bind_set<V, Cond::kNbe>},
    {"sets", bind_set<V, Cond::kS>},     {"setns", bind_set<V, Cond::kNs>},
    {"setp", bind_set<V, Cond::kP>},     {"setnp", bind_set<V, Cond::kNp>},
    {"setl", bind_set<V, Cond::kL>},     {"setnl", bind_set<V, Cond::kNl>},
    {"setle", bind_set<V, Cond::kLe>},   {"setnle", bind_set<V, Cond::kNle>},
};

}  // namespace

template <class V>
std::span<const OpRow> int_conditional_rows() {
  return kRows<V>;
}
template std::span<const OpRow> int_conditional_rows<Fast>();
template std::span<const OpRow> int_conditional_rows<Observed>();

}  // namespace lastbranch::cpu
