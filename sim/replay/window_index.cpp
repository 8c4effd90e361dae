#include "sim/replay/window_index.h"

#include <utility>

#include "sim/base/assert.h"

namespace lastbranch::replay {

u32 WindowIndex::add(std::span<const u32> symbols) {
  LASTBRANCH_ASSERT(!symbols.empty(), "an empty window");
  u32 at = 0;
  for (const u32 symbol : symbols) {
    const auto [it, added] = edges_.try_emplace(key(at, symbol), static_cast<u32>(nodes_.size()));
    if (added) nodes_.emplace_back();
    at = it->second;
  }
  if (nodes_[at].window == kNone) {
    nodes_[at].window = static_cast<u32>(ends_.size());
    ends_.push_back(at);
  }
  return nodes_[at].window;
}

u32 WindowIndex::next(u32 node, u32 symbol) const {
  for (;;) {
    if (const auto it = edges_.find(key(node, symbol)); it != edges_.end()) return it->second;
    if (node == 0) return 0;
    node = nodes_[node].fail;
  }
}

void WindowIndex::build() {
  // Breadth first: what a node falls back to is shorter than the node, and so done before.
  std::vector<std::vector<std::pair<u32, u32>>> children(nodes_.size());
  for (const auto& [from, to] : edges_) children[from >> 32].emplace_back(static_cast<u32>(from), to);
  std::vector<u32> queue = {0};
  for (std::size_t k = 0; k < queue.size(); ++k) {
    const u32 parent = queue[k];
    for (const auto& [symbol, child] : children[parent]) {
      Node& n = nodes_[child];
      n.fail = parent == 0 ? 0 : next(nodes_[parent].fail, symbol);
      n.shorter = nodes_[n.fail].window != kNone ? n.fail : nodes_[n.fail].shorter;
      queue.push_back(child);
    }
  }
}

void WindowIndex::step(u32 symbol) {
  if (symbol == kOther) {
    at_ = 0;
    return;
  }
  at_ = next(at_, symbol);
  const Node& here = nodes_[at_];
  // What ends within a found window was found with it.
  for (u32 n = here.window != kNone ? at_ : here.shorter; n != kNone && !nodes_[n].found;
       n = nodes_[n].shorter)
    nodes_[n].found = true;
}

}  // namespace lastbranch::replay
