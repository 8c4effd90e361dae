#pragma once
// Running totals of what retired, per privilege context. The core adds, everybody else reads: a counter is a
// view.
//
// Modelled: the facts below, in four contexts. Not: anything that needs to know what happened in one cycle
// (cmask, inv and edge come from an observer of their own). Source of the split: SDM vol. 3B,
// "IA32_PERFEVTSELx MSRs" (USR and OS flags); vol. 3C for host and guest.
#include <array>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch {

/// Facts that are counted. Instruction facts count instructions: a RMW instruction is one load and one store.
enum class Ev : u8 {
  kInstructions,   ///< retired; a REP string instruction is one
  kCycles,         ///< core clocks while not halted
  kBranches,       ///< near and far, taken or not
  kTakenBranches,  ///< near, taken
  kCondBranches,   ///< Jcc, LOOPcc, JRCXZ
  kCondTaken,
  kNearCalls,
  kNearReturns,
  kIndirect,     ///< near indirect JMP and CALL; not RET
  kFarBranches,  ///< far transfers, SYSCALL and SYSRET, INT n, IRET, interrupts and exceptions
  kLoads,        ///< instructions that read memory
  kStores,       ///< instructions that write memory
  kMemory,       ///< instructions that do either
  kLocked,       ///< instructions with a locked access
  kX87,
  kSseFp,  ///< SSE floating point
  kCount,
};
inline constexpr std::size_t kEvCount = static_cast<std::size_t>(Ev::kCount);

/// The fact's name in listings and errors.
inline constexpr std::array<std::string_view, kEvCount> kEvNames = {
    "instructions", "cycles",       "branches", "taken_branches", "cond_branches", "cond_taken",
    "near_calls",   "near_returns", "indirect", "far_branches",   "loads",         "stores",
    "memory",       "locked",       "x87",      "sse_fp"};

/// Who was running: bit 0 user (CPL 3), bit 1 guest (VMX non-root). CPL 1 and 2 count as user, as USR does.
enum class Ctx : u8 { kHostKernel, kHostUser, kGuestKernel, kGuestUser, kCount };
inline constexpr std::size_t kCtxCount = static_cast<std::size_t>(Ctx::kCount);

/// The context of privilege level `cpl` (0..3), in VMX non-root operation if `guest`.
[[nodiscard]] constexpr Ctx context_of(unsigned cpl, bool guest = false) {
  return static_cast<Ctx>((cpl != 0 ? 1u : 0u) | (guest ? 2u : 0u));
}

/// How often each fact occurs in something (a block, an instruction).
struct EvCounts {
  std::array<u32, kEvCount> n{};

  constexpr u32& operator[](Ev ev) { return n[static_cast<std::size_t>(ev)]; }
  constexpr u32 operator[](Ev ev) const { return n[static_cast<std::size_t>(ev)]; }
};

class Ledger {
 public:
  /// From now on facts are counted in `ctx`. The core folds what it holds back before it calls this.
  void enter(Ctx ctx) { bank_ = &banks_[static_cast<std::size_t>(ctx)]; }
  [[nodiscard]] Ctx context() const { return static_cast<Ctx>(bank_ - banks_.data()); }

  /// `ev` happened `n` times in the current context.
  [[gnu::always_inline]] void add(Ev ev, u64 n = 1) { (*bank_)[static_cast<std::size_t>(ev)] += n; }
  /// Something with these facts was executed `times` times: how a block's executions are folded in.
  [[gnu::always_inline]] void add(const EvCounts& counts, u64 times) {
    Bank& bank = *bank_;
    for (std::size_t i = 0; i < kEvCount; ++i) bank[i] += times * counts.n[i];
  }

  [[nodiscard]] u64 total(Ev ev, Ctx ctx) const {
    return banks_[static_cast<std::size_t>(ctx)][static_cast<std::size_t>(ev)];
  }
  /// Over all contexts.
  [[nodiscard]] u64 total(Ev ev) const {
    u64 sum = 0;
    for (const Bank& bank : banks_) sum += bank[static_cast<std::size_t>(ev)];
    return sum;
  }

  Ledger() = default;
  // bank_ points into the object.
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

 private:
  using Bank = std::array<u64, kEvCount>;
  std::array<Bank, kCtxCount> banks_{};
  Bank* bank_ = &banks_[0];
};

}  // namespace lastbranch
