#pragma once
/// Walks code with a capture as branch oracle: executes control flow only, into a simulated LBR.
///
/// The oracle is asked which conditional branches are taken and where indirect branches and returns go; what
/// is a branch, where direct branches go and what follows what comes from the code. Binaries are walked by
/// the hart itself (hart_walk.h), tables by a walker over their rows. Not modelled: registers and memory,
/// which captures do not have, so nothing that depends on them; branches outside the given code (kernel,
/// other files, interrupts), which are recorded as the capture has them.
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/lbr/lbr.h"
#include "sim/base/units.h"
#include "sim/replay/code_map.h"

namespace lastbranch::replay {

/// A branch that the capture says was taken; link-time addresses, `to` may lie outside of the code.
struct Oracle {
  u64 from = 0;
  u64 to = 0;
};

/// Where a walker announces branches: the LBR sees runtime addresses.
struct WalkSink {
  lbr::Lbr& lbr;
  u64 bias = 0;
  u64 time = 0;

  void branch(BranchKind kind, u64 from, u64 to, u8 length);
};

/// Walks one code.
class PieceWalker {
 public:
  virtual ~PieceWalker() = default;
  PieceWalker(const PieceWalker&) = delete;
  PieceWalker& operator=(const PieceWalker&) = delete;

  /// Goes on from link-time address `start` until all branches of `oracle` (oldest first) were met. Nothing
  /// when they were, else the link-time address of what could not be passed.
  virtual std::optional<u64> run(u64 start, std::span<const Oracle> oracle, WalkSink& sink) = 0;

 protected:
  PieceWalker() = default;
};

/// An entry of a sample as the walk needs it.
struct WalkEntry {
  u64 from = 0;  ///< runtime addresses
  u64 to = 0;
  Spot at;                 ///< what lies at `from`
  Spot target;             ///< what lies at `to`
  bool walked = false;     ///< a branch of given code; false: recorded as it is
  bool continues = false;  ///< the code leads here from the entry before; false: it is entered at `from`
};

class Walk {
 public:
  /// `params`: of the capture's processor. `codes` must outlive it.
  Walk(const CodeMap& codes, const LbrParams& params);

  /// Walks a sample, oldest entry first, and compares what the LBR has then with the entries. Nothing when
  /// all are equal, else which is not, in words.
  [[nodiscard]] std::optional<std::string> walk(std::span<const WalkEntry> entries);

 private:
  [[nodiscard]] PieceWalker& walker(u32 code);
  [[nodiscard]] std::optional<std::string> compare(std::span<const WalkEntry> entries) const;

  const CodeMap& codes_;
  LbrParams params_;
  lbr::Lbr lbr_;
  WalkSink sink_{lbr_};  ///< its time goes on from sample to sample, as the records want it
  std::map<u32, std::unique_ptr<PieceWalker>> walkers_;
  std::vector<Oracle> oracle_;
};

}  // namespace lastbranch::replay
