#pragma once
// Running totals of what retired, per privilege context. The core adds, everybody else reads: a counter is a
// view.
//
// Modelled: the facts of facts.h, in four contexts. Not: anything that needs to know what happened in one
// cycle (cmask, inv and edge come from an observer of their own). Source of the split: SDM vol. 3B,
// "IA32_PERFEVTSELx MSRs" (USR and OS flags); vol. 3C for host and guest.
#include <array>

#include "sim/base/facts.h"
#include "sim/base/units.h"

namespace lastbranch {

/// Who was running: bit 0 user (CPL 3), bit 1 guest (VMX non-root). CPL 1 and 2 count as user, as USR does.
enum class Ctx : u8 { kHostKernel, kHostUser, kGuestKernel, kGuestUser, kCount };
inline constexpr std::size_t kCtxCount = static_cast<std::size_t>(Ctx::kCount);

/// The context of privilege level `cpl` (0..3), in VMX non-root operation if `guest`.
[[nodiscard]] constexpr Ctx context_of(unsigned cpl, bool guest = false) {
  return static_cast<Ctx>((cpl != 0 ? 1u : 0u) | (guest ? 2u : 0u));
}

/// How often each fact that a block knows occurs in something (a block, an instruction).
class EvCounts {
 public:
  [[nodiscard]] constexpr u32 operator[](Ev ev) const { return n_[static_cast<std::size_t>(ev)]; }
  /// `ev` must be one that a block knows.
  constexpr void add(Ev ev, u32 n = 1) {
    const auto i = static_cast<std::size_t>(ev);
    n_[i] += n;
    rare_ = rare_ || i >= kCommonFacts;
  }
  [[nodiscard]] constexpr const u32* data() const { return n_.data(); }
  /// Whether any fact behind the common ones occurs: folding leaves them out otherwise.
  [[nodiscard]] constexpr bool has_rare() const { return rare_; }

 private:
  bool rare_ = false;
  std::array<u32, kBlockFacts> n_{};
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
    const u32* const n = counts.data();
    for (std::size_t i = 0; i < kCommonFacts; ++i) bank[i] += times * n[i];
    if (!counts.has_rare()) return;
    for (std::size_t i = kCommonFacts; i < kBlockFacts; ++i) bank[i] += times * n[i];
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
