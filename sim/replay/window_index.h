#pragma once
/// Finds many short sequences in one long stream that is seen once and not kept: an Aho-Corasick automaton
/// over the sequences. Memory grows with the sequences, not with the stream.
/// Source: A. Aho, M. Corasick, "Efficient string matching: an aid to bibliographic search" (1975).
#include <span>
#include <unordered_map>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::replay {

class WindowIndex {
 public:
  /// A symbol that is in no window.
  static constexpr u32 kOther = 0;

  WindowIndex() : nodes_(1) {}

  /// Adds a window, oldest symbol first, none of them kOther; its number, the same for the same window. Only
  /// before build().
  u32 add(std::span<const u32> symbols);
  /// To be called once, after the last add().
  void build();

  /// The stream's next symbol.
  void step(u32 symbol);
  /// Something is missing from the stream here.
  void cut() { at_ = 0; }

  [[nodiscard]] bool found(u32 window) const { return nodes_[ends_[window]].found; }
  /// Windows that were added, and nodes for them.
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] std::size_t nodes() const { return nodes_.size(); }

 private:
  static constexpr u32 kNone = ~u32{0};

  struct Node {
    u32 fail = 0;         ///< the longest proper suffix that is a node
    u32 shorter = kNone;  ///< the longest proper suffix that is a window
    u32 window = kNone;   ///< that ends here
    bool found = false;
  };
  [[nodiscard]] static u64 key(u32 node, u32 symbol) { return u64{node} << 32 | symbol; }
  [[nodiscard]] u32 next(u32 node, u32 symbol) const;

  std::vector<Node> nodes_;
  std::unordered_map<u64, u32> edges_;
  std::vector<u32> ends_;  // by window: its node
  u32 at_ = 0;
};

}  // namespace lastbranch::replay
