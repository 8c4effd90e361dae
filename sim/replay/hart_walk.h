#pragma once
/// The hart as a walker of a binary: its fetch, decoder, block cache and run loop, with execution functions
/// that know control flow only.
///
/// Modelled: instruction boundaries, which instructions are branches, their kinds and direct targets, as the
/// hart of the machines has them. Every other instruction does nothing, as the registers and memory of the
/// captured program are not known; conditions, indirect targets and returns are the oracle's. System calls
/// and traps on the way are passed, as if they came back behind themselves.
#include "sim/replay/walk.h"

namespace lastbranch::replay {

class HartWalk final : public PieceWalker {
 public:
  /// `code` must outlive it.
  explicit HartWalk(const ElfCode& code);
  ~HartWalk() override;

  std::optional<u64> run(u64 start, std::span<const Oracle> oracle, WalkSink& sink) override;

 private:
  struct Hart;
  std::unique_ptr<Hart> hart_;
};

}  // namespace lastbranch::replay
