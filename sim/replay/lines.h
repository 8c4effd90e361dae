#pragma once
/// Straight lines of code: what is executed between two taken branches. Each is followed once and then
/// remembered, with the conditional branches on it, which were not taken.
#include <span>
#include <unordered_map>
#include <vector>

#include "sim/base/units.h"
#include "sim/replay/code_map.h"
#include "sim/replay/control_flow.h"

namespace lastbranch::replay {

enum class LineEnd : u8 {
  kReached,
  kBackwards,  ///< the end lies before the start
  kBranch,     ///< an unconditional branch leaves it
  kMissed,     ///< the end is not where an instruction begins
  kInvalid,    ///< bytes that are no instruction
  kUnknown,    ///< code that a table does not cover
};

struct Line {
  LineEnd end = LineEnd::kReached;
  bool system = false;     ///< a system call or the like lies on it
  bool makes_top = false;  ///< of what touches the top of the stack on it, the last puts something there
  FlowKinds kinds = 0;     ///< of branches on it, with the one that leaves it
  u32 conditionals = 0;    ///< of them, and where they begin in the table's list
  u64 first = 0;
  u64 at = 0;    ///< link-time address of the last instruction that was looked at
  u64 uses = 0;  ///< not yet folded
};

class Lines {
 public:
  explicit Lines(const CodeMap& codes) : codes_(codes) {}

  /// The line of code `code` from link-time address `from` to the instruction at `to`. Valid until the next
  /// call.
  [[nodiscard]] Line& follow(u32 code, u64 from, u64 to);
  /// Adds to `outcomes` the conditional branches that lines were counted over (Line::uses) since the last
  /// call.
  void fold(std::unordered_map<Site, Outcomes, SiteHash>& outcomes);
  /// There are so many that fold() and clear() are due.
  [[nodiscard]] bool full() const { return conditionals_.size() + lines_.size() > kMost; }
  void clear();

 private:
  static constexpr std::size_t kMost = std::size_t{1} << 22;

  struct Key {
    u64 from, to;
    u32 code;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const {
      return (k.from * 0x9e3779b97f4a7c15ull ^ k.to) * 0xc2b2ae3d27d4eb4full ^ k.code;
    }
  };

  [[nodiscard]] Line trace(const Key& key);

  const CodeMap& codes_;
  std::unordered_map<Key, Line, KeyHash> lines_;
  std::vector<u64> conditionals_;
};

}  // namespace lastbranch::replay
