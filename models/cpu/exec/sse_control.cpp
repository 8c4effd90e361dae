// Loading and storing MXCSR, and the instructions about caches and memory order, which have no architectural
// effect on a single processor.
//
// Source: SDM vol. 1, "SSE MXCSR State Management Instructions", "SSE Cacheability Control, Prefetch, and
// Instruction Ordering Instructions"; vol. 2.
#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"

namespace lastbranch::cpu {
namespace {

template <class V>
const Insn* load_mxcsr(Cpu& c, const Insn* i) {
  const u8* p = load_ptr<u32>(c, ea<V>(c, i));
  if (p == nullptr) [[unlikely]]
    return trap(c, i);
  const u32 v = get<u32>(p);
  if ((v & mxcsr::kReserved) != 0) [[unlikely]]
    return general_protection_at(c, i);
  set_guest_mxcsr(c, v);
  return next<V>(c, i);
}
template <class V>
const Insn* store_mxcsr(Cpu& c, const Insn* i) {
  if (!store<u32>(c, ea<V>(c, i), guest_mxcsr(c))) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}

/// CLFLUSH: as a load of one byte that nobody looks at.
template <class V>
const Insn* touch(Cpu& c, const Insn* i) {
  if (load_ptr<u8>(c, ea<V>(c, i)) == nullptr) [[unlikely]]
    return trap(c, i);
  return next<V>(c, i);
}
/// Prefetches: no access and no fault, but the address is a fact.
template <class V>
const Insn* hint(Cpu& c, const Insn* i) {
  if constexpr (V::kObserved) ea<V>(c, i);
  return next<V>(c, i);
}

template <class V, Op kFunction>
Op always(const Shape&, Insn&) {
  return kFunction;
}

template <class V>
constexpr OpRow kRows[] = {
    {"ldmxcsr", always<V, load_mxcsr<V>>}, {"stmxcsr", always<V, store_mxcsr<V>>},
    {"clflush", always<V, touch<V>>},      {"prefetchnta", always<V, hint<V>>},
    {"prefetcht0", always<V, hint<V>>},    {"prefetcht1", always<V, hint<V>>},
    {"prefetcht2", always<V, hint<V>>},    {"prefetchw", always<V, hint<V>>},
    {"prefetch", always<V, hint<V>>},      {"lfence", always<V, next<V>>},
    {"mfence", always<V, next<V>>},        {"sfence", always<V, next<V>>},
    {"pause", always<V, next<V>>},
};

}  // namespace

template <class V>
std::span<const OpRow> sse_control_rows() {
  return kRows<V>;
}
template std::span<const OpRow> sse_control_rows<Fast>();
template std::span<const OpRow> sse_control_rows<Observed>();

}  // namespace lastbranch::cpu
