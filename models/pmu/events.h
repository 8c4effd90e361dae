#pragma once
// Hardware events as data: a name and code per part, and what it counts as a formula over the ledger's facts.
//
// Modelled: the events of Intel's published lists for which data/event_formulas.csv has a formula; those
// whose facts nobody supplies wait for them. The others are known by name and code. Not: off-core response
// events, which the lists have by the thousand, and ANY, for there is one thread. Sources: Intel's perfmon
// event lists (github.com/intel/perfmon, BSD-3-Clause) for names, codes and meanings, through
// tools/gen_events.py; SDM vol. 3B, "Pre-defined Architectural Performance Events"; Linux 6.12
// arch/x86/events/intel/core.c for perf's names.
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sim/base/ledger.h"
#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// A sum of facts, each added or subtracted. Empty: the event is not modelled.
class Formula {
 public:
  struct Term {
    Ev ev = Ev::kInstructions;
    bool minus = false;
    u8 times = 1;
  };
  static constexpr std::size_t kMaxTerms = 8;

  constexpr Formula() = default;
  constexpr Formula(Ev ev) : terms_{{{ev}}}, size_(1) {}
  constexpr Formula(std::initializer_list<Term> terms) {
    for (const Term& t : terms) terms_[size_++] = t;
  }

  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr std::span<const Term> terms() const { return {terms_.data(), size_}; }
  /// Its value when `fact(Ev)` gives that of a fact.
  template <class F>
  [[nodiscard]] constexpr u64 sum(F fact) const {
    u64 sum = 0;
    for (const Term& t : terms()) sum += (t.minus ? 0 - fact(t.ev) : fact(t.ev)) * t.times;
    return sum;
  }
  /// Its value in one context.
  [[nodiscard]] constexpr u64 total(const Ledger& ledger, Ctx ctx) const {
    return sum([&](Ev ev) { return ledger.total(ev, ctx); });
  }
  /// Most that one instruction can add, given the most it can add to each fact.
  [[nodiscard]] constexpr u64 most(const FactCounts& most_per_instruction) const {
    u64 sum = 0;
    for (const Term& t : terms()) sum += t.minus ? 0 : most_per_instruction[t.ev] * t.times;
    return sum;
  }
  /// A fact it needs that is not in `facts`.
  [[nodiscard]] constexpr std::optional<Ev> missing(const FactSet& facts) const {
    for (const Term& t : terms()) {
      if (!facts.has(t.ev)) return t.ev;
    }
    return std::nullopt;
  }

 private:
  std::array<Term, kMaxTerms> terms_{};
  u8 size_ = 0;
};

/// Event select, umask and modifiers as IA32_PERFEVTSELx (and perf's raw config) has them: bits 7:0 event,
/// 15:8 umask, 18 edge, 21 any thread, 23 inv, 31:24 cmask. Fixed counters have the pseudo codes 0100H,
/// 0200H, 0300H, 0400H.
using Code = u32;
inline constexpr Code kNoCode = 0xffff'ffff;  ///< the part does not have the event

/// Lists as a set: bit n is EventList n.
using ListSet = u32;
[[nodiscard]] constexpr ListSet only(EventList list) {
  return ListSet{1} << static_cast<unsigned>(list);
}

/// What can be said of an event's count.
enum class EventState : u8 {
  kSupplied,     ///< counted
  kWaiting,      ///< has a formula, and nobody supplies one of its facts
  kNotModelled,  ///< known by name and code only
};

/// One event of one or several lists: a row of the table. Lists on which its code or formula differ have rows
/// of their own.
struct Event {
  std::string_view name;         ///< perfmon's, in lower case as perf lists it
  std::string_view description;  ///< one line, after perfmon's
  Code select = kNoCode;
  ListSet lists = 0;       ///< that have it
  ListSet precise = 0;     ///< of these, where PEBS can sample it
  ListSet deprecated = 0;  ///< of these, where the name is an old one
  Formula formula;
  /// Whether cmask, inv and edge of `select` apply to the formula cycle by cycle; else it includes them.
  bool per_cycle = false;
  u16 counters = 0;   ///< the only general counters that count it, as bits; 0: all
  u16 msr = 0;        ///< an MSR that has to hold msr_value
  u32 msr_value = 0;  ///< meaningless without msr

  [[nodiscard]] constexpr EventState state(const FactSet& facts = FactSet::supplied()) const {
    if (formula.empty()) return EventState::kNotModelled;
    return formula.missing(facts) ? EventState::kWaiting : EventState::kSupplied;
  }
  [[nodiscard]] constexpr bool supported() const { return state() == EventState::kSupplied; }
  [[nodiscard]] constexpr bool exists(EventList list) const { return (lists & only(list)) != 0; }
  [[nodiscard]] constexpr Code code(EventList list) const { return exists(list) ? select : kNoCode; }
  [[nodiscard]] constexpr bool is_precise(EventList list) const { return (precise & only(list)) != 0; }
};

/// Its state in words: "supplied", "waits for mispredicted", "not modelled".
[[nodiscard]] std::string state_text(const Event& event, const FactSet& facts = FactSet::supplied());

/// perf's own name for an event ("cycles"), and how perf.data stores it.
struct Alias {
  std::string_view name;
  std::string_view event;  ///< Event::name; empty where each list has another, see find()
  u32 perf_type;           ///< perf_event_attr.type: 0 hardware, 3 hardware cache
  u64 perf_config;         ///< perf_event_attr.config
};

/// Every event of every list, by name. Several rows may have one name, on different lists.
[[nodiscard]] std::span<const Event> events();
/// Every alias, in the order of printing.
[[nodiscard]] std::span<const Alias> aliases();

/// The event of that name on parts with this list, or nullptr. Any case of letters. Architectural events are
/// found on every part, whatever its list says.
[[nodiscard]] const Event* find(EventList list, std::string_view name);
/// The alias of that name, or nullptr. Any case of letters; `-` and `_` are the same.
[[nodiscard]] const Alias* find_alias(std::string_view name);
/// The event of exactly that code, or nullptr. Where several names share a code: one with a formula, if any.
[[nodiscard]] const Event* find(EventList list, Code code);

/// The most one instruction can add to each fact, as far as the architecture bounds it; clocks as the
/// caller's timing does. What the board does in the kernel's name belongs to the instruction that called it.
[[nodiscard]] constexpr FactCounts most_per_instruction(u32 cycles) {
  FactCounts most;
  most.n.fill(1);
  most[Ev::kCycles] = cycles;
  // A SYSCALL and the SYSRET that the board performs after it; an exception and the IRET or jump to a
  // handler.
  most[Ev::kFarBranches] = 2;
  most[Ev::kBranches] = 2;
  most[Ev::kLbrInserts] = 2;
  most[Ev::kInterrupts] = 2;
  // DPPS and DPPD.
  most[Ev::kFpPackedSingle] = 2;
  most[Ev::kFpPackedDouble] = 2;
  return most;
}

}  // namespace lastbranch::pmu
