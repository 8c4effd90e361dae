#pragma once
// Hardware events as data: a name and code per part, and what it counts as a formula over the ledger's facts.
//
// Modelled: instructions, clocks, branches and retired memory instructions. Events that need a predictor,
// caches or uops are in the table, known by name and code, without a formula: they read as not supported.
// Not: events that need to know what happened in one cycle (cmask, inv, edge).
// Sources: Intel's perfmon event lists (github.com/intel/perfmon: NHM-EP, SNB, HSW, SKL) for names and codes;
// SDM vol. 3B, "Pre-defined Architectural Performance Events"; Linux 6.12 arch/x86/events/intel/core.c for
// perf's names.
#include <array>
#include <initializer_list>
#include <span>
#include <string_view>

#include "sim/base/ledger.h"
#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// A sum of facts, each added or subtracted. Empty: the event is not supported.
class Formula {
 public:
  struct Term {
    Ev ev = Ev::kInstructions;
    bool minus = false;
  };
  static constexpr std::size_t kMaxTerms = 3;

  constexpr Formula() = default;
  constexpr Formula(Ev ev) : terms_{{{ev, false}}}, size_(1) {}
  constexpr Formula(std::initializer_list<Term> terms) {
    for (const Term& t : terms) terms_[size_++] = t;
  }

  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr std::span<const Term> terms() const { return {terms_.data(), size_}; }
  /// Its value in one context.
  [[nodiscard]] constexpr u64 total(const Ledger& ledger, Ctx ctx) const {
    u64 sum = 0;
    for (const Term& t : terms()) sum += t.minus ? 0 - ledger.total(t.ev, ctx) : ledger.total(t.ev, ctx);
    return sum;
  }
  /// Most that one instruction can add, given the most it can add to each fact.
  [[nodiscard]] constexpr u64 most(const FactCounts& most_per_instruction) const {
    u64 sum = 0;
    for (const Term& t : terms()) sum += t.minus ? 0 : most_per_instruction[t.ev];
    return sum;
  }

 private:
  std::array<Term, kMaxTerms> terms_{};
  std::size_t size_ = 0;
};

/// Event select, umask and modifiers as IA32_PERFEVTSELx (and perf's raw config) has them: bits 7:0 event,
/// 15:8 umask, 18 edge, 21 any thread, 23 inv, 31:24 cmask. Fixed counters have the pseudo codes 0100H,
/// 0200H, 0300H.
using Code = u32;
inline constexpr Code kNoCode = 0xffff'ffff;  ///< the part does not have the event

/// One event: a row of the table.
struct Event {
  std::string_view name;  ///< perfmon's, in lower case as perf lists it
  std::string_view description;
  std::array<Code, static_cast<std::size_t>(EventList::kCount)> codes;  ///< by EventList
  Formula formula;

  [[nodiscard]] constexpr bool supported() const { return !formula.empty(); }
  [[nodiscard]] constexpr Code code(EventList list) const { return codes[static_cast<std::size_t>(list)]; }
  [[nodiscard]] constexpr bool exists(EventList list) const { return code(list) != kNoCode; }
};

/// perf's own name for an event ("cycles"), and how perf.data stores it.
struct Alias {
  std::string_view name;
  std::string_view event;  ///< Event::name; empty where each list has another, see find()
  u32 perf_type;           ///< perf_event_attr.type: 0 hardware, 3 hardware cache
  u64 perf_config;         ///< perf_event_attr.config
};

/// Every event of every list, in the order of printing.
[[nodiscard]] std::span<const Event> events();
/// Every alias, in the order of printing.
[[nodiscard]] std::span<const Alias> aliases();

/// The event of that name on parts with this list, or nullptr. Any case of letters.
[[nodiscard]] const Event* find(EventList list, std::string_view name);
/// The alias of that name, or nullptr. Any case of letters; `-` and `_` are the same.
[[nodiscard]] const Alias* find_alias(std::string_view name);
/// The event of that code, or nullptr. Where several names share a code: the first.
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
  most[Ev::kRing0Entries] = 2;
  most[Ev::kInterrupts] = 2;
  // DPPS and DPPD.
  most[Ev::kFpPackedSingle] = 2;
  most[Ev::kFpPackedDouble] = 2;
  return most;
}

}  // namespace lastbranch::pmu
