#pragma once
// Every taken user-mode branch of a simulated program in its order, for whoever compares it with captures.
//
// Taken out of the machine's own LBR, which is read before it can overflow; so it has what the LBR has:
// addresses, kind, cycles. Nothing is added to the way of a branch; the looks, one for some 28 branches, are
// what it costs (about 3 million branches a second). Not: branches of the kernel, whose code is not
// simulated.
#include <array>
#include <functional>
#include <span>

#include "models/lbr/lbr.h"
#include "sim/machine/machine.h"

namespace lastbranch {

class BranchStream {
 public:
  /// Takes some branches, oldest first. `gap`: some before them are missing.
  using Sink = std::function<void(std::span<const lbr::Entry> branches, bool gap)>;

  /// `config` with the LBR that a stream needs: deep, whole addresses, none of a part's errata. What the
  /// program can see of the part stays.
  [[nodiscard]] static MachineConfig prepare(MachineConfig config);

  /// Attaches to `machine`, which was made with prepare() and has not run. Both must outlive it. Throws Error
  /// when the part cannot sample branches.
  BranchStream(Machine& machine, Sink sink);
  BranchStream(const BranchStream&) = delete;
  BranchStream& operator=(const BranchStream&) = delete;

  /// As Machine::run(); all branches have been handed over when it returns.
  RunOutcome run(u64 max_instructions = Machine::kNoLimit);
  /// How often branches got lost: more of them than records between two looks.
  [[nodiscard]] u64 gaps() const { return gaps_; }

 private:
  void look();

  Machine& machine_;
  Sink sink_;
  u64 seen_ = 0;  ///< records, ever
  u64 gaps_ = 0;
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> newest_{};
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> ordered_{};
};

}  // namespace lastbranch
